"""`waitline runs release`: an operator's word against the lag that holds a timer (rule W4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream import access, terminal
from stream.commands import options
from stream.operator import reason_given, who_operates
from stream.trouble import FAILED

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from state.reading import StoredRun
    from state.run import Run


def release(
    run_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Runs that are held.")],
    why: options.WhyUnlessDry = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would fire, and change nothing.")
    ] = False,
) -> None:
    """Fire held timers although events that should be first may still lie unread in Kafka.

    A timeout is held while a partition is unowned, paused or behind; `waitline lag` says which.
    Release it only when that partition will not come back. What is not due stays as it is.

    Example: waitline runs release 5dda258d-eac9-559c-96b4-5af441218dcd --dry-run
    """
    wanted = [_parsed(text) for text in run_ids]
    told, are_all_held = access.run(_released(wanted, None if dry_run else reason_given(why)))
    for line in told:
        terminal.say(line)
    if not are_all_held:
        raise typer.Exit(FAILED)


def _parsed(text: str) -> UUID:
    return options.parse_id(text, "run id", "`waitline waits` lists them")


async def _released(run_ids: list[UUID], why: str | None) -> tuple[list[str], bool]:
    """Fire what is held, and tell of each run; without a reason, only tell what would fire."""
    from handlers.timer import Release

    config = access.settings()
    runs, now = await _active(run_ids)
    held = [one.run for one in runs.values() if _is_held(one, now)]
    fired = {run.run_id for run in held}
    if why is not None:
        releases = [Release(run.contact_id, run.run_id, who_operates(), why) for run in held]
        async with access.door(config) as processor:
            await processor.apply_releases(releases)
        runs, _ = await _active(run_ids)
        fired -= {run.run_id for run in held if _stands(run, runs.get(run.run_id))}
    verb = "would fire" if why is None else "fired"
    told = [
        f"{run_id}: {verb}" if run_id in fired else f"{run_id}: {_why_not(runs.get(run_id))}"
        for run_id in run_ids
    ]
    return told, len(fired) == len(set(run_ids))


async def _active(run_ids: list[UUID]) -> tuple[dict[UUID, StoredRun], datetime]:
    """Return those of these runs that are active, and the database's clock."""
    from state.postgres.marks import database_now
    from state.postgres.reading_runs import find_runs

    async with access.tables(access.settings()) as session:
        stored = await find_runs(session, run_ids)
        now = await database_now(session)
    return {one.run.run_id: one for one in stored if one.run.status == "running"}, now


def _is_held(stored: StoredRun, now: datetime) -> bool:
    """Tell whether lag holds a run's timer, and lag alone: a freeze may have moved it (W4, T3)."""
    from state.pausing import with_freezes

    parked = with_freezes(stored.run, stored.pausing, None).parked
    if parked is None or parked.due_at is None or stored.pausing.mode is not None:
        return False
    return parked.is_held and parked.due_at <= now


def _stands(before: Run, after: StoredRun | None) -> bool:
    """Tell whether a run is parked where it was, because it was paused or merged meanwhile."""
    if after is None or after.run.parked is None or before.parked is None:
        return False
    places = [(one.step_key, one.entered_at) for one in (before.parked, after.run.parked)]
    return places[0] == places[1]


def _why_not(stored: StoredRun | None) -> str:
    if stored is None:
        return "there is no such running run"
    if stored.pausing.mode is not None:
        name = stored.version.name
        return f'its automation is paused: `waitline automations release "{name}"`'
    return "is not held, it stays as it is"
