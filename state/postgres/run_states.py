"""Runs as the documents of their rows: written whole, read whole, each at one blow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct, field
from msgspec.json import Decoder

from state.postgres.codec import json_text
from state.postgres.session import Record
from state.run import (
    ArmMet,
    Failure,
    HeldStart,
    KeptAnswer,
    LateMatch,
    Parked,
    Resolved,
    Run,
    Sending,
    Sleeping,
    Trigger,
    Waiting,
)


class ParkedState(Struct, frozen=True, omit_defaults=True):
    """What a parked run carries besides its row's columns: its keys are those of its kind.

    `frozen` counts microseconds.
    """

    entered_at: datetime
    input: Mapping[str, object] | None = None
    output: Mapping[str, object] | None = None
    floor: datetime | None = None
    is_truncated: bool = False
    late: LateMatch | None = None
    met: tuple[ArmMet, ...] = ()
    kept_at: datetime | None = None
    frozen: int = 0
    is_past_due: bool = False
    effect_id: UUID | None = None
    kept: KeptAnswer | None = None


class RunState(Struct, frozen=True, omit_defaults=True):
    """What a run carries that SQL seldom asks for, as its row's document.

    `started_at` and `parked` are of runs that are active, `trigger` and `failure` of those that are
    done; the others of each stand in columns. Done, a run needs no outputs and payloads of its own:
    its history has them. `started_at` and `updated_at` are left out where they are the instant at
    which the run was created, or at which it was done.
    """

    resolved: Resolved
    steps_done: int
    updated_at: datetime | None = None
    occurrence: int = 0
    business_key: str | None = None
    outputs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    wait_events: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    used: tuple[UUID, ...] = ()
    retry: int = 0
    retried_from: UUID | None = None
    started_at: datetime | None = None
    parked: ParkedState | None = None
    trigger: Trigger | None = None
    failure: Failure | None = None


_RUN_STATES = Decoder(RunState)
_TRIGGERS = Decoder(Trigger)


def read_state(text: str) -> RunState:
    """Return the document of a run's row."""
    return _RUN_STATES.decode(text)


def read_trigger(text: str) -> Trigger:
    """Return the trigger that a parked run's row holds."""
    return _TRIGGERS.decode(text)


def active_state(run: Run, parked: Parked) -> RunState:
    """Return the document of an active run's row; its trigger has a column of its own."""
    return _state(
        run,
        outputs=run.outputs,
        wait_events=run.wait_events,
        updated_at=_unless(run.created_at, run.updated_at),
        started_at=_unless(run.created_at, run.started_at),
        parked=parked_state(parked),
    )


def done_state(run: Run) -> RunState:
    """Return the document of a finished run's row."""
    updated_at = _unless(run.completed_at, run.updated_at)
    return _state(run, updated_at=updated_at, trigger=run.trigger, failure=run.failure)


def _unless(known: datetime | None, at: datetime) -> datetime | None:
    return None if at == known else at


def _state(run: Run, **apart: Any) -> RunState:
    return RunState(
        resolved=run.resolved,
        steps_done=run.steps_done,
        occurrence=run.occurrence,
        business_key=run.business_key,
        used=tuple(sorted(run.used)),
        retry=run.retry,
        retried_from=run.retried_from,
        **apart,
    )


def core_of(state: RunState) -> dict[str, Any]:
    """Return the fields of Run that every run's document holds."""
    return {
        "resolved": state.resolved,
        "steps_done": state.steps_done,
        "occurrence": state.occurrence,
        "business_key": state.business_key,
        "used": frozenset(state.used),
        "retry": state.retry,
        "retried_from": state.retried_from,
    }


def history_text(run: Run) -> str:
    """Return a run's history with this turn's entries: JSON objects joined by commas."""
    fresh = json_text(run.fresh)[1:-1] if run.fresh else ""
    return f"{run.past},{fresh}" if run.past and fresh else run.past or fresh


_MICROSECOND = timedelta(microseconds=1)


def parked_state(parked: Parked) -> ParkedState:
    """Return what a parked run carries besides the columns due_at, deadline and the two holds."""
    entered_at, came, known = parked.entered_at, parked.input, parked.output or None
    match parked:
        case Waiting():
            return ParkedState(
                entered_at,
                came,
                known,
                floor=parked.floor,
                is_truncated=parked.is_truncated,
                late=parked.late,
                met=parked.met,
                kept_at=parked.kept_at,
                frozen=parked.frozen // _MICROSECOND,
            )
        case Sleeping():
            frozen = parked.frozen // _MICROSECOND
            is_past_due = parked.is_past_due
            return ParkedState(entered_at, came, known, is_past_due=is_past_due, frozen=frozen)
        case HeldStart():
            return ParkedState(entered_at, came, known)
        case Sending():
            effect_id, kept = parked.effect_id, parked.kept
            return ParkedState(entered_at, came, known, effect_id=effect_id, kept=kept)


def read_parked(row: Record, state: ParkedState) -> Parked:
    """Return what a run is parked for, from its row and the document beside it."""
    common: dict[str, Any] = {
        "step_key": row["step_key"],
        "entered_at": state.entered_at,
        "input": state.input,
        "output": state.output,
    }
    match row["activity"]:
        case "waiting":
            return _read_waiting(row, state, common)
        case "delayed":
            return Sleeping(
                **common,
                due_at=row["due_at"],
                is_held=row["is_held"],
                holds_for_lag=row["holds_for_lag"],
                is_past_due=state.is_past_due,
                frozen=_MICROSECOND * state.frozen,
            )
        case "sending":
            assert state.effect_id is not None, "what is being sent has an id"
            return Sending(**common, effect_id=state.effect_id, kept=state.kept)
        case "held":
            return HeldStart(
                **common,
                due_at=row["due_at"],
                is_held=row["is_held"],
                holds_for_lag=row["holds_for_lag"],
            )
        case other:
            raise AssertionError(f"no run is parked for {other!r}")


def _read_waiting(row: Record, state: ParkedState, common: Mapping[str, Any]) -> Waiting:
    assert state.floor is not None, "a wait has a floor"
    return Waiting(
        **common,
        due_at=row["due_at"],
        is_held=row["is_held"],
        deadline=row["deadline"],
        floor=state.floor,
        is_truncated=state.is_truncated,
        late=state.late,
        met=state.met,
        kept_at=state.kept_at,
        frozen=_MICROSECOND * state.frozen,
    )
