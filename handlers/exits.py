"""Exit rules: what ends a run at once, before it began, or when two become one (S3, I3)."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from handlers.advance import end_early
from handlers.evaluate import Verdict, evaluate
from handlers.match import runs_in_order
from handlers.receipt import add_deferred_exit
from handlers.waits import needs_for, scope_of
from handlers.world import LOOK_BACK_MAX, Findings, World, order_of
from state.automation import Exit, Version
from state.evidence import Check, Finding
from state.history import exit_entry
from state.run import Reason, Run
from state.turn import Need, StoredEvent

#: What an exit rule without a filter says of every event of its name.
_HOLDS = Verdict(True)


class StoredExit(NamedTuple):
    """An event that came earlier and fulfils an exit rule of a run, and why."""

    event: StoredEvent
    rule: Exit
    values: tuple[Check, ...]


def exit_runs(world: World, event: StoredEvent, findings: Findings) -> None:
    """End the runs whose exit rules this event fulfils, mid-delay and while sending too (S3)."""
    for run in runs_in_order(world.active_runs(event.contact_id).values()):
        exits = world.version_of(run).exits
        if not exits or not _may_exit(run, event):
            continue
        for rule in _rules_for(exits, event):
            verdict = _judge(world, run, rule, event)
            if verdict.holds:
                findings.append(Finding("exit", "exited", run.automation_id, run.run_id))
                _end(world, run, rule, event)
                break
            findings.append(
                Finding(
                    "exit", "filter_false", run.automation_id, run.run_id, values=verdict.checks
                )
            )


def exit_by_history(world: World, run: Run, others: Collection[int]) -> bool:
    """End a run that the other side of a merge had fulfilled an exit rule of (rules S3, I3).

    `others` are the other side's numbers. As for waits, nothing is seen that is older than 35 days
    by now. Return whether it was ended.

    Raises:
        NeedsLookBack: the stored events were not read yet.
    """
    names, farthest = _exit_names(world.version_of(run)), world.now - LOOK_BACK_MAX
    if not names:
        return False
    found = [
        event
        for event in _stored_since(world, run, names)
        if event.contact_id in others and event.v >= farthest
    ]
    stored = _oldest_fulfilled(world, run, found)
    if stored is None:
        return False
    ended = _end(world, run, stored.rule, stored.event)
    add_deferred_exit(world, ended, stored.event)
    return True


def exit_needs(world: World, run: Run) -> list[Need]:
    """Return the look-backs of a run's exit rules at a merge; nothing where it has none."""
    names = _exit_names(world.version_of(run))
    if not names:
        return []
    return needs_for(world, run.contact_id, run.trigger.v, names[0], frozenset(names))


def early_exit(world: World, run: Run) -> StoredExit | None:
    """Return the stored event, the oldest V first, that ended a run before it began (rule S3).

    That is one with V >= the trigger's V, without slack, that was processed before the trigger; it
    is never the trigger itself.

    Raises:
        NeedsLookBack: the stored events were not read yet.
    """
    names = _exit_names(world.version_of(run))
    if not names:
        return None
    events = _stored_since(world, run, names, _names_looked_for(world, run))
    return _oldest_fulfilled(world, run, events)


def _end(world: World, run: Run, rule: Exit, event: StoredEvent) -> Run:
    """End a run by an event that fulfils this exit rule of it, and keep which one it was (R4)."""
    reason: Reason = "exited_goal" if rule.is_goal else "exited_rule"
    ended = end_early(world, run.noting(exit_entry(event)), reason)
    world.put_run(ended)
    return ended


def _exit_names(version: Version) -> list[str]:
    return sorted({rule.event_name for rule in version.exits})


def _stored_since(
    world: World, run: Run, names: Collection[str], others: frozenset[str] = frozenset()
) -> list[StoredEvent]:
    """Return the person's stored events of these names that the run may exit on.

    `others` are names that may be asked for next: all are read at once.
    """
    return [
        event
        for name in names
        for event in world.stored_events(
            run.contact_id,
            name,
            run.trigger.v,
            lambda name: needs_for(world, run.contact_id, run.trigger.v, name, others),
        )
        if _may_exit(run, event)
    ]


def _oldest_fulfilled(world: World, run: Run, events: Collection[StoredEvent]) -> StoredExit | None:
    """Return the first of these events, by V, that fulfils an exit rule of the run."""
    exits = world.version_of(run).exits
    for event in sorted(events, key=order_of):
        for rule in _rules_for(exits, event):
            verdict = _judge(world, run, rule, event)
            if verdict.holds:
                return StoredExit(event, rule, verdict.checks)
    return None


def _may_exit(run: Run, event: StoredEvent) -> bool:
    """Tell whether a run sees an event at all: not its own trigger, nor what was before it (D2)."""
    return event.key != run.trigger.key and event.v >= run.trigger.v


def _rules_for(exits: Collection[Exit], event: StoredEvent) -> list[Exit]:
    return [rule for rule in exits if rule.event_name == event.name]


def _judge(world: World, run: Run, rule: Exit, event: StoredEvent) -> Verdict:
    if rule.filter is None:
        return _HOLDS
    return evaluate(rule.filter, scope_of(world, run, event.payload))


def _names_looked_for(world: World, run: Run) -> frozenset[str]:
    """Return the names that runs started by this run's trigger may look back for.

    All are asked for at once: several automations that one event starts cost no further round.
    """
    versions = [each.current for each in world.catalogue.starts.get(run.trigger.name, ())]
    return frozenset(
        name
        for version in versions
        for name in (
            *(rule.event_name for rule in version.exits),
            *version.awaited,
        )
    )
