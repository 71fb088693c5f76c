"""Resend's templates and e-mails, rendered: every key, and what stands for what is not known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import pytest

from handlers.http.fault import Fault
from handlers.http.resend.email_view import LastEvent, email_view
from handlers.http.resend.segments import known_as_audience
from handlers.http.resend.template_view import template_item, template_view
from handlers.http.resend.templates import NewTemplate, TemplateChanges
from handlers.http.translate import fault_of
from state.postgres.audience_changes import StillUsed
from state.postgres.refusals import NotFound
from state.postgres.template_drafts import TemplateRow, WholeTemplate
from tests.kit import email
from tests.unit.http import records

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
TEXT = "2026-10-01 12:00:00.000000+00"
ROW = TemplateRow(UUID(int=1), "receipt", "Receipt", UUID(int=2), None, AT, AT, None)


def said(model: Any) -> dict[str, Any]:
    document: dict[str, Any] = model.model_dump(mode="json", by_alias=True)
    return document


def test_a_template_in_a_list_has_no_texts() -> None:
    assert said(template_item(ROW)) == {
        "id": str(UUID(int=1)),
        "name": "Receipt",
        "alias": "receipt",
        "status": "draft",
        "published_at": None,
        "created_at": TEXT,
        "updated_at": TEXT,
    }


def test_a_bare_template_has_every_key() -> None:
    shown = said(template_view(WholeTemplate(ROW, {}, None)))
    bare = {"from": None, "subject": None, "reply_to": None, "html": "", "text": None}
    assert shown == {
        **said(template_item(ROW)),
        **bare,
        "object": "template",
        "variables": [],
        "current_version_id": str(UUID(int=2)),
        "has_unpublished_versions": True,
    }


def test_a_published_template_shows_its_draft() -> None:
    row = ROW._replace(published_version_id=UUID(int=2), published_at=AT)
    declared = {"key": "PLAN", "type": "string", "fallback_value": "free"}
    draft = {"from": "a@b.co", "reply_to": "c@d.co", "html": "<p/>", "variables": [declared]}
    shown = said(template_view(WholeTemplate(row, draft, {"subject": ""})))
    assert (shown["status"], shown["published_at"]) == ("published", TEXT)
    assert shown["has_unpublished_versions"] is False
    assert (shown["from"], shown["reply_to"]) == ("a@b.co", ["c@d.co"])
    (variable,) = shown["variables"]
    assert variable.items() >= {**declared, "created_at": TEXT, "updated_at": TEXT}.items()
    assert UUID(variable["id"])


def test_of_a_body_what_is_said_counts_and_a_null_name_is_none() -> None:
    raw = {"name": None, "alias": None, "from": "a@b.co", "variables": [{"key": "A", "type": "x"}]}
    changes = TemplateChanges.model_validate({**raw, "id": "ignored"})
    assert changes.said() == {key: raw[key] for key in ("alias", "from", "variables")}
    assert NewTemplate.model_validate({"name": "x"}).said() == {"name": "x"}


# --- e-mails --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", records.RECORDS)
def test_every_email_of_every_record_can_be_shown(name: str) -> None:
    record = records.RECORDS[name]()
    for message in record["messages"]:
        view = email_view(record, message["id"])
        assert (view is None) == (message["channel"] != "email")
        if view is not None:
            shown = said(view)
            assert (shown["id"], shown["to"]) == (message["id"], ["ann@example.com"])
            assert (shown["html"], shown["text"], shown["bcc"], shown["cc"]) == (None,) * 4
            assert isinstance(shown["subject"], str)
            assert isinstance(shown["from"], str)
    assert email_view(record, str(UUID(int=77))) is None


def test_an_email_is_from_whom_its_step_says() -> None:
    step = email("send_receipt")
    step["config"] |= {"from": "Ann <a@b.co>", "reply_to": "c@d.co"}
    document = records.line(step)
    record = records.record_of(records.started(document), records.message("send_receipt"))
    view = email_view(record, str(records.EMAIL_ID))
    assert view is not None
    shown = said(view)
    assert (shown["from"], shown["reply_to"]) == ("Ann <a@b.co>", ["c@d.co"])
    assert shown["created_at"] == "2026-06-08 14:15:01.000000+00"
    assert (shown["run_id"], shown["step_key"]) == (record["id"], "send_receipt")


@pytest.mark.parametrize(
    ("status", "heard", "code", "last_event"),
    [
        ("queued", None, None, "queued"),
        ("sending", None, None, "queued"),
        ("sent", None, None, "sent"),
        ("unknown", None, None, "sent"),
        ("failed", None, "send_failed", "failed"),
        ("skipped", None, "unsubscribed", "canceled"),
        ("skipped", None, "suppressed", "suppressed"),
        ("sent", "resend:email.opened", None, "opened"),
        ("sent", "email.delivery_delayed", None, "delivery_delayed"),
        ("sent", "sendrealm.mail.click", None, "clicked"),
        ("sent", "letter.burnt", None, "sent"),
    ],
)
def test_the_last_event_is_one_that_clients_know(
    status: str, heard: str | None, code: str | None, last_event: str
) -> None:
    error = None if code is None else {"code": code, "message": "why"}
    message = records.message("send_receipt", status, last_event=heard, error=error)
    view = email_view(records.record_of(records.started(), message), str(records.EMAIL_ID))
    assert view is not None
    assert view.last_event == last_event
    assert last_event in get_args(LastEvent)


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_segment_is_not_found_by_its_old_name() -> None:
    with pytest.raises(Fault, match=r"^Audience not found$"), known_as_audience():
        raise NotFound("segment", UUID(int=1))


def test_what_is_used_says_by_whom() -> None:
    fault = fault_of(StillUsed(["Welcome", "Receipt"]))
    assert fault.kind == "conflict"
    assert '"Welcome", "Receipt"' in fault.message
