"""What commands print: tables and stories for people, JSON for programs.

Answers go to standard output, everything else to standard error. In a pipe there are no colours,
and nothing is cut to the width of a screen that is not there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from stream.trouble import MISUSED, Trouble

if TYPE_CHECKING:
    from rich.console import Console

#: Wide enough that nothing is folded where there is no screen.
_PIPE_WIDTH = 100_000

#: Columns that are copied from the screen, and therefore stay on one line.
_WHOLE = frozenset({"id", "run", "run id", "message"})


def require_somebody() -> None:
    """Refuse to go on where nobody can be asked, and say which option does without."""
    if not sys.stdin.isatty():
        raise Trouble("nobody can be asked here: look with --dry-run, then add --yes", MISUSED)


def confirm(question: str) -> None:
    """Ask before what cannot be undone; No ends the command."""
    require_somebody()
    typer.confirm(question, abort=True, err=True)


def print_json(document: object) -> None:
    """Print a document as JSON, and nothing else."""
    from pydantic_core import to_json

    typer.echo(to_json(document, indent=2).decode())


def print_ids(documents: Iterable[Mapping[str, Any]]) -> None:
    """Print the ids alone, one a line, for other commands to take."""
    for document in documents:
        typer.echo(document["id"])


def say(text: str = "") -> None:
    """Print a line of the answer."""
    typer.echo(visible(text))


def note(text: str) -> None:
    """Tell the person something that is not part of the answer."""
    typer.echo(visible(text), err=True)


def heading(text: str) -> None:
    """Print a line that stands out on a screen."""
    _console().print(visible(text), style="bold")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print a table for people; where there are no rows, say so on standard error."""
    from rich.table import Table

    rows = list(rows)
    if not rows:
        note(empty)
        return
    console = _console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        is_whole = column in _WHOLE or not console.is_terminal
        table.add_column(column, overflow="fold", no_wrap=is_whole)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values below each other."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, _cell(value))
    _console().print(table)


def instant(at: datetime | str | None) -> str:
    """Return an instant for people: UTC, to the millisecond, foldable between day and time."""
    from state.moment import moment_text

    if at is None:
        return "-"
    text = at if isinstance(at, str) else moment_text(at)
    return f"{text[:10]} {text[11:23]}Z"


def counted(number: int, thing: str) -> str:
    """Return how many there are of a thing: `1 run`, `2 runs`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def visible(text: str) -> str:
    """Return a text in which control characters cannot act on the terminal."""
    return "".join(
        character if character.isprintable() or character == "\n" else f"\\x{ord(character):02x}"
        for character in text
    )


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(str(value))


def _console(**options: Any) -> Console:
    """Return a console on what is standard output now."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(
        file=sys.stdout, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False
    )
