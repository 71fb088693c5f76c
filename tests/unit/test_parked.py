"""What a parked run carries besides its columns, written and read again."""

from __future__ import annotations

from typing import Any

from msgspec.json import decode

from state.event import Coordinates
from state.postgres.codec import json_text
from state.postgres.run_states import ParkedState, parked_state, read_parked
from state.run import ArmMet, LateMatch, Waiting
from tests.stored import AT, uuid, waiting

MET = ArmMet(2, uuid("event", 1), "evt_1", "paid", AT, Coordinates("t", 1, 9), {"total": 30.5})


def reread(parked: Waiting) -> Any:
    """Return a wait as its row gives it back."""
    row = {"step_key": parked.step_key, "activity": "waiting", "deadline": parked.deadline,
           "due_at": parked.due_at, "is_held": parked.is_held}  # fmt: skip
    state = decode(json_text(parked_state(parked)), type=ParkedState)
    return read_parked(row, state)  # type: ignore[arg-type]  # a row is read by its keys


def test_an_open_wait_keeps_the_arms_that_were_met() -> None:
    """W7: which, by what event, with its payload: enough to close the wait in another turn."""
    parked = waiting(met=(MET, MET), late=LateMatch("evt_2", "after_deadline", 3.0))
    assert reread(parked) == parked


def test_a_wait_that_was_parked_before_there_were_arms_still_loads() -> None:
    """W7, R3: runs in progress live on under newer code."""
    parked = waiting()
    assert "met" not in json_text(parked_state(parked))
    assert reread(parked) == parked
