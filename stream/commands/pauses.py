"""`waitline automations hold|freeze|release`: an operator's hand on all runs at once (rule T3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.commands.automations import Name, known_name
from stream.operator import who_operates

if TYPE_CHECKING:
    from handlers.forecast import Forecast, Sends
    from state.pausing import Mode
    from state.postgres.pauses import Changed, Paused
    from state.postgres.reading_pauses import GoingOn, Standing
    from state.postgres.session import Session

Document = Mapping[str, Any]

#: What goes on after a release, in the order in which it is told: one, several.
_KINDS = {
    "starts": ("run that started meanwhile begins", "runs that started meanwhile begin"),
    "matches": (
        "wait goes on with the event that it has kept",
        "waits go on with the event that they have kept",
    ),
    "answers": (
        "run goes on whose message was settled meanwhile",
        "runs go on whose message was settled meanwhile",
    ),
    "timeouts": ("wait times out", "waits time out"),
    "delays": ("delay ends", "delays end"),
}

_SAID = {"hold": "held", "freeze": "frozen"}

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would stand still, and change nothing.")
]


def hold(name: Name, dry_run: DryRun = False) -> None:
    """Hold an automation: nothing of it advances, and nothing of it is sent, until its release.

    Events are still read: those that start a run park it at its first step, those that close a wait
    are kept for it, exit rules and cancelling still end runs. Deadlines stand: what times out
    meanwhile does so at the release, unless its event has come. To move deadlines as well, freeze.

    Example: waitline automations hold "Receipt and follow-up" --dry-run
    """
    _pause(name, "hold", is_dry=dry_run)


def freeze(name: Name, dry_run: DryRun = False) -> None:
    """Freeze an automation: as hold, and every deadline that has not passed moves by the time.

    Example: waitline automations freeze "Receipt and follow-up" --dry-run
    """
    _pause(name, "freeze", is_dry=dry_run)


def release(
    name: Name,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go on, and change nothing.")
    ] = False,
    as_json: options.AsObject = False,
) -> None:
    """Release an automation that is held or frozen: what was kept goes on, then what is overdue.

    Look first: --dry-run counts the runs that would go on at once, names some, and says how many
    messages would go out. Lag may hold timers even then: `waitline lag`.

    Example: waitline automations release "Receipt and follow-up" --dry-run
    """
    found = access.run(_previewed(name))
    if not dry_run and found["pause"] is not None:
        access.run(_set(name, None))
    if as_json:
        terminal.print_json(found)
    elif found["pause"] is None:
        terminal.say(f'"{name}" is not paused')
    else:
        _tell_preview(found, is_dry=dry_run)


def _pause(name: str, mode: Mode, *, is_dry: bool) -> None:
    before, stands = access.run(_would_stand(name) if is_dry else _set_and_count(name, mode))
    terminal.say(f'"{name}" {_became(mode, before, is_dry=is_dry)}')
    parked = ", ".join(f"{number} {what}" for what, number in sorted(stands.runs.items()))
    terminal.say(f"  runs that {'would ' if is_dry else ''}stand still: {parked or 'none'}")
    terminal.say(f"  messages that {'would not be' if is_dry else 'are not'} sent: {stands.unsent}")
    if stands.under_way:
        terminal.say(f"  messages on their way that may still go out: {stands.under_way}")
    if is_dry:
        terminal.say("nothing was changed: without --dry-run it is done")
    else:
        look = f'waitline automations release "{name}" --dry-run'
        terminal.say(f"  what its release would do: {look}")


def _became(mode: Mode, before: Mode | None, *, is_dry: bool) -> str:
    if before == mode:
        return f"{'is' if is_dry else 'was'} {_SAID[mode]} already"
    now = f"{'would be' if is_dry else 'is'} {_SAID[mode]}"
    until_now = "it is" if is_dry else "until now it was"
    return now if before is None else f"{now}; {until_now} {_SAID[before]}"


async def _would_stand(name: str) -> tuple[Mode | None, Standing]:
    """Return how an automation is paused, and what stands still, or would."""
    async with access.tables(access.settings()) as session, known_name(session, name):
        found = await _found(session, name)
        return found.pausing.mode, await _standing(session, found)


async def _set_and_count(name: str, mode: Mode) -> tuple[Mode | None, Standing]:
    """Pause an automation; return how it was paused before, and what stands still."""
    changed = await _set(name, mode)
    # Counted after the commit: nobody else's turn waits for it.
    async with access.tables(access.settings()) as session:
        return changed.before.mode, await _standing(session, changed.automation)


async def _set(name: str, mode: Mode | None) -> Changed:
    from state.postgres.pauses import set_pause

    async with access.operating(access.settings()) as session, known_name(session, name):
        return await set_pause(session, name, mode, who_operates())


async def _standing(session: Session, paused: Paused) -> Standing:
    from state.postgres.marks import database_now
    from state.postgres.reading_pauses import standing

    return await standing(session, paused.automation_id, await database_now(session))


async def _found(session: Session, name: str) -> Paused:
    from state.postgres.automations import UnknownAutomation
    from state.postgres.pauses import find_paused

    found = await find_paused(session, name)
    if found is None:
        raise UnknownAutomation(name)
    return found


async def _previewed(name: str) -> dict[str, Any]:
    from state.postgres.marks import database_now
    from state.postgres.reading_pauses import Standing, going_on

    async with access.tables(access.settings()) as session, known_name(session, name):
        found = await _found(session, name)
        if found.pausing.mode is None:
            return _document(found, [], {}, Standing({}, 0, 0, 0))
        groups = await going_on(session, found, await database_now(session))
        sends = await _sends(session, found, groups)
        return _document(found, groups, sends, await _standing(session, found))


async def _sends(session: Session, paused: Paused, groups: list[GoingOn]) -> dict[str, int]:
    """Return how many of the runs that go on send at once: `surely`, `perhaps` and `never`."""
    from handlers.forecast import Forecast
    from handlers.publishing.catalogue import compile_version
    from state.postgres.reading_runs import versions_of

    keys = {(paused.automation_id, group.version) for group in groups}
    stored = await versions_of(session, keys)
    forecasts = {number: Forecast(compile_version(*row)) for (_, number), row in stored.items()}
    sends = {"surely": 0, "perhaps": 0, "never": 0}
    for group in groups:
        sends[_expected(group, forecasts[group.version])] += group.number
    return sends


def _expected(group: GoingOn, forecast: Forecast) -> Sends:
    """Return whether runs that go on like this send at once."""
    match group.kind:
        case "matches":
            return forecast.after_arm(group.step_key, int(group.how or 0))
        case "timeouts":
            return forecast.after(group.step_key, "timeout")
        case "answers" if group.how == "failed":
            return "never"
        case _:
            return forecast.after(group.step_key)


def _document(
    paused: Paused, groups: list[GoingOn], sends: Mapping[str, int], stands: Standing
) -> dict[str, Any]:
    from state.moment import optional_moment_text

    since = paused.pausing.since
    return {
        "automation": paused.name,
        "automation_id": str(paused.automation_id),
        "pause": paused.pausing.mode,
        "paused_since": optional_moment_text(since),
        **{kind: _counted([one for one in groups if one.kind == kind]) for kind in _KINDS},
        "messages": {
            "queued": stands.due,
            "surely": sends.get("surely", 0),
            "perhaps": sends.get("perhaps", 0),
            "later": stands.unsent - stands.due,
            "under_way": stands.under_way,
        },
    }


def _counted(groups: list[GoingOn]) -> dict[str, Any]:
    return {
        "count": sum(group.number for group in groups),
        "examples": [str(run_id) for run_id in groups[0].examples] if groups else [],
    }


def _tell_preview(found: Document, *, is_dry: bool) -> None:
    verb = "would be" if is_dry else "is"
    since = terminal.instant(found["paused_since"])
    how = _SAID[found["pause"]]
    terminal.say(f'"{found["automation"]}" {verb} released; it was {how} since {since}')
    for kind, (one, several) in _KINDS.items():
        counted = found[kind]
        if counted["count"]:
            what = one if counted["count"] == 1 else several
            runs = ", ".join(counted["examples"])
            more = ", ..." if counted["count"] > len(counted["examples"]) else ""
            terminal.say(f"  {counted['count']} {what}: {runs}{more}")
    _tell_messages(found["messages"])


def _tell_messages(messages: Mapping[str, int]) -> None:
    terminal.say(
        f"  messages that go out at once: {messages['queued']} that were queued, "
        f"{messages['surely']} by runs that go on, perhaps {messages['perhaps']} more"
    )
    if messages["later"]:
        terminal.say(
            f"  messages that failed before, and are tried again later: {messages['later']}"
        )
    if messages["under_way"]:
        terminal.say(f"  messages on their way that may still go out: {messages['under_way']}")
