"""Judges the waits: no wake-up was lost, no timeout came early, the latecomer is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from state.run import Run
from tests.simulation.audit_runs import moment, runs_of, waits_of
from tests.simulation.evidence import Case, Happened
from tests.simulation.facts import AutomationFact, WaitFact

Wait = Mapping[str, Any]

#: How late a timer may be where nothing goes wrong: a sweep, and a refresh of what was consumed.
CALM_LATENESS = timedelta(seconds=2)

#: A partition that flows again takes so long until that is known.
STANDING_SLACK = timedelta(seconds=5)


def check(case: Case) -> Iterator[str]:
    for automation, trigger, run in runs_of(case):
        used: set[str] = {trigger.fact.id}
        for wait in waits_of(run):
            label = f"{automation.name}/{trigger.fact.id}/{wait['step_key']}"
            for found in _judge(case, automation, trigger, run, wait, used):
                yield f"{found} in {label}"
            resumed_by = wait["resumed_by_event"]
            if resumed_by is not None:
                used.add(resumed_by["id"])


def _judge(
    case: Case,
    automation: AutomationFact,
    trigger: Happened,
    run: Run,
    wait: Wait,
    used: set[str],
) -> Iterator[str]:
    rules: Any = case.evidence.rules
    said = automation.waits[wait["step_key"]]
    opened, closed = moment(wait["opened_at"]), moment(wait["closed_at"])
    deadline = moment(wait["deadline"])
    if deadline != opened + said.timeout:
        yield f"[5] the deadline is {deadline}, entered at {opened}"
    candidates = [
        one
        for one in case.by_name[trigger.fact.person.name, said.event]
        if one.fact.id not in used
        and one.v >= trigger.v - rules.slack
        and _matches(said, one, trigger)
    ]
    inside = [one for one in candidates if one.v <= deadline]
    seen = case.evidence.seen
    seen["timer_held"] += bool(wait["held_for_lag"])
    if wait["status"] == "received":
        yield from _received(case, wait, inside, opened, closed)
    elif wait["status"] == "timed_out":
        seen["timeout_wins"] += 1
        yield from _timed_out(case, wait, inside, closed, deadline + rules.grace)
        yield from _late(case, run, wait, candidates, deadline)
    elif run.reason != "exited_rule":
        yield f"[3] it was {wait['status']} by nobody"


def _matches(said: WaitFact, one: Happened, trigger: Happened) -> bool:
    return said.same is None or (
        one.fact.payload.get(said.same) == trigger.fact.payload.get(said.same)
    )


def _received(
    case: Case, wait: Wait, inside: list[Happened], opened: datetime, closed: datetime
) -> Iterator[str]:
    """[4] What closed it is an event that may; by look-back it is the oldest that was there."""
    by = wait["resumed_by_event"]["id"]
    chosen = next((one for one in inside if one.fact.id == by), None)
    if chosen is None:
        yield f"[4] {by} must not resume it"
        return
    if opened == closed and chosen.applied_at < opened:
        case.evidence.seen["look_back_hit"] += 1
        earlier = [one for one in inside if one.applied_at < opened and one.v < chosen.v]
        if earlier:
            yield f"[4] {earlier[0].fact.id} is older than {by}"
    else:
        case.evidence.seen["event_wins"] += 1
        missed = [one for one in inside if one.applied_at < closed and one is not chosen]
        if missed:
            yield f"[4] {missed[0].fact.id} came before {by}, unseen"


def _timed_out(
    case: Case, wait: Wait, inside: list[Happened], closed: datetime, due: datetime
) -> Iterator[str]:
    """[4, 5] Not early; and nothing that stood in the topics when it fell due was passed over."""
    if closed < due:
        yield f"[5] it timed out {due - closed} early"
    for one in inside:
        if one.applied_at < closed:
            yield f"[4] the wake-up by {one.fact.id} was lost"
        elif first_copy(one) < due and not wait["fired_under_lag"]:
            yield f"[4] {one.fact.id} stood in the topic when the timeout fell due"
    if wait["fired_under_lag"]:
        case.evidence.seen["fired_under_lag"] += 1
        yield from _under_lag(case, closed, due)
    if case.evidence.is_calm and closed - due > CALM_LATENESS:
        yield f"[5] it timed out {closed - due} late, and nothing was wrong"


def first_copy(one: Happened) -> datetime:
    """Return when the event stood in the log for the first time, by whichever of its copies."""
    return min(copy.at for copy in one.fact.copies)


def _under_lag(case: Case, closed: datetime, due: datetime) -> Iterator[str]:
    """[5] The cap fires only after so long, and only where a partition stood still."""
    rules: Any = case.evidence.rules
    if closed - due < rules.cap:
        yield f"[5] the cap fired after {closed - due}"
    stood = [
        min(each.until, closed) - max(each.since, closed - rules.cap)
        for each in case.evidence.intervals
        if each.kind == "stuck"
    ]
    if max(stood, default=timedelta()) < rules.cap - STANDING_SLACK:
        yield "[5] the cap fired and no partition stood still"


def _late(
    case: Case, run: Run, wait: Wait, candidates: list[Happened], deadline: datetime
) -> Iterator[str]:
    """[3] A late event is shown, once, and never reopens (rule W5)."""
    found = case.evidence.tables.late.get((run.run_id, wait["step_key"]))
    shown = wait["late_match"] or (found.match._asdict() if found else None)
    opened = moment(wait["opened_at"])
    late = [one for one in candidates if one.applied_at > opened]
    if shown is None:
        if any(one.applied_at > moment(wait["closed_at"]) for one in late):
            yield "[3] the late event is not shown"
        return
    case.evidence.seen["late_match"] += 1
    one = next((one for one in late if one.fact.id == shown["event_id"]), None)
    if one is None:
        yield f"[3] {shown['event_id']} is no late event of it"
    elif shown["verdict"] != ("late_arrival" if one.v <= deadline else "after_deadline"):
        yield f"[3] {shown['event_id']} is not {shown['verdict']}"
