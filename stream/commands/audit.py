"""`waitline audit`: who did what, when, and what it changed (rule O4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.trouble import MISUSED, Trouble

if TYPE_CHECKING:
    from datetime import datetime

    from state.reading import ActionRow

#: How much of what an action changed a person is shown; --json shows all.
CHANGE_MAX = 200


def audit(  # noqa: PLR0913 - each is an option of the command
    what: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="Such as run. or automation.stop")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Of this run id, this automation's name, ...")
    ] = None,
    who: Annotated[str | None, typer.Option(help="By this operator only.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Such as 2026-11-22T10:00:00Z.")
    ] = None,
    before: Annotated[
        int | None, typer.Option(metavar="ID", help="Go on where an earlier answer ended.")
    ] = None,
    limit: options.LongLimit = 50,
    as_json: options.AsArray = False,
) -> None:
    """List what operators did, the newest first: who, when, what, before and after.

    Example: waitline audit --what run.cancel --since 2026-11-22T10:00:00Z
    """
    found = access.run(_listed(before, what, target, who, _instant(since), limit))
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("id", "at", "who", "what", "target", "change"),
        [
            (
                one["id"],
                terminal.instant(one["at"]),
                one["who"],
                one["what"],
                one["target"],
                _change(one),
            )
            for one in found
        ],
        empty="no operator did such a thing",
    )
    if len(found) == limit:
        terminal.note(f"there may be more: --before {found[-1]['id']}")


async def _listed(
    before: int | None,
    what: str | None,
    target: str | None,
    who: str | None,
    since: datetime | None,
    limit: int,
) -> list[dict[str, Any]]:
    from state.postgres.reading_audit import WantedActions, list_actions

    wanted = WantedActions(before, what, target, who, since, limit)
    async with access.tables(access.settings()) as session:
        return [_document(row) for row in await list_actions(session, wanted)]


def _instant(text: str | None) -> datetime | None:
    from state.instant import InstantError, parse_instant

    try:
        return None if text is None else parse_instant(text)
    except InstantError as error:
        raise Trouble(f"--since: {error}", MISUSED) from None


def _document(row: ActionRow) -> dict[str, Any]:
    from state.moment import moment_text

    return row._asdict() | {"at": moment_text(row.at)}


def _change(action: dict[str, Any]) -> str:
    """Return what an action changed in few words: each value that is new, with what it was."""
    before, after = action["before"] or {}, action["after"] or {}
    told = [_told(name, before, after) for name in dict.fromkeys([*before, *after])]
    text = ", ".join(one for one in told if one)
    return text if len(text) <= CHANGE_MAX else text[: CHANGE_MAX - 1] + "…"


def _told(name: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    if name not in before:
        return "" if after[name] is None else f"{name}: {_value(after[name])}"
    if name not in after:
        return f"{name} was {_value(before[name])}"
    if before[name] == after[name]:
        return ""
    return f"{name}: {_value(before[name])} -> {_value(after[name])}"


def _value(value: object) -> str:
    """Return a value as tables show it: `yes` and `no`, a dash where there is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
