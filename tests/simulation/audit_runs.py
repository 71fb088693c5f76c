"""Judges the runs: each is one gap-free walk through its automation, and says how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from state.history import history_of, outputs_in, wait_events_in
from state.run import Run
from tests.simulation.chronicle import NEVER, seen_at
from tests.simulation.evidence import Case, Happened
from tests.simulation.facts import AutomationFact

Step = Mapping[str, Any]

ENDED_BY_ITSELF = {"completed_end", "completed_no_branch", "failed_step"}

#: Endings that come wherever a run stands; why each was right is judged with what caused it.
ENDED_FROM_OUTSIDE = {"exited_rule", "cancelled_operator", "contact_deleted", "merged_duplicate"}


def steps_of(run: Run) -> list[Step]:
    return [entry["step"] for entry in history_of(run) if "step" in entry]


def waits_of(run: Run) -> list[Step]:
    return [entry["wait"] for entry in history_of(run) if "wait" in entry]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def runs_of(case: Case) -> Iterator[tuple[AutomationFact, Happened, Run]]:
    """Yield every run with its automation and its trigger."""
    automations = {automation.name: automation for automation in case.evidence.automations}
    for (name, trigger_id), run in sorted(case.runs.items()):
        yield automations[name], case.happened[trigger_id], run


def check(case: Case) -> Iterator[str]:
    """Judge every run by itself: its history, its end, its exits, its pauses."""
    for automation, trigger, run in runs_of(case):
        label = f"{automation.name}/{trigger.fact.id}"
        if run.reason == "exited_before_start":
            yield from (f"{found} in {label}" for found in _never_began(automation, run))
        else:
            yield from (f"{found} in {label}" for found in _walk(case, automation, run))
            yield from (f"{found} in {label}" for found in _end(automation, run))
        yield from (f"{found} in {label}" for found in _exits(case, automation, trigger, run))
        yield from (f"{found} in {label}" for found in _stillness(case, automation, run))
        is_gone = trigger.contact.home.deleted_at < NEVER
        payload = {} if is_gone else dict(trigger.fact.payload)
        if dict(run.trigger.payload) != payload or run.trigger.v != trigger.v:
            yield f"[10, 12] the trigger is not what was published, or was erased, in {label}"
        entries = history_of(run)
        told = outputs_in(entries), wait_events_in(entries)
        if run.status != "running" and told != (run.outputs, run.wait_events):
            yield f"[10] its history tells other outputs than it had, in {label}"
        case.evidence.seen[f"run_{run.reason}"] += 1


def _never_began(automation: AutomationFact, run: Run) -> Iterator[str]:
    """[3, 10] A run that was over before its trigger came took no step, and asks for nothing."""
    if steps_of(run) or waits_of(run) or run.status != "cancelled":
        yield f"[10] it executed something: {run.past:.80}"
    if automation.exit is None:
        yield "[10] it exited, and has no exit rule"


def _walk(case: Case, automation: AutomationFact, run: Run) -> Iterator[str]:
    """[10] The history is gap-free: each step begins where and when the one before it ended."""
    steps = steps_of(run)
    if not steps and run.reason in ENDED_FROM_OUTSIDE and _was_held(case, automation, run):
        return
    if not steps or steps[0]["key"] != "start":
        yield "[10] the history does not begin at the trigger"
        return
    for before, after in pairwise(steps):
        if automation.ways.get((before["key"], before["branch_taken"])) != after["key"]:
            yield f"[10] {after['key']} follows {before['key']} by {before['branch_taken']}"
        if before["completed_at"] != after["started_at"]:
            yield f"[10] a gap before {after['key']}"
    for step in steps:
        if moment(step["started_at"]) > moment(step["completed_at"]):
            yield f"[10] {step['key']} ended before it began"
        delay = automation.delays.get(step["key"])
        if delay:
            began, ended = moment(step["started_at"]), moment(step["completed_at"])
            if ended < began + delay + frozen(case, automation, began, delay, ended):
                yield f"[5] the delay {step['key']} was too short"


def _end(automation: AutomationFact, run: Run) -> Iterator[str]:
    """[3, 10] A run ends for a reason, where that reason stands in its history."""
    steps, waits = steps_of(run), waits_of(run)
    last = steps[-1] if steps else {"key": "", "branch_taken": None, "status": None}
    following = automation.ways.get((last["key"], last["branch_taken"]))
    if run.reason in ("completed_end", "completed_no_branch") and following is not None:
        yield f"[10] it completed before {following}"
    if run.reason == "failed_step" and last["status"] != "failed":
        yield "[10] it failed at no step"
    if run.reason not in ENDED_BY_ITSELF | ENDED_FROM_OUTSIDE:
        yield f"[10] it ended by {run.reason}"
    keys = [wait["step_key"] for wait in waits]
    if len(set(keys)) != len(keys):
        yield f"[3] a wait has two outcomes: {keys}"
    taken = {step["key"]: step["branch_taken"] for step in steps}
    for wait in waits:
        branches = {"timed_out": {"timeout"}, "cancelled": {None}}
        arms = {arm.branch for arm in automation.waits[wait["step_key"]].arms}
        if taken.get(wait["step_key"]) not in branches.get(wait["status"], arms):
            yield f"[3] {wait['step_key']} was {wait['status']}, the run took another way"
    # Who ends it from outside finds it at the step that follows, which is noted nowhere else.
    stood_at = {following} if run.reason in ENDED_FROM_OUTSIDE else set()
    if {key for key in (*taken, *stood_at) if key in automation.waits} - set(keys):
        yield "[3] a wait was left without an outcome"


def _exits(case: Case, automation: AutomationFact, trigger: Happened, run: Run) -> Iterator[str]:
    """[4] An exit event that a run could see while it was under way has ended it at once."""
    assert run.completed_at is not None
    if automation.exit is None:
        if run.reason == "exited_rule":
            yield "[4] it exited, and has no exit rule"
        return
    name, same = automation.exit
    ending = {
        one.fact.id: seen_at(one, trigger)
        for one in case.by_name[trigger.fact.person.name, name]
        if one.v >= trigger.v and one.fact.payload.get(same) == trigger.fact.payload.get(same)
    }
    if run.reason == "exited_rule":
        case.evidence.seen["exit"] += 1
        if run.completed_at not in ending.values():
            yield "[4] nothing has ended it by an exit"
    before = [event_id for event_id, at in ending.items() if at < run.created_at]
    if run.reason == "exited_before_start":
        case.evidence.seen["exit_before_start"] += 1
        if not any(at <= run.created_at for at in ending.values()):
            yield "[4] nothing had ended it before it began"
    elif before:
        yield f"[4] it began after its exit {before[0]}"
    for event_id, at in ending.items():
        if run.created_at < at < run.completed_at:
            yield f"[4] it went on after its exit {event_id}"


# --- pauses ---------------------------------------------------------------------------------------


def frozen(
    case: Case, automation: AutomationFact, entered: datetime, span: timedelta, until: datetime
) -> timedelta:
    """Return by how much freezes up to an instant have moved what was due a span after `entered`.

    Each that began before it was due, as that stood by then, moves it by its own length (rule T3).
    """
    moved = timedelta()
    for pause in sorted(case.evidence.pauses, key=lambda each: each.since):
        if (pause.automation, pause.mode) != (automation.name, "freeze"):
            continue
        over = min(pause.until, until)
        if pause.since < entered + span + moved and over > max(pause.since, entered):
            moved += over - max(pause.since, entered)
    return moved


def _was_held(case: Case, automation: AutomationFact, run: Run) -> bool:
    """Tell whether a run began while its automation was paused."""
    pauses = [each for each in case.evidence.pauses if each.automation == automation.name]
    return any(each.since <= run.created_at <= each.until for each in pauses)


def _stillness(case: Case, automation: AutomationFact, run: Run) -> Iterator[str]:
    """[13] While an automation is paused no step of it ends, and none begins."""
    for pause in case.evidence.pauses:
        if pause.automation == automation.name:
            case.evidence.seen["held_start"] += pause.since < run.created_at < pause.until
            for step in steps_of(run):
                if pause.since < moment(step["completed_at"]) < pause.until:
                    yield f"[13] {step['key']} went on during a {pause.mode}"
