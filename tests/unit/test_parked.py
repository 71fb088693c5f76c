"""What a parked run carries besides its columns, written and read again."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from state.event import Coordinates
from state.postgres.codec import json_text, parked_document, read_parked
from state.run import ArmMet, LateMatch, Waiting
from tests.stored import AT, uuid, waiting

MET = ArmMet(2, uuid("event", 1), "evt_1", "paid", AT, Coordinates("t", 1, 9), {"total": 30.5})


def reread(parked: Waiting, *lacking: str) -> Any:
    """Return a wait as its row gives it back, without some keys of its document."""
    row = {"step_key": parked.step_key, "activity": "waiting", "deadline": parked.deadline,
           "due_at": parked.due_at, "is_held": parked.is_held}  # fmt: skip
    document = from_json(json_text(parked_document(parked)))
    for key in lacking:
        del document[key]
    return read_parked(row, document)  # type: ignore[arg-type]  # a row is read by its keys


def test_an_open_wait_keeps_the_arms_that_were_met() -> None:
    """W7: which, by what event, with its payload: enough to close the wait in another turn."""
    parked = waiting(met=(MET, MET), late=LateMatch("evt_2", "after_deadline", 3.0))
    assert reread(parked) == parked


def test_a_wait_that_was_parked_before_there_were_arms_still_loads() -> None:
    """W7, R3: runs in progress live on under newer code."""
    parked = waiting()
    assert "met" not in parked_document(parked)
    assert reread(parked) == parked
