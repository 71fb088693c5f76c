"""Judges the waits: no wake-up was lost, no timeout came early, the latecomer is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from state.run import Run
from tests.simulation.audit_runs import ENDED_FROM_OUTSIDE, frozen, moment, runs_of, waits_of
from tests.simulation.chronicle import NEVER, meeting
from tests.simulation.evidence import Case, Happened
from tests.simulation.facts import ArmFact, AutomationFact, WaitFact

Wait = Mapping[str, Any]

#: How late a timer may be where nothing goes wrong: a sweep, and a refresh of what was consumed.
CALM_LATENESS = timedelta(seconds=2)

#: A partition that flows again takes so long until that is known.
STANDING_SLACK = timedelta(seconds=5)


class Candidate(NamedTuple):
    """An event that may meet an arm of a wait, and since when the run could see it.

    `stood_at` is since when that could have been read out of the log; `is_inside` whether it
    happened before the deadline as that stood when it was seen.
    """

    one: Happened
    arm: ArmFact
    seen_at: datetime
    stood_at: datetime
    is_inside: bool


@dataclass(slots=True)
class Judged:
    """A wait of a run as its history tells it, and what the log held for it.

    It was decided at `decided_at`: before it closed, where it kept its event during a pause.
    """

    case: Case
    run: Run
    trigger: Happened
    said: WaitFact
    wait: Wait
    opened: datetime
    decided_at: datetime
    closed: datetime
    deadline: datetime
    candidates: list[Candidate]

    def ready_at(self, when: Callable[[Candidate], datetime]) -> datetime:
        """Return when the events were together that close it, by one of their instants."""
        first = {
            arm: min(
                (when(each) for each in self.candidates if each.arm == arm and each.is_inside),
                default=NEVER,
            )
            for arm in self.said.arms
        }
        return (max if self.said.needs_all else min)(first.values())


def check(case: Case) -> Iterator[str]:
    """Judge every wait that has ended."""
    for automation, trigger, run in runs_of(case):
        used: set[str] = {trigger.fact.id}
        for wait in waits_of(run):
            label = f"{automation.name}/{trigger.fact.id}/{wait['step_key']}"
            judged = _laid_out(case, automation, trigger, run, wait, used)
            for found in _judge(judged, automation):
                yield f"{found} in {label}"
            used |= _used_by(wait)


def _used_by(wait: Wait) -> set[str]:
    met = [wait["resumed_by_event"], *(arm["met_by"] for arm in wait.get("arms", ()))]
    return {each["id"] for each in met if each is not None}


def _laid_out(
    case: Case,
    automation: AutomationFact,
    trigger: Happened,
    run: Run,
    wait: Wait,
    used: set[str],
) -> Judged:
    said = automation.waits[wait["step_key"]]
    opened, closed = moment(wait["opened_at"]), moment(wait["closed_at"])
    kept = wait["kept_event"]
    decided_at = closed if kept is None else moment(kept["kept_at"])
    found = []
    for arm in said.arms:
        for one in case.by_name[trigger.fact.person.name, arm.event]:
            met = meeting(one.contact, trigger.contact)
            seen_at = max(one.applied_at, met.at)
            is_own = one.fact.id in used or one.v < trigger.v - case.evidence.rules.slack
            if is_own or met.at == NEVER or not _matches(arm, one, trigger):
                continue
            by = min(seen_at, closed)
            deadline = opened + said.timeout + frozen(case, automation, opened, said.timeout, by)
            stood_at = max(first_copy(case, one), met.stood_at)
            found.append(Candidate(one, arm, seen_at, stood_at, one.v <= deadline))
    deadline = moment(wait["deadline"])
    return Judged(case, run, trigger, said, wait, opened, decided_at, closed, deadline, found)


def _matches(arm: ArmFact, one: Happened, trigger: Happened) -> bool:
    return arm.same is None or (
        one.fact.payload.get(arm.same) == trigger.fact.payload.get(arm.same)
    )


def first_copy(case: Case, one: Happened) -> datetime:
    """Return when the event stood in the log for the first time, by whichever copy that counts."""
    erased = case.chronicle.erased
    return min(copy.at for copy in one.fact.copies if copy.coordinates not in erased)


def _judge(judged: Judged, automation: AutomationFact) -> Iterator[str]:
    case, wait, said = judged.case, judged.wait, judged.said
    moved = frozen(case, automation, judged.opened, said.timeout, judged.closed)
    if judged.deadline != judged.opened + said.timeout + moved:
        yield f"[5] the deadline is {judged.deadline}, entered at {judged.opened}, frozen {moved}"
    seen = case.evidence.seen
    seen["timer_held"] += bool(wait["held_for_lag"])
    seen["deadline_frozen"] += bool(moved)
    seen["merge_while_waiting"] += any(
        judged.opened < contact.merged_at < judged.closed
        for contact, _, _ in judged.trigger.contact.became()
    )
    yield from _arms(judged)
    if wait["status"] == "received":
        yield from _received(judged)
    elif wait["status"] == "timed_out":
        seen["timeout_wins"] += 1
        yield from _timed_out(judged)
        yield from _late(judged)
    else:
        seen["cancel_wins"] += judged.run.reason == "cancelled_operator"
        if judged.run.reason not in ENDED_FROM_OUTSIDE:
            yield f"[3] it was {wait['status']} by nobody"
        if judged.ready_at(lambda each: each.seen_at) < judged.closed and not _is_kept(judged):
            yield "[4] it was cancelled though what it waited for had come"


def _is_kept(judged: Judged) -> bool:
    return judged.wait["kept_event"] is not None


def _arms(judged: Judged) -> Iterator[str]:
    """[4] What has met an arm is an event that may; no arm was left that one could have met."""
    for said, shown in zip(judged.said.arms, judged.wait.get("arms", ()), strict=False):
        mine = [each for each in judged.candidates if each.arm == said and each.is_inside]
        if shown["met_by"] is not None:
            judged.case.evidence.seen["arm_met"] += 1
            by = shown["met_by"]["id"]
            if not any(
                each.one.fact.id == by and each.seen_at <= judged.decided_at for each in mine
            ):
                yield f"[4] {by} must not meet the arm for {said.event}"
        elif judged.said.needs_all and any(each.seen_at < judged.decided_at for each in mine):
            yield f"[4] nothing has met the arm for {said.event}"


def _received(judged: Judged) -> Iterator[str]:
    """[4] What closed it is an event that may; by look-back it is the oldest that was there."""
    seen, by = judged.case.evidence.seen, judged.wait["resumed_by_event"]["id"]
    inside = [each for each in judged.candidates if each.is_inside]
    chosen = next((each for each in inside if each.one.fact.id == by), None)
    if chosen is None:
        yield f"[4] {by} must not resume it"
        return
    if judged.wait["outcome_branch"] != chosen.arm.branch:
        yield f"[4] {by} leads to {chosen.arm.branch}, not {judged.wait['outcome_branch']}"
    if chosen.seen_at > judged.decided_at:
        yield f"[4] {by} closed it before it came"
    seen["kept_match"] += _is_kept(judged)
    if judged.opened == judged.decided_at and chosen.seen_at < judged.opened:
        seen["look_back_hit"] += 1
        earlier = [
            each for each in inside if each.seen_at < judged.opened and each.one.v < chosen.one.v
        ]
        if earlier and not judged.said.needs_all:
            yield f"[4] {earlier[0].one.fact.id} is older than {by}"
        return
    seen["event_wins"] += 1
    seen["merge_resumed"] += chosen.one.applied_at < chosen.seen_at
    ready_at = judged.ready_at(lambda each: each.seen_at)
    if ready_at < judged.decided_at and judged.opened < judged.decided_at:
        yield f"[4] it could have gone on at {ready_at}, before {by}"


def _timed_out(judged: Judged) -> Iterator[str]:
    """[4, 5] Not early; and nothing that stood in the topics when it fell due was passed over."""
    rules: Any = judged.case.evidence.rules
    closed, due = judged.closed, judged.deadline + rules.grace
    if closed < due:
        yield f"[5] it timed out {due - closed} early"
    if judged.ready_at(lambda each: each.seen_at) < closed:
        yield "[4] a wake-up was lost"
    elif judged.ready_at(lambda each: each.stood_at) < due and not judged.wait["fired_under_lag"]:
        yield "[4] what it waited for stood in the topic when the timeout fell due"
    if judged.wait["fired_under_lag"]:
        judged.case.evidence.seen["fired_under_lag"] += 1
        yield from _under_lag(judged.case, closed, due)
    if judged.case.evidence.is_calm and closed - due > CALM_LATENESS:
        yield f"[5] it timed out {closed - due} late, and nothing was wrong"


def _under_lag(case: Case, closed: datetime, due: datetime) -> Iterator[str]:
    """[5] The cap fires only after so long, and only where a partition stood still."""
    rules: Any = case.evidence.rules
    if closed - due < rules.cap:
        yield f"[5] the cap fired after {closed - due}"
    if not _stood_still(case, closed - rules.cap + STANDING_SLACK, closed):
        yield "[5] the cap fired and no partition stood still"


def _stood_still(case: Case, since: datetime, until: datetime) -> bool:
    """Tell whether some partition had records to apply and applied none of them all the while."""
    steps = [
        (commit.at, position)
        for commit in case.evidence.tables.commits
        for position in commit.positions
    ]
    for partition, records in case.evidence.log.records.items():
        mine = [(at, position) for at, position in steps if position[:2] == partition]
        stood_at = max((position.to_offset for at, position in mine if at <= since), default=0)
        has_moved = any(since < at < until for at, _ in mine)
        if not has_moved and any(record.at <= since for record in records[stood_at:]):
            return True
    return False


def _late(judged: Judged) -> Iterator[str]:
    """[3] A late event is shown, once, and never reopens (rule W5).

    One that a merge brings was in time for whom it came to: it is not late for the other.
    """
    wait, case = judged.wait, judged.case
    found = case.evidence.tables.late.get((judged.run.run_id, wait["step_key"]))
    shown = wait["late_match"] or (found.match._asdict() if found else None)
    met = {arm["event"] for arm in wait.get("arms", ()) if arm["met_by"] is not None}
    late = [
        each
        for each in judged.candidates
        if each.one.applied_at > judged.opened
        and each.seen_at == each.one.applied_at
        and each.arm.event not in met
    ]
    if shown is None:
        if any(_came_after(judged, each) for each in late):
            yield "[3] the late event is not shown"
        return
    case.evidence.seen["late_match"] += 1
    one = next((each for each in late if each.one.fact.id == shown["event_id"]), None)
    if one is None:
        yield f"[3] {shown['event_id']} is no late event of it"
    elif shown["verdict"] != ("late_arrival" if one.is_inside else "after_deadline"):
        yield f"[3] {shown['event_id']} is not {shown['verdict']}"


def _came_after(judged: Judged, each: Candidate) -> bool:
    """Tell whether an event came by a contact of the run's own, when the wait was closed surely."""
    met_at = meeting(each.one.contact, judged.trigger.contact).at
    return each.one.applied_at > judged.closed and met_at < each.one.applied_at
