"""The entries of a run's history: finished steps, closed waits, and what ended it (rule R4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from state.automation import Arm, Step
from state.moment import moment_text, optional_moment_text
from state.run import ArmMet, Failure, LateMatch, Waiting
from state.turn import StoredEvent


class StepEnd(TypedDict, total=False):
    """What a finished step left: branch, input, output, error; what is absent is None."""

    branch: str | None
    input: Mapping[str, object] | None
    output: Mapping[str, object] | None
    error: Failure | None


def step_entry(
    step: Step, status: str, started_at: datetime, completed_at: datetime, end: StepEnd
) -> dict[str, object]:
    """Return the history entry of a step that ran to its end."""
    error = end.get("error")
    return {
        "step": {
            "key": step.key,
            "type": step.type,
            "status": status,
            "branch_taken": end.get("branch"),
            "started_at": moment_text(started_at),
            "completed_at": moment_text(completed_at),
            "input": end.get("input"),
            "output": end.get("output"),
            "error": None if error is None else error.document(),
        }
    }


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
    event = end.get("event")
    is_listed = any(arm.group != "single" for arm in arms)
    return {
        "wait": {
            "step_key": waiting.step_key,
            "events": sorted({arm.event_name for arm in arms}),
            "status": status,
            "deadline": optional_moment_text(waiting.deadline),
            "opened_at": moment_text(waiting.entered_at),
            "closed_at": optional_moment_text(closed_at),
            "outcome_branch": end.get("branch"),
            "resumed_by_event": None if event is None else named(event),
            "floor": moment_text(waiting.floor),
            "lookback_truncated": waiting.is_truncated,
            "held_for_lag": waiting.is_held,
            "fired_under_lag": end.get("is_under_lag", False),
            "late_match": None if waiting.late is None else late_match(waiting.late),
            "kept_event": _kept_event(waiting),
            "frozen_seconds": waiting.frozen.total_seconds(),
            **({"arms": _arms(waiting, arms)} if is_listed else {}),
        }
    }


def exit_entry(event: StoredEvent) -> dict[str, object]:
    """Return the history entry that names the event by which a run was ended (rules S3, R4)."""
    return {"exit": named(event)}


def _kept_event(waiting: Waiting) -> dict[str, object] | None:
    """Return the event that a wait kept while its automation was paused, and since when (T3)."""
    if waiting.kept_at is None:
        return None
    return named(waiting.met[-1]) | {"kept_at": moment_text(waiting.kept_at)}


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
