"""Sendrealm's automations, events and envelopes."""

import json
from datetime import timedelta
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from handlers.http.fault import Fault, Kind
from handlers.http.sendrealm import automations, envelopes, errors
from handlers.http.sendrealm.automations import (
    AutomationCreation,
    AutomationUpdate,
    automation_document,
    automation_item,
    created_file,
    published_automation,
    updated_file,
)
from handlers.http.sendrealm.events import (
    AcceptedEvent,
    EventSubmission,
    accepted,
    check_submission,
    deduplicated,
    event_record,
)
from handlers.publishing.publish import parse_automation
from state.postgres.automations import AutomationRow, VersionRow
from state.problem import ProblemsError
from tests.kit import NOW, TEMPLATES, automation_id
from tests.unit.http import fields
from tests.unit.http.test_sendrealm_definition import JOURNEY

_PUBLISHED = """
id                                      uuid     always    docs
status                                  text     always    docs
current_published_version               object   always    docs
current_published_version.id            uuid     always    docs
current_published_version.version_number integer always    docs
current_published_version.state         text     always    docs
"""
PUBLISHED = fields.table(_PUBLISHED)
ITEM = fields.table(
    f"""{_PUBLISHED.strip()}
name                                    text     always    docs
created_at                              moment   always    ours
updated_at                              moment   always    ours
"""
)
AUTOMATION = [
    *ITEM,
    *fields.table(
        """
description                             text     nullable  docs
definition                              object   always    docs
editor_layout                           object   nullable  docs
"""
    ),
]
ACCEPTED = fields.table(
    """
id                                      text     always    docs
event                                   text     always    docs
occurred_at                             moment   always    docs
resolved_identity_type                  text     omitted   docs
resolved_identity_value                 text     omitted   docs
deduplicated                            flag     omitted   docs
"""
)
ERROR = fields.table(
    """
status                                  integer  always    seed
error                                   object   always    seed
error.code                              text     always    seed
error.message                           text     always    seed
error.details                           json     always    seed
"""
)
TABLES = [
    (automations.PublishedAutomation, PUBLISHED),
    (automations.AutomationItem, ITEM),
    (automations.AutomationDocument, AUTOMATION),
    (AcceptedEvent, ACCEPTED),
    (envelopes.ErrorEnvelope, ERROR),
]
SEGMENT = {"segments": ["vip"]}
SAID_AT = "2026-11-22T10:00:00.000000Z"


