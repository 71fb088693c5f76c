"""Sendrealm's run documents: every field by the table, and what its words mean."""

import pytest

from handlers.http.sendrealm import documents
from handlers.http.sendrealm.runs import run_detail, run_item
from tests.unit.http import fields, records

_HEAD = """
id                                        uuid    always    seed
automation_id                             uuid    always    seed
automation_version_id                     uuid    always    ours
trigger_event_name                        text    always    seed
resolved_identity_type                    text    always    seed
resolved_identity_value                   text    always    seed
status                                    text    always    seed
last_error                                text    nullable  ours
created_at                                moment  always    ours
started_at                                moment  nullable  ours
completed_at                              moment  nullable  ours
updated_at                                moment  always    ours
trigger_event                             object  always    seed
trigger_event.id                          text    always    seed
trigger_event.event_name                  text    always    seed
trigger_event.occurred_at                 moment  always    seed
"""
_WAIT = """
{at}.id                                   uuid    always    seed
{at}.step_id                              uuid    always    seed
{at}.step_key                             text    always    seed
{at}.step_type                            text    always    seed
{at}.waiting_for_event_name               text    always    seed
{at}.status                               text    always    seed
{at}.resolved_identity_value              text    always    seed
{at}.timeout_at                           moment  nullable  seed
{at}.resumed_at                           moment  nullable  seed
{at}.timed_out_at                         moment  nullable  seed
{at}.outcome_branch                       text    nullable  seed
{at}.resumed_by_event                     object  omitted   seed
{at}.resumed_by_event.id                  text    always    seed
{at}.resumed_by_event.event_name          text    always    seed
{at}.resumed_by_event.occurred_at         moment  always    seed
"""
_MESSAGE = """
{at}.id                                   uuid    always    seed
{at}.{headline}                           text    nullable  seed
{at}.status                               text    always    seed
{at}.last_event                           text    nullable  seed
{at}.template_version_id                  text    nullable  seed
{at}.created_at                           moment  always    seed
{at}.{owner}
"""
_LINKED, _SENT = "contact_id uuid always seed", "automation_step_key text always seed"


def _messages(at: str, headline: str, owner: str) -> str:
    return _MESSAGE.format(at=at, headline=headline, owner=owner).strip()


RUN_ITEM = fields.table(_HEAD)
RUN_DETAIL = fields.table(
    "\n".join(
        part.strip()
        for part in (
            _HEAD,
            """
trigger_event.payload                     object  always    seed
steps[]                                   list    always    seed
steps[].id                                uuid    always    seed
steps[].step_key                          text    always    seed
steps[].step_type                         text    always    seed
steps[].status                            text    always    seed
steps[].started_at                        moment  nullable  ours
steps[].completed_at                      moment  nullable  ours
steps[].branch_taken                      text    omitted   seed
steps[].last_error                        text    omitted   ours
steps[].linked_emails[]                   list    omitted   seed
steps[].linked_push_notifications[]       list    omitted   seed
steps[].waits[]                           list    omitted   seed
waits[]                                   list    always    seed
sent_emails[]                             list    always    seed
sent_push_notifications[]                 list    always    seed
""",
            _WAIT.format(at="steps[].waits[]"),
            _WAIT.format(at="waits[]"),
            _messages("steps[].linked_emails[]", "subject", _LINKED),
            _messages("steps[].linked_push_notifications[]", "title", _LINKED),
            _messages("sent_emails[]", "subject", _SENT),
            _messages("sent_push_notifications[]", "title", _SENT),
        )
    )
)
TABLES = [
    pytest.param(documents.RunDetail, RUN_DETAIL, id="detail"),
    pytest.param(documents.RunItem, RUN_ITEM, id="item"),
]

#: Null by the contract, and always known here: a run and a step are recorded when they begin.
NEVER_NULL = {"started_at", "steps[].started_at"}


@pytest.mark.parametrize(("model", "rows"), TABLES)
def test_the_models_have_the_fields_of_the_table_and_no_others(model, rows) -> None:
    assert sorted(fields.schema_fields(model)) == sorted(row.path for row in rows)


@pytest.mark.parametrize(
    ("model", "row"),
    [
        pytest.param(model, row, id=f"{model.__name__}.{row.path}")
        for model, rows in ((documents.RunDetail, RUN_DETAIL), (documents.RunItem, RUN_ITEM))
        for row in rows
    ],
)
def test_each_field_is_of_the_type_and_presence_of_the_table(model, row) -> None:
    assert fields.schema_misfits(row, fields.schema_fields(model)[row.path]) == []


