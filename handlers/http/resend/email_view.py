"""E-mails as Resend shows them, drawn from the record of the run that sent them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from handlers.http.resend.instants import instant

LastEvent = Literal[
    "bounced",
    "canceled",
    "clicked",
    "complained",
    "delivered",
    "delivery_delayed",
    "failed",
    "opened",
    "queued",
    "scheduled",
    "sent",
    "suppressed",
]

#: Before anything is heard of it: what it is. One whose answer was lost was handed over, at least.
_BY_STATUS: Mapping[str, LastEvent] = {
    "queued": "queued",
    "sending": "queued",
    "sent": "sent",
    "unknown": "sent",
    "failed": "failed",
    "skipped": "canceled",
}

#: The last words of events that other vendors send of an e-mail.
_ALIKE: Mapping[str, LastEvent] = {
    "send": "sent",
    "delivery": "delivered",
    "open": "opened",
    "click": "clicked",
    "bounce": "bounced",
    "complaint": "complained",
}


class EmailView(BaseModel):
    """An e-mail; its texts are not kept, and all from `status` on is beyond Resend."""

    model_config = ConfigDict(populate_by_name=True)

    object: Literal["email"] = "email"
    id: UUID
    message_id: str
    to: list[str]
    sender: str = Field(
        alias="from", description="Empty where neither the step nor its template says it."
    )
    created_at: str
    subject: str
    html: str | None
    text: str | None
    bcc: list[str] | None
    cc: list[str] | None
    reply_to: list[str] | None
    last_event: LastEvent
    scheduled_at: str | None
    tags: list[dict[str, str]]
    status: str
    error: dict[str, Any] | None
    automation_id: UUID
    run_id: UUID
    step_key: str


def email_view(record: Mapping[str, Any], email_id: str) -> EmailView | None:
    """Return the e-mail of this id that a run's record tells of, None if it tells of none."""
    for message in record["messages"]:
        if message["id"] == email_id and message["channel"] == "email":
            return _view(record, message)
    return None


def _view(record: Mapping[str, Any], message: Mapping[str, Any]) -> EmailView:
    said = _said_by_step(record, message["step_key"])
    reply_to = said.get("reply_to")
    return EmailView(
        id=UUID(message["id"]),
        message_id=message["id"],
        to=[message["to"]],
        sender=said.get("from") or "",
        created_at=instant(message["created_at"]),
        subject=message["subject"] or "",
        html=None,
        text=None,
        bcc=None,
        cc=None,
        reply_to=None if reply_to is None else [reply_to],
        last_event=_last_event(message),
        scheduled_at=None,
        tags=[],
        status=message["status"],
        error=message["error"],
        automation_id=record["automation_id"],
        run_id=record["id"],
        step_key=message["step_key"],
    )


def _said_by_step(record: Mapping[str, Any], step_key: str) -> Mapping[str, Any]:
    """Return what the step was given to send; nothing is known of one that the run has left."""
    found = [step["input"] for step in record["steps"] if step["key"] == step_key]
    return (found and found[0]) or {}


def _last_event(message: Mapping[str, Any]) -> LastEvent:
    heard = (message["last_event"] or "").replace(":", ".").rpartition(".")[2]
    known = _ALIKE.get(heard, heard)
    if known in get_args(LastEvent):
        return cast("LastEvent", known)
    error = message["error"] or {}
    if message["status"] == "skipped" and error.get("code") == "suppressed":
        return "suppressed"
    return _BY_STATUS[message["status"]]
