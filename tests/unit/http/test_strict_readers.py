"""Java's and Rust's clients of Resend refuse words they do not know: none leaves our routes.

Every member of ours is asked for, so that a new one fails here until it has a word of theirs.
"""

from __future__ import annotations

from typing import Any, get_args
from uuid import uuid4

import pytest

from handlers.http.resend.automation_view import automation_view
from handlers.http.resend.run_view import run_item, run_view
from handlers.http.resend.wait_names import named, unnamed
from handlers.steps import KINDS
from state.history import StepStatus
from state.postgres.automations import AutomationRow
from state.postgres.run_pages import RunRow
from state.run import STATUS_OF, Reason, RunStatus
from tests.unit.http import records
from tests.unit.http.records import AT

# What the clients' own enums list, written out: not what our code says of them.
RUN_STATUSES = {"running", "completed", "failed", "cancelled"}
STEP_STATUSES = {"pending", "running", "completed", "failed", "skipped", "waiting"}
STEP_TYPES = {
    "trigger",
    "send_email",
    "delay",
    "wait_for_event",
    "condition",
    "contact_update",
    "contact_delete",
    "add_to_segment",
}

#: What Rust's client reads of a step's configuration, by its type there.
RUST_READS = {
    "trigger": ["event_name"],
    "send_email": ["template", "id"],
    "delay": ["duration"],
    "wait_for_event": ["event_name"],
    "add_to_segment": ["segment_id"],
}

#: A configuration of each kind as it is drawn; a wait for several events has none of its own.
CONFIGS: dict[str, dict[str, Any]] = {
    "trigger": {"event_name": "go"},
    "send_email": {"template": {"id": "mail"}},
    "send_push": {"template": {"id": "push"}},
    "delay": {"duration": "1 hour"},
    "wait_for_event": {"any_of": [{"event_name": "paid"}, {"event_name": "left"}]},
    "condition": {"type": "rule", "field": "event.a", "operator": "eq", "value": 1},
    "contact_update": {"first_name": "Ann"},
    "contact_delete": {},
    "add_to_segment": {"segment_id": "vip"},
    "remove_from_segment": {"segment_id": "vip"},
    "set_topic_subscription": {"topic_id": "news", "subscription": "opt_in"},
}


def record_with(**step: str) -> dict[str, Any]:
    """Return a run's record in which one step is so."""
    record = dict(records.completed())
    first, *others = record["steps"]
    return {**record, "steps": [{**first, **step}, *others]}


@pytest.mark.parametrize("status", get_args(RunStatus))
def test_every_status_of_a_run_is_one_of_theirs(status: str) -> None:
    """R1: in a list, and by itself."""
    row = RunRow(uuid4(), status, AT, AT, AT)
    assert run_item(row).status in RUN_STATUSES
    assert run_view({**record_with(), "status": status}).status in RUN_STATUSES


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_ending_has_a_status_of_theirs(reason: str) -> None:
    """R2: also where an e-mail was skipped, or the run exited."""
    record = {**record_with(), "status": STATUS_OF[reason], "ended_reason": reason}
    shown = run_view(record)
    assert (shown.status in RUN_STATUSES, shown.ended_reason) == (True, reason)


@pytest.mark.parametrize("status", get_args(StepStatus))
def test_every_status_of_a_step_is_one_of_theirs(status: str) -> None:
    assert run_view(record_with(status=status)).steps[0].status in STEP_STATUSES


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_of_a_step_is_one_of_theirs(kind: str) -> None:
    step = run_view(record_with(type=kind)).steps[0]
    assert (step.type in STEP_TYPES, step.waitline_type) == (True, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_has_what_rust_reads_of_its_configuration(kind: str) -> None:
    """A wait for several events names them all, as no client knows more than one."""
    row = AutomationRow(uuid4(), "A", True, AT, 1, AT, AT)
    drawn = {"key": "one", "type": kind, "config": CONFIGS[kind]}
    (step,) = automation_view(row, {"steps": [drawn], "connections": []}).steps
    assert (step.type in STEP_TYPES, step.waitline_type) == (True, kind)
    assert step.config.items() >= CONFIGS[kind].items()
    read: Any = step.config
    for key in RUST_READS.get(step.type, []):
        read = read[key]
    assert isinstance(read, str | dict)


def test_what_was_read_can_be_posted_again() -> None:
    """W7: arms replace the name; one that says something else stays, for the parser to refuse."""
    drawn = {"steps": [{"key": "one", "config": CONFIGS["wait_for_event"]}, None, {"config": []}]}
    shown = named(CONFIGS["wait_for_event"])
    assert shown["event_name"] == "paid, left"
    assert unnamed({"steps": [{"key": "one", "config": shown}, *drawn["steps"][1:]]}) == drawn
    odd = {"steps": [{"config": {**shown, "event_name": "paid"}}]}
    assert unnamed(odd) == odd
    for body in (None, [], {"steps": None}, {"steps": [{"config": {"any_of": [{}, 1]}}]}):
        assert unnamed(body) == body
