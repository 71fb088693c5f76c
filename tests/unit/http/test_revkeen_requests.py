"""RevKeen's automations, manual runs, envelopes and idempotency keys."""

import json
from typing import Any, get_args
from uuid import UUID

import pytest
from pydantic import ValidationError

from handlers.http.fault import Fault, Kind
from handlers.http.revkeen import automations, envelopes, errors
from handlers.http.revkeen.automations import (
    AutomationCreation,
    automation_document,
    automation_item,
    created_file,
)
from handlers.http.revkeen.envelopes import Page, page_of
from handlers.http.revkeen.manual import ManualRun, check_runnable, event_record, sent_payload
from handlers.http.translate import fault_of
from handlers.publishing.catalogue import compile_version
from handlers.publishing.publish import parse_automation
from state.automation import Version
from state.postgres.automations import AutomationRow
from state.problem import Problem, ProblemsError
from state.reading import NameUse
from tests.kit import NOW, TEMPLATES, automation_id, delay, line, way
from tests.unit.http import fields

AUTOMATION_ITEM = fields.table(
    """
id                   uuid          always    docs
object               "automation"  always    docs
name                 text          always    docs
description          text          nullable  docs
status               text          always    docs
trigger_type         text          always    docs
timezone             text          nullable  docs
cron_expression      text          nullable  docs
risk_profile         text          always    docs
current_version      integer       always    docs
objective            text          nullable  docs
created_at           moment        always    docs
updated_at           moment        always    docs
"""
)
AUTOMATION = [
    *AUTOMATION_ITEM,
    *fields.table(
        """
system_prompt        text          nullable  docs
trigger_config       json          always    docs
plan                 json          always    docs
tool_allowlist       json          always    docs
approval_policy      json          always    docs
memory_policy        json          always    docs
notification_policy  json          always    docs
source_thread_id     uuid          nullable  docs
source_message_id    uuid          nullable  docs
"""
    ),
]
ERROR = fields.table(
    """
error                object        always    docs
error.type           text          always    docs
error.code           text          always    docs
error.message        text          always    docs
error.param          text          omitted   docs
error.details        object        omitted   docs
"""
)
PAGINATION = fields.table(
    """
limit                integer       always    docs
offset               integer       always    docs
total                integer       always    docs
hasMore              flag          always    docs
"""
)
TABLES = [
    (automations.AutomationItem, AUTOMATION_ITEM),
    (automations.AutomationDocument, AUTOMATION),
    (envelopes.ErrorEnvelope, ERROR),
    (envelopes.Pagination, PAGINATION),
]
PLAN: dict[str, Any] = {
    "steps": [delay("pause", "1 hour")],
    "connections": [way("trigger", "pause")],
}
FULL: dict[str, Any] = {
    "name": "Dunning",
    "objective": "Get invoices paid",
    "description": "Reminds once.",
    "trigger_type": "event",
    "trigger_config": {"event_name": "invoice.overdue"},
    "timezone": "Europe/Berlin",
    "risk_profile": "medium",
    "system_prompt": "Be kind.",
    "plan": {**PLAN, "reentry": "once"},
    "tool_allowlist": ["email"],
    "source_thread_id": "6a8b5c1e-4ad2-4b0e-9a10-0d8f3d1a2b3c",
}


