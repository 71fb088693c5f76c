"""The entries of a run's history: finished steps, closed waits, and what ended it (rule R4)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from state.automation import Arm, Step
from state.moment import moment_text
from state.run import ArmMet, Failure, LateMatch, Run, Waiting
from state.turn import StoredEvent

Entry = Mapping[str, Mapping[str, Any]]

#: What a step of a run is: the last three of one that has ended.
StepStatus = Literal["running", "waiting", "completed", "failed", "skipped"]

#: What entries say, in the order in which they are shown. What an entry does not say is as it is
#: here: most have little to say, and a row is written for every step. A step that does not say when
#: it was completed was so at the instant at which it began.
_STEP: dict[str, Any] = {
    "key": None,
    "type": None,
    "status": "completed",
    "branch_taken": None,
    "started_at": None,
    "completed_at": None,
    "input": None,
    "output": None,
    "error": None,
}
_WAIT: dict[str, Any] = {
    "step_key": None,
    "events": None,
    "status": None,
    "deadline": None,
    "opened_at": None,
    "closed_at": None,
    "outcome_branch": None,
    "resumed_by_event": None,
    "floor": None,
    "lookback_truncated": False,
    "held_for_lag": False,
    "fired_under_lag": False,
    "late_match": None,
    "kept_event": None,
    "frozen_seconds": 0.0,
}


_WAIT_STEP = "wait_for_event"


def history_of(run: Run) -> list[dict[str, dict[str, Any]]]:
    """Return all entries of a run, the stored ones and this turn's, each with all it says."""
    return [*read_history(run.past), *map(whole, run.fresh)]


def read_history(past: str) -> list[dict[str, dict[str, Any]]]:
    """Return the entries of a history as it is stored, each with all it says."""
    return [whole(entry) for entry in json.loads(f"[{past}]")]


def whole(entry: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return an entry with everything it says, also by its silence."""
    if "step" in entry:
        step = {**_STEP, **entry["step"]}
        step["completed_at"] = step["completed_at"] or step["started_at"]
        return {"step": step}
    return {"wait": {**_WAIT, **entry["wait"]}} if "wait" in entry else {"exit": {**entry["exit"]}}


def outputs_in(entries: Iterable[Entry]) -> dict[str, Mapping[str, Any]]:
    """Return what the steps of a history have put out, by step."""
    steps = (entry["step"] for entry in entries if "step" in entry)
    return {step["key"]: step["output"] for step in steps if step["output"] is not None}


def wait_events_in(entries: Iterable[Entry]) -> dict[str, Mapping[str, Any]]:
    """Return the newest payload that closed a wait of a history, by event name."""
    came: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        step = entry.get("step")
        output = step["output"] if step is not None and step["type"] == _WAIT_STEP else None
        if output is not None and "event" in output:
            for one in output.get("events", [output]):
                came[one["event"]] = one["payload"]
    return came


class StepEnd(TypedDict, total=False):
    """What a finished step left: branch, input, output, error; what is absent is None."""

    branch: str | None
    input: Mapping[str, object] | None
    output: Mapping[str, object] | None
    error: Failure | None


def step_entry(
    step: Step, status: StepStatus, started_at: datetime, completed_at: datetime, end: StepEnd
) -> dict[str, object]:
    """Return the history entry of a step that ran to its end."""
    said: dict[str, object] = {
        "key": step.key,
        "type": step.type,
        "started_at": moment_text(started_at),
    }
    if completed_at != started_at:
        said["completed_at"] = moment_text(completed_at)
    if status != "completed":
        said["status"] = status
    if (branch := end.get("branch")) is not None:
        said["branch_taken"] = branch
    if (came := end.get("input")) is not None:
        said["input"] = came
    if (left := end.get("output")) is not None:
        said["output"] = left
    if (error := end.get("error")) is not None:
        said["error"] = error.document()
    return {"step": said}


class WaitEnd(TypedDict, total=False):
    """How a wait closed: by which event or none, on which branch, and whether the cap fired it."""

    branch: str | None
    event: StoredEvent | ArmMet | None
    is_under_lag: bool


def wait_entry(
    waiting: Waiting,
    arms: Sequence[Arm],
    status: str,
    closed_at: datetime | None,
    end: WaitEnd,
) -> dict[str, object]:
    """Return the history entry of a wait; an open one is rendered by the same words.

    `arms` are those of its step. Only a wait that declares a list of them shows them (rule W7).
    """
    said: dict[str, object] = {
        "step_key": waiting.step_key,
        "events": sorted({arm.event_name for arm in arms}),
        "status": status,
        "opened_at": moment_text(waiting.entered_at),
        "floor": moment_text(waiting.floor),
    }
    if waiting.deadline is not None:
        said["deadline"] = moment_text(waiting.deadline)
    if closed_at is not None:
        said["closed_at"] = moment_text(closed_at)
    if (branch := end.get("branch")) is not None:
        said["outcome_branch"] = branch
    if (event := end.get("event")) is not None:
        said["resumed_by_event"] = named(event)
    if any(arm.group != "single" for arm in arms):
        said["arms"] = _arms(waiting, arms)
    said.update(_seldom(waiting, end))
    return {"wait": said}


def _seldom(waiting: Waiting, end: WaitEnd) -> Iterator[tuple[str, object]]:
    """Yield what few waits have to say."""
    if waiting.is_truncated:
        yield "lookback_truncated", True
    if waiting.is_held:
        yield "held_for_lag", True
    if end.get("is_under_lag"):
        yield "fired_under_lag", True
    if waiting.late is not None:
        yield "late_match", late_match(waiting.late)
    if waiting.kept_at is not None:
        yield "kept_event", named(waiting.met[-1]) | {"kept_at": moment_text(waiting.kept_at)}
    if waiting.frozen:
        yield "frozen_seconds", waiting.frozen.total_seconds()


def exit_entry(event: StoredEvent) -> dict[str, object]:
    """Return the history entry that names the event by which a run was ended (rules S3, R4)."""
    return {"exit": named(event)}


def _arms(waiting: Waiting, arms: Sequence[Arm]) -> list[dict[str, object]]:
    """Return the arms of a wait in declared order, each with the event that met it, if any."""
    met = {one.place: named(one) for one in waiting.met}
    return [
        {"event": arm.event_name, "branch": arm.branch, "met_by": met.get(arm.place)}
        for arm in arms
    ]


def named(event: StoredEvent | ArmMet) -> dict[str, object]:
    """Return how an entry names the event that did something: ended a run, or met an arm."""
    return {
        "id": event.id,
        "event": event.name,
        "occurred_at": moment_text(event.occurred_at),
        **event.coordinates._asdict(),
    }


def late_match(late: LateMatch) -> dict[str, object]:
    """Return how a wait shows the first event that came too late (rule W5)."""
    return late._asdict()
