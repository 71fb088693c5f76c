"""`waitline automations delete`: an automation goes, and its runs with it if that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream import access, terminal
from stream.commands import options
from stream.operator import who_operates
from stream.trouble import Trouble

if TYPE_CHECKING:
    from uuid import UUID

    from stream.config import Settings


def delete(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The automation's name.")],
    cancel_runs: Annotated[
        bool, typer.Option("--cancel-runs", help="Cancel its active runs too.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would end, and change nothing.")
    ] = False,
    yes: options.Yes = False,
) -> None:
    """Delete an automation: it starts no more runs, and its name is free.

    Runs in progress go on to their end, unless --cancel-runs ends them where they stand. If that
    is interrupted, the same command goes on with it.

    Example: waitline automations delete "Receipt and follow-up" --cancel-runs --dry-run
    """
    from stream.cancelling import Order, cancel_all, count_all, say_live

    if not (yes or dry_run):
        terminal.require_somebody()
    config = access.settings()
    is_there, automation_ids = access.run(_looked_up(config, name, with_deleted=cancel_runs))
    live = access.run(count_all(config, automation_ids))
    if dry_run or (cancel_runs and live.total):
        terminal.say(f'"{name}" {_planned(is_there=is_there)}')
        fate = "will end with it" if cancel_runs else "will go on to the end"
        terminal.say(f"{terminal.counted(live.total, 'active run')} {fate}")
        say_live(live)
    if dry_run:
        return
    if not yes:
        terminal.confirm(f'Delete "{name}"{_and_cancel(live.total if cancel_runs else 0)}?')
    if is_there:
        access.run(_deleted(config, name, with_runs=cancel_runs))
        terminal.say(f'"{name}" is deleted')
    if cancel_runs:
        order = Order("cancelled_automation_deleted", None)
        done = access.run(cancel_all(config, automation_ids, order, live.total))
        terminal.say(f"{terminal.counted(done, 'run')} cancelled")


def _planned(*, is_there: bool) -> str:
    return "is to be deleted" if is_there else "was deleted before, and still has runs"


def _and_cancel(runs: int) -> str:
    return f" and cancel {terminal.counted(runs, 'run')}" if runs else ""


async def _looked_up(config: Settings, name: str, *, with_deleted: bool) -> tuple[bool, list[UUID]]:
    """Return whether there is such an automation, and whose runs are meant.

    Where it was deleted already, those are meant that an interrupted command has left.
    """
    from state.postgres.automations import list_automations
    from state.postgres.reading_live import automations_named, count_live

    async with access.tables(config) as session:
        automations = await list_automations(session)
        for row in automations:
            if row.name == name and row.pause is not None and not with_deleted:
                raise _still_paused(name)
            if row.name == name:
                return True, [row.automation_id]
        left = await automations_named(session, name) if with_deleted else []
        if not left or not (await count_live(session, left)).total:
            access.require_automation(name, [row.name for row in automations])
    return False, left


def _still_paused(name: str) -> Trouble:
    return Trouble(
        f'"{name}" is paused, and its runs would stand still for ever: '
        f'`waitline automations release "{name}"` first, or end them with --cancel-runs'
    )


async def _deleted(config: Settings, name: str, *, with_runs: bool) -> None:
    from state.postgres.automations import StillPaused, UnknownAutomation, delete_automation

    async with access.operating(config) as session:
        try:
            await delete_automation(session, name, who_operates(), with_runs=with_runs)
        except StillPaused:
            raise _still_paused(name) from None
        except UnknownAutomation:
            raise Trouble(f'"{name}" was just deleted by somebody else') from None