@pytest.mark.parametrize(("model", "rows"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_the_models_are_as_the_tables_say(model, rows) -> None:
    said = fields.schema_fields(model)
    assert sorted(said) == sorted(row.path for row in rows)
    assert [wrong for row in rows for wrong in fields.schema_misfits(row, said[row.path])] == []


# --- automations ----------------------------------------------------------------------------------


Stored = tuple[AutomationRow, dict[str, Any]]


def stored(file: dict[str, Any], **more: Any) -> Stored:
    """Return an automation as it is stored, and its definition."""
    draft = parse_automation(file, TEMPLATES)
    row = AutomationRow(
        automation_id=automation_id(),
        name=draft.name,
        is_enabled=draft.is_enabled,
        enabled_at=NOW if draft.is_enabled else None,
        current_version=1,
        created_at=NOW,
        updated_at=NOW,
    )
    return row._replace(**more), dict(draft.definition)


def created(**body: object) -> Stored:
    return stored(created_file(AutomationCreation(**body)))


def compiled(of: Stored) -> Version:
    return compile_version(of[0].automation_id, of[0].name, 1, of[1])


def test_a_created_automation_comes_back_as_it_was_sent() -> None:
    found = automation_document(*created(**FULL))
    assert fields.misfits(found, AUTOMATION) == []
    for name in FULL.keys() - {"plan"}:
        assert found[name] == FULL[name]
    assert found["plan"] == {**FULL["plan"], "exit": []}
    assert found["status"] == "active"


def test_what_was_not_said_of_an_automation_is_null() -> None:
    found = automation_document(*stored(line(delay("pause", "1 hour"))))
    assert fields.misfits(found, AUTOMATION) == []
    assert (found["objective"], found["risk_profile"]) == (None, "low")
    assert found["trigger_config"] == {"key": "start", "event_name": "go"}


def test_what_a_file_annotates_oddly_is_not_told() -> None:
    """Files may annotate what they like: what is no value of a field is not shown as one."""
    odd = {"objective": 7, "risk_profile": [], "source_thread_id": "t", "plan": 1, "other": None}
    document = {**line(delay("pause", "1 hour")), "annotations": {"revkeen": odd}}
    found = automation_document(*stored(document))
    assert fields.misfits(found, AUTOMATION) == []
    assert (found["objective"], found["risk_profile"]) == (None, "low")


def test_a_plan_read_and_sent_again_means_the_same() -> None:
    """R3: whatever the trigger is called."""
    before = stored(line(delay("pause", "1 hour")))
    read = automation_document(*before)
    sent = {name: read[name] for name in ("name", "plan", "trigger_config")}
    after = created(objective="Wait", **sent)
    assert compiled(after).successors == compiled(before).successors


def test_a_list_shows_the_head_of_an_automation() -> None:
    of = created(**FULL)
    found = automation_item(*of)
    assert fields.misfits(found, AUTOMATION_ITEM) == []
    assert found.items() <= automation_document(*of).items()


def test_without_a_trigger_an_automation_is_run_by_hand() -> None:
    """S1: by an event of its own, which no other automation listens to."""
    of = created(name="Report", objective="Tell me")
    found = automation_document(*of)
    assert (found["trigger_type"], found["trigger_config"]) == ("manual", None)
    assert compiled(of).trigger_event == "waitline.manual:Report"


@pytest.mark.parametrize(
    ("sent", "enabled_at", "status"),
    [
        (None, NOW, "active"),
        ("active", NOW, "active"),
        ("draft", None, "draft"),
        ("paused", NOW, "paused"),
    ],
)
def test_a_status_says_whether_it_starts_runs_and_ever_did(sent, enabled_at, status) -> None:
    """S4: one that was stopped is paused."""
    body = AutomationCreation(**{**FULL, "status": sent})
    assert automation_item(*stored(created_file(body), enabled_at=enabled_at))["status"] == status


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"trigger_type": "event", "trigger_config": None}, "trigger_config.event_name"),
        ({"cron_expression": "0 8 * * *"}, "cron_expression"),
        ({"plan": {"steps": {}}}, "plan.steps"),
        ({"plan": {"steps": [{"key": "t", "type": "trigger"}]}}, "plan.steps"),
    ],
)
def test_what_cannot_be_an_automation_is_refused_by_its_field(more, where) -> None:
    with pytest.raises(ProblemsError) as caught:
        created_file(AutomationCreation(**{**FULL, **more}))
    assert [problem.field for problem in caught.value.problems] == [where]


@pytest.mark.parametrize("more", [{"name": None}, {"objective": None}, {"risk_profile": "wild"}])
def test_name_and_objective_are_needed_and_a_risk_is_one_of_three(more) -> None:
    with pytest.raises(ValidationError):
        AutomationCreation(**{**FULL, **more})


# --- envelopes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kind"), envelopes.KINDS.items())
def test_an_error_has_a_type_and_a_code(status, kind) -> None:
    found = envelopes.refused(status, "No.")
    assert fields.misfits(found, ERROR) == []
    assert found == {"error": {"type": kind.type, "code": kind.code, "message": "No."}}


def test_an_error_can_be_more_exact() -> None:
    found = envelopes.refused(429, "Slow down.", details={"retry_after": 3})
    assert fields.misfits(found, ERROR) == []
    assert found["error"]["details"] == {"retry_after": 3}
    assert envelopes.refused(409, "Wait.", "idempotency_in_progress")["error"]["code"] == (
        "idempotency_in_progress"
    )


