"""The demo, run as people run it: what it tells, what can be pasted from it, how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.beside import beside
from deploy.local.guard import lives
from deploy.local.stack import LocalStack
from deploy.local.telling import StoryError

ROOT = Path(__file__).parents[2]
SERVERS = {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"}


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files that other users may pass through, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@contextmanager
def demo(temporary: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The demo with servers of its own, in a process group as a terminal's."""
    bare = {name: value for name, value in os.environ.items() if name not in SERVERS}
    program = subprocess.Popen(
        [sys.executable, "deploy/local/demo.py", *options],
        cwd=ROOT,
        env=bare | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell ignores SIGINT for what it starts in the background, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with program:
        yield program
        program.kill()


def told_until(program: subprocess.Popen[str], words: str) -> str:
    """Return what the demo says up to a line with these words."""
    assert program.stdout is not None
    told = []
    for line in program.stdout:
        told.append(line)
        if words in line:
            return "".join(told)
    pytest.fail(f"it never said {words!r}:\n{''.join(told)}")


def family_of(program: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(program.pid).children(recursive=True)


def await_nothing_left(family: list[psutil.Process], temporary: Path) -> None:
    until = time.monotonic() + 10
    while left(family, temporary) and time.monotonic() < until:
        time.sleep(0.05)
    assert left(family, temporary) == []


def left(family: list[psutil.Process], temporary: Path) -> list[object]:
    return [member for member in family if lives(member.pid)] + list(temporary.iterdir())


def values_of(lines: str) -> dict[str, str]:
    """What lines of `export NAME=value` put into a shell."""
    return dict(re.findall(r"^ *export (\w+)=(\S+)", lines, re.MULTILINE))


def pasted(line: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], env=os.environ | environment, capture_output=True, text=True
    )


@pytest.mark.timeout(240)
def test_four_stories_end_with_a_run_that_waited_and_leave_nothing(temporary: Path) -> None:
    with demo(temporary) as program:
        told = told_until(program, "4. Dora's order comes by HTTP")
        family = family_of(program)
        said, _ = program.communicate()
        assert program.returncode == 0, told + said
    assert len(family) > 6
    await_nothing_left(family, temporary)

    assert re.search(r"^re_[0-9a-f]{12}_[0-9a-f]{64}$", said, re.MULTILINE)
    assert re.search(r"^HTTP answers at http://127\.0\.0\.1:\d+$", said, re.MULTILINE)
    assert '202 {"object":"event","event":"order.completed","id":"dora-order"}' in said
    run = json.loads(said[said.index("\n{\n") : said.index("\n}\n") + 2])
    assert (run["object"], run["status"]) == ("automation_run", "completed")
    assert run["resolved_identity_value"] == "dora@example.com"
    (waited,) = run["waits"]
    assert (waited["status"], waited["resumed_by_event"]["id"]) == ("received", "dora-open")
    last = said[said.index(f"waitline runs show {run['id']}") :]
    assert "dora-open" in last
    assert "Four people, four runs, 8 messages" in last


@pytest.mark.timeout(240)
def test_what_it_prints_can_be_pasted_while_it_stays_and_ctrl_c_ends_it_all(
    temporary: Path,
) -> None:
    with demo(temporary, "--keep") as program:
        told = told_until(program, "RESEND_API_KEY")
        family = family_of(program)
        shell = values_of(told)
        assert shell.keys() >= SERVERS | {"URL", "KEY", "PATH"}
        shell["PATH"] = shell["PATH"].replace("$PATH", os.environ["PATH"])

        def ask(path: str) -> httpx.Response:
            headers = {"authorization": f"Bearer {shell['KEY']}"}
            return httpx.get(f"{shell['URL']}{path}", headers=headers, trust_env=False)

        assert ask("/readyz").is_success
        assert ask("/docs").is_success
        assert len(ask("/automations").json()["data"]) == 2
        kept = told[told.index("Everything stays") :]
        lines = [line.strip() for line in kept.splitlines() if line.startswith("  ")]
        for line in lines:
            if line.startswith("waitline "):
                done = pasted(line, shell)
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        _check_requests([line for line in lines if line.startswith("curl ")], shell)

        # As a terminal does: to everyone in the foreground.
        os.killpg(program.pid, signal.SIGINT)
        said, _ = program.communicate(timeout=60)
        assert program.returncode == 130
        assert "stopped; nothing is left running" in said
        await_nothing_left(family, temporary)


def _check_requests(lines: list[str], shell: Mapping[str, str]) -> None:
    """Do what the lines for curl do, where there is a curl."""
    assert [re.search(r"(?:\$URL|:\d+)(/\S*)", line)[1] for line in lines] == [
        "/events/send",
        "/events/explain/fay-order",
        "/automations",
        "/readyz",
        "/metrics",
    ]
    if shutil.which("curl") is None:
        return
    answers = [pasted(line, shell) for line in lines]
    assert [answer.returncode for answer in answers] == [0] * 5
    *documents, metrics = (answer.stdout for answer in answers)
    sent, told, listed, ready = map(json.loads, documents)
    assert "\nwaitline_http_requests_total{" in metrics
    assert sent == {"object": "event", "event": "order.completed", "id": "fay-order"}
    assert told.get("event", {}).get("id") == "fay-order" or told["statusCode"] == 404, told
    assert {one["name"] for one in listed["data"]} == {"Receipt and follow-up", "Abandoned cart"}
    assert ready == {"status": "ready"}


def test_an_end_amid_the_stories_leaves_nothing(temporary: Path) -> None:
    with demo(temporary) as program:
        told_until(program, "1. Ann opens her receipt")
        family = family_of(program)
        os.killpg(program.pid, signal.SIGINT)
        program.communicate(timeout=60)
        assert program.returncode == 130
        await_nothing_left(family, temporary)


def test_kill_9_leaves_nothing_soon_after(temporary: Path) -> None:
    with demo(temporary) as program:
        told_until(program, "1. Ann opens her receipt")
        family = family_of(program)
        program.kill()
        await_nothing_left(family, temporary)


def test_a_process_that_ends_by_itself_ends_the_demo_with_its_last_words() -> None:
    with (
        LocalStack(kafka=False, postgres=False) as stack,
        pytest.raises(StoryError, match=r"(?s)`waitline nonsense` ended:.*No such command"),
        beside(stack, "nonsense") as running,
    ):
        running.process.wait(60)
