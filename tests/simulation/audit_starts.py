"""Judges the starts: one run for each trigger and automation, but for whom re-entry refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from state.run import Run
from tests.simulation.chronicle import meeting
from tests.simulation.evidence import Case, Happened
from tests.simulation.facts import AutomationFact, Person

#: How many runs of one contact may be active in one automation (rule S2).
ACTIVE_MAX = 100


class Entry(NamedTuple):
    """A run that counts for re-entry, and its trigger."""

    trigger: Happened
    run: Run


def check(case: Case) -> Iterator[str]:
    """[1] One run for each trigger and automation that may enter, and none besides."""
    admissible: set[tuple[str, str]] = set()
    for automation in case.evidence.automations:
        for person in case.evidence.people:
            triggers = [
                one
                for one in case.by_name[person.name, automation.trigger]
                if _passes(automation, one)
            ]
            admissible |= {(automation.name, one.fact.id) for one in triggers}
            yield from _reentry(case, automation, person, triggers)
    surplus = sorted(set(case.runs) - admissible)
    if surplus:
        yield f"[1] runs that nothing has started: {surplus}"
    if len(case.runs) != len(case.evidence.tables.done):
        yield "[1] two runs have one trigger and automation"


def _passes(automation: AutomationFact, one: Happened) -> bool:
    if automation.minimum is None:
        return True
    name, least = automation.minimum
    value = one.fact.payload[name]
    assert isinstance(value, int)
    return value >= least


def _reentry(
    case: Case, automation: AutomationFact, person: Person, triggers: list[Happened]
) -> Iterator[str]:
    """[1] Who was refused had a reason, and who had one was refused (rule S2).

    Of what one turn did at once the order is not known: only what is strictly before counts there.
    """
    runs = {
        one.fact.id: case.runs[automation.name, one.fact.id]
        for one in triggers
        if (automation.name, one.fact.id) in case.runs
    }
    entries = [
        Entry(one, runs[one.fact.id])
        for one in triggers
        if one.fact.id in runs and runs[one.fact.id].reason != "exited_before_start"
    ]
    most = 1 if automation.reentry in ("once", "one_active") else ACTIVE_MAX
    for one in triggers:
        label = f"{automation.name}/{one.fact.id} of {person.name}"
        before = [each for each in entries if each.trigger is not one]
        if one.fact.id not in runs:
            in_the_way = [each for each in before if _stands(automation, each, one, surely=False)]
            if len(in_the_way) < most:
                yield f"[1] it did not start: {label}"
            case.evidence.seen["capped" if most > 1 else f"{automation.reentry}_refused"] += 1
        elif runs[one.fact.id].reason != "exited_before_start":
            # One that was over at once stood in the way of no other of that instant.
            was_over = runs[one.fact.id].completed_at == one.applied_at
            in_the_way = [
                each
                for each in before
                if _stands(automation, each, one, surely=True)
                and not (was_over and each.run.created_at == one.applied_at)
            ]
            if len(in_the_way) >= most:
                yield f"[1] it started beside {in_the_way[0].trigger.fact.id}: {label}"


def _stands(automation: AutomationFact, entry: Entry, one: Happened, *, surely: bool) -> bool:
    """Tell whether a run stood in the way of another trigger when that was applied."""
    run, at = entry.run, one.applied_at
    assert run.completed_at is not None
    met_at = meeting(entry.trigger.contact, one.contact).at
    is_over = run.completed_at <= at if surely else run.completed_at < at
    if is_over and automation.reentry != "once":
        return False
    if surely:  # of two that began at once, one was first
        return met_at < at and run.created_at <= at
    return met_at <= at and run.created_at <= at
