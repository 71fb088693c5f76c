"""What the code promises of itself: style, types, who imports whom, sizes, what is checked in."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(sys.executable).parent
PACKAGES = ("stream", "handlers", "state")

LINES_MAX = 400
FUNCTION_LINES_MAX = 50
ASYNCPG_IMPORTERS_MAX = 6
AIOKAFKA_IMPORTERS_MAX = 8

TOP_LEVEL = re.compile(
    r"\..+|pyproject\.toml|README\.md|LICENSE|CHANGELOG\.md|stream|handlers|state|tests|deploy"
)
# Spelt so that this file does not hold what it looks for.
REGISTRY_HOST = re.compile(
    r"(?:pypi|pythonhosted|crates|npmjs|(?:repo1?|central)\.maven|proxy\.golang|deb\.debian)"
    r"(?:\.apache)?[.](?:org|io|com)"
)
MACHINE_PATH = re.compile(r"(?<![\w.})])/(?:work|farm|root|home/\w+|Users/\w+)/")
# An exception names its rule and gives its reason: `type: ignore[misc]  # why`, `noqa: S603 - why`.
EXCEPTION = re.compile(r"#\s*(?:noqa|type:\s*ignore)")
REASONED_EXCEPTION = re.compile(
    r"#\s*(?:noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*|type: ignore\[[a-z, -]+\])\s+[#-] \S+"
)


def checked_in() -> list[Path]:
    """Every file that is tracked, or would be by `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def modules(*folders: str) -> Iterator[Path]:
    for path in checked_in():
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders:
            yield path


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "command",
    [
        "ruff check",
        "ruff format --check",
        "mypy",
        "lint-imports",
        "python -m pip check",
    ],
)
def test_the_checkers_find_nothing(command: str) -> None:
    program, *options = command.split()
    said = subprocess.run(
        [PROGRAMS / program, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert said.returncode == 0, f"{command}\n{said.stdout}"


def test_modules_are_short() -> None:
    lengths = {
        name(path): len(path.read_text().splitlines())
        for path in modules(*PACKAGES, "deploy", "tests")
    }
    assert {path: lines for path, lines in lengths.items() if lines > LINES_MAX} == {}


def test_functions_are_short() -> None:
    long = []
    for path in modules(*PACKAGES, "deploy"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{name(path)}:{node.lineno} {node.name}: {lines} lines")
    assert long == []


def test_an_exception_to_a_rule_names_the_rule_and_the_reason() -> None:
    bare = [
        f"{name(path)}:{token.start[0]} {token.string}"
        for path in modules(*PACKAGES, "deploy", "tests")
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type == tokenize.COMMENT
        and EXCEPTION.match(token.string)
        and not REASONED_EXCEPTION.match(token.string)
    ]
    assert bare == []


def importers(package: str) -> list[str]:
    imports = re.compile(rf"^\s*(?:import|from) {package}\b", re.MULTILINE)
    return [name(path) for path in modules(*PACKAGES) if imports.search(path.read_text())]


def test_few_modules_know_the_drivers() -> None:
    speaks_sql = importers("asyncpg")
    speaks_sql.remove("state/ids.py")  # takes its UUIDs, and speaks to nobody
    assert all(path.startswith("state/postgres/") for path in speaks_sql)
    assert len(speaks_sql) <= ASYNCPG_IMPORTERS_MAX, speaks_sql
    speaks_kafka = importers("aiokafka")
    assert all(path.startswith("stream/") for path in speaks_kafka)
    assert len(speaks_kafka) <= AIOKAFKA_IMPORTERS_MAX, speaks_kafka


def test_the_top_level_keeps_its_shape() -> None:
    top = {path.relative_to(ROOT).parts[0] for path in checked_in()}
    assert [entry for entry in sorted(top) if not TOP_LEVEL.fullmatch(entry)] == []


def test_no_file_names_a_registry_or_a_place_of_one_machine() -> None:
    found = []
    for path in checked_in():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if hit := REGISTRY_HOST.search(line) or MACHINE_PATH.search(line):
                found.append(f"{name(path)}:{number} {hit[0]}")
    assert found == []
