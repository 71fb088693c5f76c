"""`waitline waits`: what is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream import access, terminal
from stream.commands import options

if TYPE_CHECKING:
    from state.automation import Version
    from state.reading import WaitRow


def waits(
    limit: options.LongLimit = 50,
    as_json: options.AsArray = False,
) -> None:
    """List open waits, those that are due first: who waits for what, since when, until when.

    Example: waitline waits --limit 20
    """
    found = access.run(_waits(limit))
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("run", "automation", "step", "waits for", "contact", "since", "deadline", "held by"),
        [
            (
                wait["run_id"],
                wait["automation"],
                wait["step_key"],
                ", ".join(wait["events"]),
                wait["contact_id"],
                terminal.instant(wait["opened_at"]),
                terminal.instant(wait["deadline"]),
                _held_by(wait),
            )
            for wait in found
        ],
        empty="nothing waits",
    )


async def _waits(limit: int) -> list[dict[str, Any]]:
    from handlers.publishing.catalogue import compile_version
    from state.postgres.reading_runs import open_waits, versions_of

    async with access.tables(access.settings()) as session:
        rows = await open_waits(session, limit)
        stored = await versions_of(session, {(row.automation_id, row.version) for row in rows})
    versions = {key: compile_version(*row) for key, row in stored.items()}
    return [_wait(row, versions[row.automation_id, row.version]) for row in rows]


def _wait(row: WaitRow, version: Version) -> dict[str, Any]:
    from handlers.waits import names_of
    from state.contact import contact_uuid
    from state.moment import optional_moment_text

    return {
        "run_id": str(row.run_id),
        "automation": row.automation_name,
        "automation_version": row.version,
        "step_key": row.step_key,
        "events": names_of(version, row.step_key),
        "contact_id": str(contact_uuid(row.contact_id)),
        "opened_at": optional_moment_text(row.opened_at),
        "floor": optional_moment_text(row.floor),
        "deadline": optional_moment_text(row.deadline),
        "due_at": optional_moment_text(row.due_at),
        "held_for_lag": row.is_held,
        "held": row.pause,
        "kept_event": row.kept_event,
    }


def _held_by(wait: dict[str, Any]) -> str | None:
    """Return what keeps a wait from its end though an event came or its time is over (W4, T3)."""
    if wait["held"] is not None:
        kept = f", keeps {wait['kept_event']}" if wait["kept_event"] else ""
        return f"pause ({wait['held']}){kept}"
    return "lag" if wait["held_for_lag"] else None