@pytest.mark.parametrize(("model", "rows"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_the_models_are_as_the_tables_say(model, rows) -> None:
    said = fields.schema_fields(model)
    assert sorted(said) == sorted(row.path for row in rows)
    assert [wrong for row in rows for wrong in fields.schema_misfits(row, said[row.path])] == []


# --- automations ----------------------------------------------------------------------------------


Stored = tuple[AutomationRow, dict[str, Any]]


def stored(file: dict[str, Any], **more: Any) -> Stored:
    """Return an automation as it is stored, and its definition."""
    draft = parse_automation({**file, **SEGMENT}, TEMPLATES)
    row = AutomationRow(
        automation_id=automation_id(),
        name=draft.name,
        is_enabled=draft.is_enabled,
        enabled_at=None,
        current_version=1,
        created_at=NOW,
        updated_at=NOW,
    )
    return row._replace(**more), dict(draft.definition)


def versioned(of: Stored) -> tuple[AutomationRow, VersionRow]:
    """Return an automation that took all its templates from the stored ones."""
    row, definition = of
    return row, VersionRow(1, "", [], definition, NOW, list(definition["templates"]))


def created(**more: Any) -> Stored:
    body = AutomationCreation(**{"name": "Post purchase", "definition": dict(JOURNEY), **more})
    return stored(created_file(body))


def test_a_created_automation_comes_back_as_it_was_sent_and_starts_nothing() -> None:
    """S1: nothing starts before it is published."""
    layout = {"viewport": {"x": 0, "y": 0, "zoom": 1}}
    found = automation_document(*created(description="Follow up.", editor_layout=layout))
    assert fields.misfits(found, AUTOMATION) == []
    assert found["name"] == "Post purchase"
    assert found["description"] == "Follow up."
    assert found["definition"] == JOURNEY
    assert found["editor_layout"] == layout
    assert found["status"] == "draft"


def test_what_was_not_said_of_an_automation_is_null() -> None:
    found = automation_document(*created())
    assert (found["description"], found["editor_layout"]) == (None, None)
    assert fields.misfits(found, AUTOMATION) == []


def test_what_a_file_annotates_oddly_is_not_told() -> None:
    """Files may annotate what they like: what is no value of a field is not shown as one."""
    row, definition = created()
    odd = {**definition, "annotations": {"sendrealm": {"description": 7, "editor_layout": []}}}
    found = automation_document(row, odd)
    assert (found["description"], found["editor_layout"]) == (None, None)
    renamed = updated_file(AutomationUpdate(name="Renamed"), *versioned((row, odd)))
    assert renamed["annotations"] == {}


@pytest.mark.parametrize(
    ("is_enabled", "enabled_at", "status"),
    [(False, None, "draft"), (True, NOW, "active"), (False, NOW, "paused")],
)
def test_a_status_says_whether_it_starts_runs_and_ever_did(is_enabled, enabled_at, status) -> None:
    """S4: one that was stopped is paused."""
    row = created()[0]._replace(is_enabled=is_enabled, enabled_at=enabled_at)
    assert automation_item(row)["status"] == status
    assert fields.misfits(automation_item(row), ITEM) == []
    found = published_automation(row)
    assert fields.misfits(found, PUBLISHED) == []
    assert found["current_published_version"]["version_number"] == 1


def test_an_update_changes_what_it_names_and_keeps_the_rest() -> None:
    before = created(description="Follow up.", editor_layout={"nodes": []})
    file = updated_file(AutomationUpdate(description=None, name="Renamed"), *versioned(before))
    after = automation_document(*stored(file))
    assert (after["name"], after["description"]) == ("Renamed", None)
    assert after["editor_layout"] == {"nodes": []}
    assert after["definition"] == JOURNEY


def test_an_update_of_the_graph_keeps_what_others_noted() -> None:
    row, definition = created()
    noted = {**definition, "annotations": {"someone": {"a": 1}}}
    drawn = {
        "trigger": {"event_name": "go"},
        "steps": [{"key": "d", "type": "delay", "config": {"duration_seconds": 5}}],
        "connections": [{"from": "trigger", "to": "d", "branch": "next"}],
    }
    before = versioned((row._replace(is_enabled=True), noted))
    file = updated_file(AutomationUpdate(definition=drawn), *before)
    assert file["annotations"] == {"someone": {"a": 1}}
    assert file["status"] == "enabled"
    assert automation_document(*stored(file))["definition"] == drawn


# --- events ---------------------------------------------------------------------------------------


def test_an_event_is_published_with_its_idempotency_key_as_its_id() -> None:
    """E4: the key of an event is its producer's."""
    sent = EventSubmission(
        event="order.completed",
        email="ann@example.com",
        payload={"order_id": "o-1"},
        occurred_at=NOW - timedelta(minutes=1),
        idempotency_key="order-1",
    )
    check_submission(sent)
    assert event_record(sent, {"order_id": 1}) == {
        "id": "order-1",
        "event": "order.completed",
        "email": "ann@example.com",
        "payload": {"order_id": 1},
        "occurred_at": "2026-11-22T09:59:00.000000Z",
    }
    assert accepted(sent, "order-1", SAID_AT)["occurred_at"] == "2026-11-22T09:59:00.000Z"


def test_an_event_without_a_key_says_no_id_and_no_time_of_its_own() -> None:
    """E1: absent, the time is the record's."""
    sent = EventSubmission(event="go", external_id="c-1")
    assert event_record(sent, {}) == {"event": "go", "external_id": "c-1", "payload": {}}


def test_the_answer_names_the_strongest_identity() -> None:
    """I1: contact_id, then external_id, then email."""
    sent = EventSubmission(event="go", external_id="c-1", email="ann@example.com")
    found = accepted(sent, "fresh", SAID_AT)
    assert fields.misfits(found, ACCEPTED) == []
    assert found == {
        "id": "fresh",
        "event": "go",
        "resolved_identity_type": "external_id",
        "resolved_identity_value": "c-1",
        "occurred_at": "2026-11-22T10:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("identity", "resolved"),
    [
        ({"email": " Ann@Example.COM "}, ("email", "ann@example.com")),
        ({"external_id": " c-1 "}, ("external_id", "c-1")),
        (
            {"contact_id": "6A8B5C1E-4AD2-4B0E-9A10-0D8F3D1A2B3C", "email": "ann@example.com"},
            ("contact_id", "6a8b5c1e-4ad2-4b0e-9a10-0d8f3d1a2b3c"),
        ),
    ],
)
def test_an_identity_is_answered_in_its_normal_form(identity, resolved) -> None:
    """I1: as runs tell it later."""
    sent = EventSubmission(event="go", **identity)
    check_submission(sent)
    found = accepted(sent, "e", SAID_AT)
    assert (found["resolved_identity_type"], found["resolved_identity_value"]) == resolved


@pytest.mark.parametrize(
    ("identity", "field"), [({"email": "ann"}, "email"), ({"external_id": "  "}, "external_id")]
)
def test_what_can_be_no_identity_is_refused(identity, field) -> None:
    with pytest.raises(ProblemsError) as caught:
        check_submission(EventSubmission(event="go", **identity))
    assert [problem.field for problem in caught.value.problems] == [field]


def test_a_replay_says_so() -> None:
    """E4: the same key again is the same event."""
    found = deduplicated("order-1", "go", "2026-11-22T10:00:00.000Z")
    assert fields.misfits(found, ACCEPTED) == []
    assert found == {
        "id": "order-1",
        "event": "go",
        "deduplicated": True,
        "occurred_at": "2026-11-22T10:00:00.000Z",
    }


@pytest.mark.parametrize("name", ["sendrealm.mail.open", "waitline.x", "resend:email.opened", ""])
def test_names_of_the_platform_and_none_are_refused(name) -> None:
    with pytest.raises(ProblemsError) as caught:
        check_submission(EventSubmission(event=name, email="ann@example.com"))
    assert [problem.field for problem in caught.value.problems] == ["event"]


def test_an_event_of_nobody_is_refused() -> None:
    with pytest.raises(ProblemsError, match="no identity is given"):
        check_submission(EventSubmission(event="go"))


@pytest.mark.parametrize(
    "more", [{"contact_id": "x"}, {"email": ""}, {"occurred_at": "2026-01-01T00:00:00"}]
)
def test_what_is_no_identity_or_no_instant_is_refused(more) -> None:
    with pytest.raises(ValidationError):
        EventSubmission(event="go", **more)


# --- envelopes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), envelopes.CODES.items())
def test_an_error_repeats_its_status_and_names_its_code(status, code) -> None:
    found = envelopes.refused(status, "No.")
    assert fields.misfits(found, ERROR) == []
    assert found == {"status": status, "error": {"code": code, "message": "No.", "details": None}}


def test_a_list_says_whether_there_is_more_and_how_to_get_it() -> None:
    assert envelopes.listed([]) == {"data": [], "has_more": False, "next_cursor": None}
    assert envelopes.listed([1], "c") == {"data": [1], "has_more": True, "next_cursor": "c"}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_kind_of_fault_is_said(kind) -> None:
    answer = errors.render(Fault(kind, "No.", field="a", headers={"retry-after": "3"}))
    found = json.loads(answer.body)
    assert fields.misfits(found, ERROR) == []
    assert found["status"] == answer.status_code
    assert found["error"]["details"] == {"field": "a", "fields": {"a": ["No."]}}
    assert answer.headers["retry-after"] == "3"
