"""Judges the runs: each is one gap-free walk through its automation, and says how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from state.run import Run
from tests.simulation.evidence import Case, Happened
from tests.simulation.facts import AutomationFact

Step = Mapping[str, Any]


def steps_of(run: Run) -> list[Step]:
    return [entry["step"] for entry in json.loads(f"[{run.past}]") if "step" in entry]


def waits_of(run: Run) -> list[Step]:
    return [entry["wait"] for entry in json.loads(f"[{run.past}]") if "wait" in entry]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def runs_of(case: Case) -> Iterator[tuple[AutomationFact, Happened, Run]]:
    """Yield every run with its automation and its trigger."""
    automations = {automation.name: automation for automation in case.evidence.automations}
    for (name, trigger_id), run in sorted(case.runs.items()):
        yield automations[name], case.happened[trigger_id], run


def check(case: Case) -> Iterator[str]:
    for automation, trigger, run in runs_of(case):
        label = f"{automation.name}/{trigger.fact.id}"
        if run.reason == "exited_before_start":
            yield from (f"{found} in {label}" for found in _never_began(automation, run))
        else:
            yield from (f"{found} in {label}" for found in _walk(automation, run))
            yield from (f"{found} in {label}" for found in _end(automation, run))
        yield from (f"{found} in {label}" for found in _exits(case, automation, trigger, run))
        if dict(run.trigger.payload) != dict(trigger.fact.payload) or run.trigger.v != trigger.v:
            yield f"[10] the trigger is not what was published in {label}"
        case.evidence.seen[f"run_{run.reason}"] += 1


def _never_began(automation: AutomationFact, run: Run) -> Iterator[str]:
    """[3, 10] A run that was over before its trigger came has no history, and asks for nothing."""
    if run.past or run.status != "cancelled":
        yield f"[10] it executed something: {run.past:.80}"
    if automation.exit is None:
        yield "[10] it exited, and has no exit rule"


def _walk(automation: AutomationFact, run: Run) -> Iterator[str]:
    """[10] The history is gap-free: each step begins where and when the one before it ended."""
    steps = steps_of(run)
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
        if delay and moment(step["completed_at"]) - moment(step["started_at"]) < delay:
            yield f"[5] the delay {step['key']} was too short"


def _end(automation: AutomationFact, run: Run) -> Iterator[str]:
    """[3, 10] A run ends for a reason, where that reason stands in its history."""
    steps, waits = steps_of(run), waits_of(run)
    last = steps[-1]
    following = automation.ways.get((last["key"], last["branch_taken"]))
    if run.reason in ("completed_end", "completed_no_branch") and following is not None:
        yield f"[10] it completed before {following}"
    if run.reason == "failed_step" and last["status"] != "failed":
        yield "[10] it failed at no step"
    allowed = {"completed_end", "completed_no_branch", "failed_step"}
    if automation.exit:
        allowed.add("exited_rule")
    if run.reason not in allowed:
        yield f"[10] it ended by {run.reason}"
    keys = [wait["step_key"] for wait in waits]
    if len(set(keys)) != len(keys):
        yield f"[3] a wait has two outcomes: {keys}"
    taken = {step["key"]: step["branch_taken"] for step in steps}
    for wait in waits:
        branch = {"received": "event_received", "timed_out": "timeout", "cancelled": None}
        if taken.get(wait["step_key"]) != branch[wait["status"]]:
            yield f"[3] {wait['step_key']} was {wait['status']}, the run took another way"
    if {key for key in taken if key in automation.waits} - set(keys):
        yield "[3] a wait was left without an outcome"


def _exits(case: Case, automation: AutomationFact, trigger: Happened, run: Run) -> Iterator[str]:
    """[4] An exit event that was applied while the run was under way has ended it at once."""
    if automation.exit is None:
        return
    name, same = automation.exit
    ending = [
        one
        for one in case.by_name[trigger.fact.person.name, name]
        if one.v >= trigger.v and one.fact.payload.get(same) == trigger.fact.payload.get(same)
    ]
    assert run.completed_at is not None
    if run.reason == "exited_rule":
        case.evidence.seen["exit"] += 1
        if not any(one.applied_at == run.completed_at for one in ending):
            yield "[4] nothing has ended it by an exit"
    before = [one for one in ending if one.applied_at < run.created_at]
    if run.reason == "exited_before_start":
        case.evidence.seen["exit_before_start"] += 1
        if not any(one.applied_at <= run.created_at for one in ending):
            yield "[4] nothing had ended it before it began"
    elif before:
        yield f"[4] it began after its exit {before[0].fact.id}"
    for one in ending:
        if run.created_at < one.applied_at < run.completed_at:
            yield f"[4] it went on after its exit {one.fact.id}"
