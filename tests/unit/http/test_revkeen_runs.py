"""RevKeen's run documents: every field by the table, and what its words mean."""

from collections.abc import Mapping

import pytest

from handlers.http.revkeen import documents
from handlers.http.revkeen.runs import run_detail, run_item, run_queued
from handlers.http.revkeen.words import manual_event
from state.ids import name_uuid
from state.postgres.automations import AutomationRow
from tests.kit import automation_id, email, line, stored_version, trigger
from tests.unit.http import fields, records

RUN_ITEM = fields.table(
    """
id                              uuid              always    seed
object                          "automation_run"  always    seed
automation_id                   uuid              always    seed
automation_name                 text              always    seed
status                          text              always    seed
trigger_source                  text              always    seed
summary                         text              null      seed
error_message                   text              nullable  seed
created_at                      moment            always    seed
started_at                      moment            nullable  seed
completed_at                    moment            nullable  seed
"""
)
RUN_DETAIL = [
    *RUN_ITEM,
    *fields.table(
        """
automation_version_id           uuid              always    seed
thread_id                       uuid              null      seed
trigger_payload                 json              always    seed
version                         object            always    seed
version.id                      uuid              always    seed
version.version                 integer           always    seed
version.objective               text              nullable  seed
automation                      object            always    seed
automation.id                   uuid              always    seed
automation.name                 text              always    seed
automation.status               text              always    seed
automation.trigger_type         text              always    seed
automation.risk_profile         text              always    seed
steps[]                         list              always    seed
steps[].id                      uuid              always    seed
steps[].step_index              integer           always    seed
steps[].step_type               text              always    seed
steps[].name                    text              always    seed
steps[].status                  text              always    seed
steps[].input_json              json              always    seed
steps[].output_json             json              always    seed
steps[].duration_ms             integer           nullable  seed
steps[].created_at              moment            always    seed
approvals[]                     list              always    seed
approvals[].id                  uuid              always    seed
approvals[].status              text              always    seed
approvals[].action_summary      text              always    seed
approvals[].actions_json        json              always    seed
approvals[].approved_by_user_id uuid              nullable  seed
approvals[].approved_at         moment            nullable  seed
approvals[].rejection_reason    text              nullable  seed
approvals[].created_at          moment            always    seed
approvals[].updated_at          moment            always    seed
notifications[]                 list              always    seed
notifications[].id              uuid              always    seed
notifications[].type            text              always    seed
notifications[].priority        text              always    seed
notifications[].message         text              always    seed
notifications[].payload_json    json              always    seed
notifications[].delivered_at    moment            nullable  seed
notifications[].created_at      moment            always    seed
"""
    ),
]
RUN_QUEUED = fields.table(
    """
id                              uuid              always    docs
object                          "automation_run"  always    docs
status                          text              always    docs
automation_id                   uuid              always    docs
job_id                          text              always    docs
"""
)
APPROVAL_ITEM = fields.table(
    """
id                              uuid              always    docs
object                     "automation_approval"  always    docs
run_id                          uuid              always    docs
automation_id                   uuid              always    docs
automation_name                 text              always    docs
run_status                      text              always    docs
trigger_source                  text              always    docs
status                          text              always    docs
action_summary                  text              always    docs
actions_json                    json              always    docs
approved_by_user_id             uuid              nullable  docs
approved_at                     moment            nullable  docs
rejection_reason                text              nullable  docs
created_at                      moment            always    docs
updated_at                      moment            always    docs
"""
)
APPROVAL_DECISION = fields.table(
    """
approval_id                     uuid              always    docs
run_id                          uuid              always    docs
status                          text              always    docs
"""
)
TABLES = [
    (documents.ApprovalDecision, APPROVAL_DECISION),
    (documents.RunDetail, RUN_DETAIL),
    (documents.RunItem, RUN_ITEM),
    (documents.RunQueued, RUN_QUEUED),
    (documents.ApprovalItem, APPROVAL_ITEM),
]

#: Null by the contract, and always known here: a run is recorded when it begins.
NEVER_NULL = {"started_at"}