@pytest.mark.parametrize("name", records.RECORDS)
def test_each_kind_of_run_is_rendered_as_the_table_says(name) -> None:
    """R4: what a run was and did is there in every state of it."""
    record = records.RECORDS[name]()
    assert fields.misfits(run_detail(record), RUN_DETAIL) == []
    assert fields.misfits(run_item(record), RUN_ITEM) == []


@pytest.mark.parametrize("row", RUN_DETAIL, ids=lambda row: row.path)
def test_what_may_be_null_or_left_out_is_so_somewhere_and_elsewhere_not(row) -> None:
    rendered = [run_detail(made()) for made in records.RECORDS.values()]
    wanted = {"there"} if row.path in NEVER_NULL else fields.WITNESSED[row.presence]
    assert fields.witnesses(rendered, row) == wanted


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "step_statuses", "branches"),
    [
        ("sending", "running", ["running"], []),
        ("waiting", "waiting", ["completed", "waiting"], []),
        ("timed_out", "running", ["completed", "completed", "running"], ["timeout"]),
        ("exited", "completed", ["running"], []),
        ("exited_waiting", "completed", ["completed", "skipped"], []),
        ("failed", "failed", ["failed"], []),
        ("judged", "waiting", ["completed", "completed", "waiting"], ["true"]),
    ],
)
def test_statuses_and_branches_are_in_their_words(name, status, step_statuses, branches) -> None:
    """R1: statuses are derived from the record, by one table."""
    found = run_detail(records.RECORDS[name]())
    assert found["status"] == status
    assert [step["status"] for step in found["steps"]] == step_statuses
    taken = [step["branch_taken"] for step in found["steps"] if "branch_taken" in step]
    assert taken == branches


def test_a_wait_that_ran_out_says_when_and_by_which_branch() -> None:
    """W8: the outcome of a wait is on the run."""
    (waited,) = run_detail(records.timed_out())["waits"]
    assert (waited["status"], waited["outcome_branch"]) == ("timed_out", "timeout")
    assert waited["timed_out_at"] == "2026-06-08T14:46:00.000Z"
    assert waited["resumed_at"] is None
    assert "resumed_by_event" not in waited


def test_a_wait_that_its_run_ended_with_is_cancelled() -> None:
    """W8: neither received nor timed out."""
    (waited,) = run_detail(records.exited_waiting())["waits"]
    assert (waited["status"], waited["outcome_branch"]) == ("cancelled", None)
    assert (waited["resumed_at"], waited["timed_out_at"]) == (None, None)


def test_a_wait_for_several_events_names_them_all_and_has_no_end() -> None:
    """W7: one wait with arms."""
    (waited,) = run_detail(records.waiting_for_several())["waits"]
    assert waited["waiting_for_event_name"] == "left, paid"
    assert waited["timeout_at"] is None


def test_a_failure_is_told_on_the_run_and_on_the_step() -> None:
    """F5: the text of the error, in both places."""
    found = run_detail(records.failed())
    assert found["last_error"] == found["steps"][-1]["last_error"]
    assert "event.total" in found["last_error"]


@pytest.mark.parametrize(
    ("status", "heard", "shown"),
    [
        ("queued", None, ("queued", None)),
        ("sending", None, ("queued", None)),
        ("sent", None, ("sent", "send")),
        ("sent", "sendrealm.mail.delivery", ("sent", "delivery")),
        ("sent", "email.opened", ("sent", "open")),
        ("sent", "resend:email.clicked", ("sent", "click")),
        ("failed", "email.bounced", ("failed", "bounce")),
        ("skipped", None, ("skipped", None)),
        ("unknown", None, ("unknown", None)),
    ],
)
def test_a_message_says_what_became_of_it_and_what_was_last_heard(status, heard, shown) -> None:
    """F3: a message whose answer was lost says so."""
    sent = records.message("send_receipt", status, last_event=heard)
    (found,) = run_detail(records.record_of(records.started(), sent))["sent_emails"]
    assert (found["status"], found["last_event"]) == shown


def test_ids_of_steps_and_waits_are_the_same_on_every_reading() -> None:
    assert run_detail(records.waiting())["steps"] == run_detail(records.waiting())["steps"]
    first, second = run_detail(records.waiting())["steps"]
    assert first["id"] != second["id"]
    assert second["waits"][0]["step_id"] == second["id"]


def test_a_list_shows_a_run_without_what_it_did() -> None:
    scene = records.completed_scene()
    assert run_item(records.summary_of(scene)) == run_item(records.record_of(scene))
    assert "payload" not in run_item(records.summary_of(scene))["trigger_event"]
