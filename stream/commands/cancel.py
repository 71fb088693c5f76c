"""`waitline runs cancel`: ends runs that shall go no further (rules S4, F4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream import access, terminal
from stream.commands import options
from stream.trouble import FAILED, MISUSED, Trouble

if TYPE_CHECKING:
    from uuid import UUID

    from state.reading import StoredRun
    from stream.config import Settings


def cancel(
    run_ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Runs to cancel.")
    ] = None,
    automation: Annotated[
        str | None, typer.Option(metavar="NAME", help="All active runs of this automation.")
    ] = None,
    why: options.OptionalWhy = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would end, and change nothing.")
    ] = False,
    yes: options.Yes = False,
) -> None:
    """End runs where they stand: open waits are cancelled, messages are not sent.

    A message that a worker is just sending may go out; it is shown as sent after the cancel.
    Nothing brings a cancelled run back. An automation that is enabled goes on starting new runs:
    stop it first. The command may be interrupted and repeated.

    Example: waitline runs cancel --automation "Receipt and follow-up" --dry-run
    """
    if bool(run_ids) == (automation is not None):
        raise Trouble("name runs by their ids, or one automation by --automation", MISUSED)
    config = access.settings()
    if automation is not None:
        _cancel_automation(config, automation, why, is_dry=dry_run, is_sure=yes)
        return
    wanted = list(dict.fromkeys(_parsed(text) for text in run_ids or ()))
    if not _cancel_runs(config, wanted, why, is_dry=dry_run, is_sure=yes):
        raise typer.Exit(FAILED)


def _cancel_automation(
    config: Settings, name: str, why: str | None, *, is_dry: bool, is_sure: bool
) -> None:
    from stream.cancelling import Order, cancel_all, count_all, say_live

    automation_ids = access.run(_named(config, name))
    live = access.run(count_all(config, automation_ids))
    if not live.total:
        terminal.say(f'"{name}" has no active runs')
        return
    runs = terminal.counted(live.total, "active run")
    terminal.say(f'"{name}": {runs} {"would be" if is_dry else "to be"} cancelled')
    say_live(live)
    if is_dry:
        return
    if live.total > 1 and not is_sure:
        terminal.confirm(f"Cancel {live.total} runs?")
    order = Order("cancelled_operator", why)
    done = access.run(cancel_all(config, automation_ids, order, live.total))
    terminal.say(f'"{name}": {terminal.counted(done, "run")} cancelled')


def _cancel_runs(
    config: Settings, run_ids: list[UUID], why: str | None, *, is_dry: bool, is_sure: bool
) -> bool:
    """Cancel these runs, say what became of each, and tell whether all could be."""
    from stream.cancelling import Order, cancel_some

    before = access.run(_found(config, run_ids))
    active = [one.run for one in before.values() if one.run.status == "running"]
    if is_dry:
        for run_id in run_ids:
            terminal.say(f"{run_id}: {_would(before.get(run_id))}")
        return len(active) == len(run_ids)
    if len(active) > 1 and not is_sure:
        terminal.confirm(f"Cancel {len(active)} runs?")
    if active:
        order = Order("cancelled_operator", why)
        runs = [(run.contact_id, run.run_id) for run in active]
        access.run(cancel_some(config, runs, order))
    after = access.run(_found(config, run_ids))
    ours = {run.run_id for run in active}
    for run_id in run_ids:
        terminal.say(f"{run_id}: {_became(after.get(run_id), is_ours=run_id in ours)}")
    return all(
        run_id in ours and after[run_id].run.reason == "cancelled_operator" for run_id in run_ids
    )


def _would(stored: StoredRun | None) -> str:
    if stored is None or stored.run.status != "running":
        return _became(stored, is_ours=False)
    return f"would be cancelled, {_stands(stored)}"


def _became(stored: StoredRun | None, *, is_ours: bool) -> str:
    """Return what became of a run that was to be cancelled."""
    if stored is None:
        return "there is no such run: `waitline runs list` shows them"
    run = stored.run
    if run.status == "running":
        return "is still running: its contact was just merged, try again"
    if not is_ours or run.reason != "cancelled_operator":
        return f"had finished already: {run.status} ({run.reason})"
    under_way = [one for one in stored.messages if one.status == "sending"]
    if under_way:
        return "cancelled; its message was on its way and may still go out: `waitline runs show`"
    return "cancelled"


def _stands(stored: StoredRun) -> str:
    run = stored.run
    where = "" if run.parked is None else f' at "{run.parked.step_key}"'
    is_sending = any(one.status == "sending" for one in stored.messages)
    more = "; its message is on its way and may still go out" if is_sending else ""
    return f"{run.activity}{where}{more}"


def _parsed(text: str) -> UUID:
    return options.parse_id(text, "run id", "`waitline runs list` shows them")


async def _found(config: Settings, run_ids: list[UUID]) -> dict[UUID, StoredRun]:
    from state.postgres.reading_runs import find_runs

    async with access.tables(config) as session:
        return {one.run.run_id: one for one in await find_runs(session, run_ids)}


async def _named(config: Settings, name: str) -> list[UUID]:
    from state.postgres.automations import list_automations
    from state.postgres.reading_live import automations_named

    async with access.tables(config) as session:
        found = await automations_named(session, name)
        if not found:
            names = [one.name for one in await list_automations(session)]
            access.require_automation(name, names)
    return found