AUTOMATION = AutomationRow(
    automation_id=automation_id(),
    name="A",
    is_enabled=True,
    enabled_at=records.AT,
    current_version=1,
    created_at=records.AT,
    updated_at=records.AT,
)


def definition(**annotations: object) -> Mapping[str, object]:
    noted = {"annotations": {"revkeen": annotations}} if annotations else {}
    return stored_version({**records.JOURNEY, **noted}).definition


def detail(record: records.Record, **annotations: object) -> dict[str, object]:
    return run_detail(record, AUTOMATION, definition(**annotations))


def details() -> list[dict[str, object]]:
    described = detail(records.completed(), objective="Thank who opened")
    return [described, *(detail(made()) for made in records.RECORDS.values())]


@pytest.mark.parametrize(("model", "rows"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_the_models_have_the_fields_of_the_table_and_no_others(model, rows) -> None:
    assert sorted(fields.schema_fields(model)) == sorted(row.path for row in rows)


@pytest.mark.parametrize(
    ("model", "row"),
    [
        pytest.param(model, row, id=f"{model.__name__}.{row.path}")
        for model, rows in TABLES
        for row in rows
    ],
)
def test_each_field_is_of_the_type_and_presence_of_the_table(model, row) -> None:
    assert fields.schema_misfits(row, fields.schema_fields(model)[row.path]) == []


@pytest.mark.parametrize("name", records.RECORDS)
def test_each_kind_of_run_is_rendered_as_the_table_says(name) -> None:
    """R4: what a run was and did is there in every state of it."""
    record = records.RECORDS[name]()
    assert fields.misfits(detail(record), RUN_DETAIL) == []
    assert fields.misfits(run_item(record), RUN_ITEM) == []


@pytest.mark.parametrize(
    "row", [row for row in RUN_DETAIL if row.type != "json"], ids=lambda row: row.path
)
def test_what_may_be_null_is_so_somewhere_and_elsewhere_not(row) -> None:
    if row.parent in ("approvals[]", "notifications[]"):
        wanted: set[str] = set()
    elif row.path in NEVER_NULL:
        wanted = {"there"}
    else:
        wanted = fields.WITNESSED[row.presence]
    assert fields.witnesses(details(), row) == wanted


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "step_statuses"),
    [
        ("sending", "running", ["running"]),
        ("waiting", "running", ["completed", "waiting"]),
        ("exited_waiting", "completed", ["completed", "skipped"]),
        ("failed", "failed", ["failed"]),
        ("judged", "running", ["completed", "completed", "waiting"]),
    ],
)
def test_statuses_are_in_their_words(name, status, step_statuses) -> None:
    """R1: statuses are derived from the record, by one table."""
    found = detail(records.RECORDS[name]())
    assert found["status"] == status
    assert [step["status"] for step in found["steps"]] == step_statuses


def test_a_step_says_how_long_it_took() -> None:
    found = detail(records.completed())
    assert [step["duration_ms"] for step in found["steps"]] == [0, 90_000, 0]


def test_a_failure_is_told_by_the_run_s_message() -> None:
    """F5: steps have no error of their own here."""
    found = run_item(records.failed())
    assert "event.total" in str(found["error_message"])


def test_a_run_that_was_started_by_hand_says_so() -> None:
    document = line(email("send_receipt"), on=trigger(manual_event("A")))
    assert run_item(records.record_of(records.started(document)))["trigger_source"] == "manual"


def test_a_list_shows_a_run_without_what_it_did() -> None:
    scene = records.completed_scene()
    assert run_item(records.summary_of(scene)) == run_item(records.record_of(scene))


def test_a_manual_run_is_queued_under_the_id_it_will_have() -> None:
    run_id = name_uuid(automation_id(), "run")
    found = run_queued(run_id, automation_id(), "evt-1")
    assert fields.misfits(found, RUN_QUEUED) == []
    assert (found["id"], found["status"], found["job_id"]) == (str(run_id), "queued", "evt-1")
