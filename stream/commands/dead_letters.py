"""`waitline dead-letters`: the records that were set aside, and why (rule E5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.trouble import MISUSED, Trouble

if TYPE_CHECKING:
    from state.reading import QuarantineRow

#: How much of a record's bytes a person is shown.
SHOWN_MAX = 2_000

commands = typer.Typer(no_args_is_help=True, help="Look at records that were set aside.")


@commands.command("list")
def list_(
    reason: Annotated[str | None, typer.Option(help="With this reason only.")] = None,
    limit: options.Limit = 50,
    as_json: options.AsArray = False,
) -> None:
    """List the records that could not be applied, the newest first.

    Example: waitline dead-letters list --reason not_json
    """
    found = access.run(_listed(reason, limit))
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("at", "reason", "detail", "fingerprint", "event id", "set aside"),
        [
            (
                f"{letter['topic']}/{letter['partition']}/{letter['offset']}",
                letter["reason"],
                letter["detail"],
                letter["fingerprint"],
                letter["event_id"],
                terminal.instant(letter["quarantined_at"]),
            )
            for letter in found
        ],
        empty="nothing was set aside",
    )


@commands.command()
def show(
    place: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="Where it stood.")],
    as_json: options.AsObject = False,
) -> None:
    """Show one record that was set aside, with its bytes.

    Example: waitline dead-letters show waitline.events/0/17
    """
    document = access.run(_shown(place))
    if as_json:
        terminal.print_json(document)
    else:
        _tell(document)


async def _listed(reason: str | None, limit: int) -> list[dict[str, Any]]:
    from state.postgres.reading_events import newest_letters

    async with access.tables(access.settings()) as session:
        rows = await newest_letters(session, reason=reason, limit=limit)
    return [_document(row) for row in rows]


async def _shown(place: str) -> dict[str, Any]:
    from state.postgres.reading_events import letters_at
    from stream.inquiry import parse_place

    at = parse_place(place)
    if at is None:
        raise Trouble(f'"{place}" is no place: write TOPIC/PARTITION/OFFSET', MISUSED)
    async with access.tables(access.settings()) as session:
        rows = await letters_at(session, at)
    if not rows:
        raise Trouble(f"nothing was set aside from {place}: `waitline dead-letters list`")
    return _document(rows[0]) | _bytes(rows[0])


def _document(row: QuarantineRow) -> dict[str, Any]:
    from state.moment import moment_text

    return {
        **row.coordinates._asdict(),
        "reason": row.reason,
        "detail": row.detail,
        "fingerprint": row.fingerprint,
        "event_id": row.event_id,
        "winner": row.winner,
        "recorded_at": moment_text(row.recorded_at),
        "quarantined_at": moment_text(row.quarantined_at),
        "sha256": row.sha256.hex(),
    }


def _bytes(row: QuarantineRow) -> dict[str, Any]:
    """Return the record's headers and bytes, as text where they are text."""
    import base64

    try:
        raw = {"raw": row.raw.decode(), "raw_base64": None}
    except UnicodeDecodeError:
        raw = {"raw": None, "raw_base64": base64.b64encode(row.raw).decode()}
    return {"headers": [list(header) for header in row.headers], **raw}


def _tell(letter: dict[str, Any]) -> None:
    terminal.heading(f"{letter['topic']}/{letter['partition']}/{letter['offset']}")
    shown = ("reason", "detail", "fingerprint", "event_id", "winner", "recorded_at", "sha256")
    terminal.print_facts({name: letter[name] for name in shown})
    for name, text in letter["headers"]:
        terminal.say(f"header {name}: {text}")
    terminal.say()
    raw = letter["raw"] if letter["raw"] is not None else f"base64 {letter['raw_base64']}"
    terminal.say(raw[:SHOWN_MAX])
    if len(raw) > SHOWN_MAX:
        terminal.note(f"the first {SHOWN_MAX} of {len(raw)} characters; --json shows all")
