"""`waitline events`: the names of the events that were seen, and who uses them."""

from __future__ import annotations

from typing import Any

import typer

from stream import access, terminal
from stream.commands import options

commands = typer.Typer(no_args_is_help=True, help="Look at event names.")


@commands.callback()
def _events() -> None:
    """Look at event names."""


@commands.command()
def names(
    as_json: options.AsArray = False,
) -> None:
    """List every event name seen or used: how often, when and where last, by whom used.

    Example: waitline events names
    """
    found = access.run(_names())
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("name", "count", "last seen", "at", "used by"),
        [
            (
                name["name"],
                name["count"],
                terminal.instant(name["last_at"]),
                name["last_coordinates"],
                ", ".join(name["used_by"]) or "nobody",
            )
            for name in found
        ],
        empty="no event was seen yet, and no automation uses one",
    )


async def _names() -> list[dict[str, Any]]:
    from state.moment import moment_text
    from state.postgres.reading_events import name_uses, names_seen

    async with access.tables(access.settings()) as session:
        seen = {row.name: row for row in await names_seen(session)}
        users: dict[str, list[str]] = {}
        for use in await name_uses(session):
            users.setdefault(use.name, []).append(use.automation_name)
    found = []
    for name in sorted(seen.keys() | users.keys()):
        row = seen.get(name)
        found.append(
            {
                "name": name,
                "count": 0 if row is None else row.times,
                "first_at": None if row is None else moment_text(row.first_at),
                "last_at": None if row is None else moment_text(row.last_at),
                "last_coordinates": None if row is None else str(row.last),
                "used_by": users.get(name, []),
            }
        )
    return found
