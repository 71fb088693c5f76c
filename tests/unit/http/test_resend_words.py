"""How Resend's dialect says things: errors, instants, types of steps, pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import get_args

from handlers.http.fault import Fault, Kind
from handlers.http.resend.errors import SAID, render
from handlers.http.resend.instants import instant, with_instants
from handlers.http.resend.step_types import StepType, step_type
from handlers.steps import KINDS


def test_every_kind_of_fault_has_words() -> None:
    assert set(SAID) == set(get_args(Kind))
    said = render(Fault("not_found", "Automation not found"))
    assert said.status_code == 404
    assert list(json.loads(bytes(said.body)).items()) == [
        ("statusCode", 404),
        ("message", "Automation not found"),
        ("name", "not_found"),
    ]


def test_a_fault_carries_its_headers() -> None:
    said = render(Fault("rate_limited", "slowly", headers={"retry-after": "3"}))
    assert said.headers["retry-after"] == "3"


def test_instants_are_postgres_text_with_six_digits() -> None:
    at = datetime(2026, 10, 1, 12, tzinfo=UTC)
    assert instant(at) == "2026-10-01 12:00:00.000000+00"
    assert instant("2026-10-01T12:00:00.000042Z") == "2026-10-01 12:00:00.000042+00"
    wait = {"opened_at": "2026-10-01T12:00:00.000000Z", "deadline": None, "status": "waiting"}
    event = {"id": "e", "occurred_at": "2026-10-01T12:00:00.000000Z"}
    said = with_instants({**wait, "resumed_by_event": event})
    assert said["opened_at"] == "2026-10-01 12:00:00.000000+00"
    assert said["deadline"] is None
    assert said["resumed_by_event"] == {"id": "e", "occurred_at": "2026-10-01 12:00:00.000000+00"}


def test_every_step_of_ours_has_a_type_that_strict_clients_accept() -> None:
    assert {step_type(kind) for kind in KINDS} <= set(get_args(StepType))
    assert step_type("condition") == "condition"
