"""`POST /events/send`: an event onto Kafka, acknowledged by all replicas before it is accepted."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import BaseModel

from handlers.http.bearer import allow
from handlers.http.fault import Fault
from handlers.http.resend.errors import ERRORS
from handlers.http.sent_about import fitting_payload, require_contact
from handlers.http.services import Given
from handlers.publishing.event_schema import parse_event_name
from state.identifier import is_email_address

router = APIRouter(prefix="/events", tags=["Events"], responses=ERRORS)

#: How long an idempotency key may be; an event's id is one character shorter at most.
KEY_MAX = 256


class SendEvent(BaseModel):
    """An event about one person: exactly one of `contact_id` and `email` says who."""

    event: str
    contact_id: UUID | None = None
    email: str | None = None
    payload: dict[str, Any] | None = None


class EventSent(BaseModel):
    """The event is on Kafka; `id` is beyond Resend: `waitline explain ID` tells what it did."""

    object: Literal["event"] = "event"
    event: str
    id: str


@router.post("/send", status_code=202, dependencies=[allow("send")])
async def send_event(
    given: Given,
    said: SendEvent,
    idempotency_key: Annotated[
        str | None, Header(description="Becomes the event's id: sent twice, it counts once.")
    ] = None,
) -> EventSent:
    """Send an event: it starts the automations it triggers, and resumes runs that wait for it."""
    _check(said)
    payload = await fitting_payload(given, said.event, said.payload or {})
    if said.contact_id is not None:
        await require_contact(given, said.contact_id)
    document = {
        "event": said.event,
        "payload": payload,
        "contact_id": None if said.contact_id is None else str(said.contact_id),
        "email": said.email,
        "id": None if idempotency_key is None else _event_id(idempotency_key),
    }
    there = {name: value for name, value in document.items() if value is not None}
    return EventSent(event=said.event, id=await given.publish(there))


def _check(said: SendEvent) -> None:
    parse_event_name(said.event)
    if said.contact_id is None and said.email is None:
        raise Fault("field_missing", "Missing `contact_id` or `email` field.", field="email")
    if said.contact_id is not None and said.email is not None:
        raise Fault("field_invalid", "Only one of `contact_id` and `email` may be given")
    if said.email is not None and not is_email_address(said.email.strip()):
        raise Fault("field_invalid", "`email`: this is no e-mail address", field="email")


def _event_id(key: str) -> str:
    if not 1 <= len(key) <= KEY_MAX:
        raise Fault(
            "idempotency_key_invalid", f"The idempotency key must have 1 to {KEY_MAX} characters"
        )
    return key if len(key) < KEY_MAX else hashlib.sha256(key.encode()).hexdigest()