def test_what_is_wrong_is_told_by_field() -> None:
    problems = [
        Problem("name", "is missing", "give it one"),
        Problem("", "is odd"),
        Problem("name", "b"),
        Problem("config", "c", where='step "pause"'),
    ]
    found = json.loads(errors.render(fault_of(ProblemsError(problems))).body)
    assert fields.misfits(found, ERROR) == []
    assert found["error"]["param"] == "name"
    assert found["error"]["message"].startswith("name: is missing; give it one\n")
    assert found["error"]["details"]["fields"] == {
        "name": ["is missing; give it one", "b"],
        "body": ["is odd"],
        'step "pause", config': ["c"],
    }


@pytest.mark.parametrize(
    ("asked", "page"),
    [
        ((None, None), Page(25, 0)),
        ((100, 7), Page(100, 7)),
        ((1000, -1), Page(100, 0)),
        ((0, 0), Page(1, 0)),
    ],
)
def test_numbers_out_of_range_count_as_the_nearest_in_it(asked, page) -> None:
    assert page_of(*asked) == page


@pytest.mark.parametrize(
    ("offset", "total", "has_more"), [(0, 2, False), (0, 3, True), (1, 3, False)]
)
def test_a_list_says_where_its_page_stands(offset, total, has_more) -> None:
    found = envelopes.listed(["a", "b"], Page(2, offset), total)
    assert (found["object"], found["data"]) == ("list", ["a", "b"])
    assert fields.misfits(found["pagination"], PAGINATION) == []
    assert found["pagination"]["hasMore"] is has_more


# --- manual runs ----------------------------------------------------------------------------------


def refusal(of: Stored, *uses: NameUse) -> str:
    with pytest.raises(Fault) as caught:
        check_runnable(*of, uses)
    return caught.value.message


def test_an_automation_that_is_run_by_hand_has_an_event_of_its_own() -> None:
    """S1: the event of a manual run starts runs of no other automation."""
    of = created(name="Report", objective="Tell me")
    name = check_runnable(*of, [NameUse("waitline.manual:Report", of[0].automation_id, "A", True)])
    assert name == "waitline.manual:Report"
    other = NameUse(name, UUID(int=5), "Copy", True)
    assert "Copy" in refusal(of, other)


def test_others_are_not_run_by_hand() -> None:
    """S1, S4: by an event, or not at all."""
    assert "`invoice.overdue`" in refusal(created(**FULL))
    assert "not active" in refusal(created(name="Report", objective="Tell me", status="draft"))


@pytest.mark.parametrize(
    ("payload", "identity"),
    [
        (None, {"anonymous_id": "evt-1"}),
        ({"email": 3}, {"anonymous_id": "evt-1"}),
        ({"value": {"email": "ann@example.com"}, "x": 1}, {"anonymous_id": "evt-1"}),
        ({"email": "ann@example.com", "x": 1}, {"email": "ann@example.com"}),
    ],
)
def test_a_manual_run_is_about_whom_its_payload_names(payload, identity) -> None:
    """I1: nobody named is someone new."""
    record = event_record(ManualRun(trigger_payload=payload), "waitline.manual:A", "evt-1")
    assert record == {
        "id": "evt-1",
        "event": "waitline.manual:A",
        "payload": payload or {},
        **identity,
    }


@pytest.mark.parametrize(
    "sent", [{}, {"x": 1}, [], [1], "text", 0, False, {"value": 1}, {"value": {"value": None}}]
)
def test_whatever_was_sent_with_a_manual_run_is_told(sent) -> None:
    """E6: an event's payload is an object."""
    payload = event_record(ManualRun(trigger_payload=sent), "waitline.manual:A", "e")["payload"]
    assert isinstance(payload, dict)
    assert sent_payload(payload) == sent


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_kind_of_fault_is_said(kind) -> None:
    answer = errors.render(Fault(kind, "No.", field="a", headers={"retry-after": "3"}))
    found = json.loads(answer.body)
    assert fields.misfits(found, ERROR) == []
    assert answer.headers["revkeen-version"] == "2026-05-01"
    assert ("www-authenticate" in answer.headers) is (answer.status_code == 401)


def test_who_comes_too_often_is_told_when_to_come_again() -> None:
    answer = errors.render(Fault("rate_limited", "No.", headers={"retry-after": "3"}))
    assert json.loads(answer.body)["error"]["details"] == {"retry_after": 3}
