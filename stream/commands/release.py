"""`waitline runs release`: an operator's word against the lag that holds a timer (rule W4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream import access, terminal
from stream.commands import options
from stream.operator import reason_given, who_operates
from stream.trouble import FAILED

if TYPE_CHECKING:
    from uuid import UUID

    from state.reading import StoredRun


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
    runs = await _active(run_ids)
    held = [one.run for one in runs.values() if _is_held(one)]
    if why is not None:
        releases = [Release(run.contact_id, run.run_id, who_operates(), why) for run in held]
        async with access.door(config) as processor:
            await processor.apply_releases(releases)
    fired = {run.run_id for run in held}
    verb = "would fire" if why is None else "fired"
    told = [
        f"{run_id}: {verb}" if run_id in fired else f"{run_id}: {_why_not(runs.get(run_id))}"
        for run_id in run_ids
    ]
    return told, len(fired) == len(set(run_ids))


async def _active(run_ids: list[UUID]) -> dict[UUID, StoredRun]:
    from state.postgres.reading_runs import find_runs

    async with access.tables(access.settings()) as session:
        stored = await find_runs(session, run_ids)
    return {one.run.run_id: one for one in stored if one.run.status == "running"}


def _is_held(stored: StoredRun) -> bool:
    """Tell whether lag holds a run's timer, and lag alone (rules W4, T3)."""
    parked = stored.run.parked
    return parked is not None and parked.is_held and stored.pausing.mode is None


def _why_not(stored: StoredRun | None) -> str:
    if stored is None:
        return "there is no such running run"
    if stored.pausing.mode is not None:
        name = stored.version.name
        return f'its automation is paused: `waitline automations release "{name}"`'
    return "is not held, it stays as it is"
