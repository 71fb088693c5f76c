"""What the README names is there: commands, their options, settings, files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from stream.cli import app
from stream.config import Settings, describe

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def _commands() -> list[str]:
    """Return what the README has people type: whole lines, what is in them, and code in prose."""
    lines = [
        line.partition("  #")[0] for block in FENCED.findall(README) for line in block.split("\n")
    ]
    inner = [one for line in lines for one in re.findall(r"\$\(([^)]*)\)", line)]
    outer = [re.sub(r"\$\([^)]*\)", "ID", line) for line in lines]
    spans = [one.replace("\n", " ") for one in re.findall(r"`([^`]+)`", FENCED.sub("", README))]
    return sorted(
        {one for one in (*outer, *inner, *spans) if re.search(r"(^|\" )waitline \w", one)}
    )


@pytest.mark.parametrize("line", _commands())
def test_a_command_of_the_readme_is_there_with_its_options(line: str) -> None:
    words = [word.strip("[]") for word in shlex.split(line)]
    words = words[words.index("waitline") + 1 :]
    command: Any = typer.main.get_command(app)
    while subcommands := getattr(command, "commands", None):
        if not words or words[0] == "...":
            return
        command = subcommands[words.pop(0)]
    known = {option for one in command.params for option in one.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_settings_of_the_readme_are_there() -> None:
    """Those of the tests themselves are read by a module of theirs."""
    named = set(re.findall(r"WAITLINE_[A-Z]+(?:_[A-Z]+)*", README))
    known = {setting.variable for setting in describe(Settings())}
    tests = "".join(module.read_text() for module in (ROOT / "tests").rglob("*.py"))
    read = {name for name in named if f'os.environ.get("{name}"' in tests}
    assert named - known - read == set()


def test_files_of_the_readme_are_there() -> None:
    named = re.findall(r"\]\(([^)]+)\)", README)
    assert [one for one in named if not (ROOT / one).exists()] == []
    assert len(named) >= 4
