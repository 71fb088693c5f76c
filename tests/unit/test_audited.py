"""Every command that changes something is known to the audit log: O4."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from stream.cli import app
from tests.audited import AUDITED, PRODUCES, READS

ROOT = Path(__file__).parents[2]


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield every command by its words, through all groups."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name))


def test_every_command_reads_produces_or_is_audited():
    """O4: whoever adds a command says which; tests/audited.py holds the three."""
    known = [*READS, *PRODUCES, *AUDITED]
    assert sorted(commands(typer.main.get_command(app))) == sorted(known)


def test_every_audited_action_is_looked_for_by_a_test_on_the_real_database():
    """O4: what a command claims to write is seen in the audit log by some test."""
    tests = "".join(path.read_text() for path in (ROOT / "tests/integration").glob("test_*.py"))
    unseen = {
        what
        for whats in AUDITED.values()
        for what in whats
        if not re.search(rf"[\"']{re.escape(what)}[\"']", tests)
    }
    assert unseen == set()
