"""Exit rules: what ends a run at once, and what had ended it before it began (rule S3)."""

from __future__ import annotations

from typing import NamedTuple

from handlers.advance import end_early
from handlers.evaluate import Verdict, evaluate
from handlers.match import parked_order
from handlers.waits import names_of, needs_for, scope_of
from handlers.world import Findings, World
from state.automation import Exit, Version
from state.evidence import Check, Finding
from state.run import Reason, Run
from state.turn import StoredEvent

#: What an exit rule without a filter says of every event of its name.
_HOLDS = Verdict(True)


class EarlyExit(NamedTuple):
    """An event that fulfilled an exit rule of a run before the run's trigger was processed."""

    event: StoredEvent
    values: tuple[Check, ...]


def exit_runs(world: World, event: StoredEvent, findings: Findings) -> None:
    """End the runs whose exit rules this event fulfils, mid-delay and while sending too (S3)."""
    for run in sorted(world.active_runs(event.contact_id).values(), key=parked_order):
        if not _may_exit(run, event):
            continue
        for rule in _rules_for(world.version_of(run), event):
            verdict = _judge(world, run, rule, event)
            if verdict.holds:
                findings.append(Finding("exit", "exited", run.automation_id, run.run_id))
                reason: Reason = "exited_goal" if rule.is_goal else "exited_rule"
                world.put_run(end_early(world, run, reason))
                break
            findings.append(
                Finding(
                    "exit", "filter_false", run.automation_id, run.run_id, values=verdict.checks
                )
            )


def early_exit(world: World, run: Run) -> EarlyExit | None:
    """Return the stored event, the oldest V first, that ended a run before it began (rule S3).

    That is one with V >= the trigger's V, without slack, that was processed before the trigger; it
    is never the trigger itself.

    Raises:
        NeedsLookBack: the stored events were not read yet.
    """
    version = world.version_of(run)
    names = sorted({rule.event_name for rule in version.exits})
    others = _names_looked_for(world, run) if names else frozenset()
    found = [
        event
        for name in names
        for event in world.stored_events(
            needs_for(world, run.contact_id, run.trigger.v, name, others)
        )
        if _may_exit(run, event)
    ]
    for event in sorted(found, key=lambda each: (each.v, each.coordinates)):
        for rule in _rules_for(version, event):
            verdict = _judge(world, run, rule, event)
            if verdict.holds:
                return EarlyExit(event, verdict.checks)
    return None


def _may_exit(run: Run, event: StoredEvent) -> bool:
    """Tell whether a run sees an event at all: not its own trigger, nor what was before it (D2)."""
    return event.key != run.trigger.key and event.v >= run.trigger.v


def _rules_for(version: Version, event: StoredEvent) -> list[Exit]:
    return [rule for rule in version.exits if rule.event_name == event.name]


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
            *(name for key in version.arms for name in names_of(version, key)),
        )
    )
