"""Events as Sendrealm's clients send them, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from handlers.http.rendering import Document, Moment, milliseconds, omitted
from state.identifier import is_email_address, normalise
from state.moment import moment_text
from state.name import parse_name
from state.problem import Collector

#: The identities an event may have, the first one that is given counts.
IDENTITIES = ("contact_id", "external_id", "email")

#: Names beginning so are the platform's own; producers may not send them.
RESERVED = ("sendrealm.", "waitline.", "resend:")


class EventSubmission(BaseModel):
    """The body of `POST /events`."""

    event: str
    contact_id: UUID | None = None
    external_id: str | None = Field(default=None, min_length=1, max_length=512)
    email: str | None = Field(default=None, min_length=1, max_length=512)
    payload: dict[str, Any] | None = None
    occurred_at: AwareDatetime | None = None
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=255)

    @property
    def identities(self) -> dict[str, str]:
        """Return what was given to know the contact by, strongest first."""
        given = {kind: getattr(self, kind) for kind in IDENTITIES}
        return {kind: str(value) for kind, value in given.items() if value is not None}

    @property
    def resolved(self) -> tuple[str, str]:
        """Return the strongest identity that was given, in its normal form.

        Whom it leads to is decided in the event's order.
        """
        kind, value = next(iter(self.identities.items()))
        return kind, normalise(kind, value)


class AcceptedEvent(Document):
    """A new event (202), or one that was sent before under the same key (200, `deduplicated`)."""

    id: str
    event: str
    occurred_at: Moment
    resolved_identity_type: str = omitted()
    resolved_identity_value: str = omitted()
    deduplicated: bool = omitted()


def check_submission(sent: EventSubmission) -> None:
    """Refuse a name that may not be sent, and an event of nobody.

    Raises:
        ProblemsError: says everything that is wrong.
    """
    found = Collector()
    found.attempt("event", parse_name, sent.event)
    if sent.event.lower().startswith(RESERVED):
        fix = "name it after what your system did, such as `order.completed`"
        found.refuse("event", f'"{sent.event}" is a name of the platform\'s own', fix)
    if sent.email is not None and not is_email_address(sent.email.strip()):
        found.refuse("email", "this is no e-mail address", "write one such as ann@example.com")
    if sent.external_id is not None and not sent.external_id.strip():
        found.refuse("external_id", "is empty", "write how your own system knows the contact")
    if not sent.identities:
        found.refuse("contact_id", "no identity is given", f"send one of {', '.join(IDENTITIES)}")
    found.check()


def event_record(sent: EventSubmission, payload: Mapping[str, object]) -> dict[str, Any]:
    """Return the event as it is published; the idempotency key is its id, if there is one."""
    record: dict[str, Any] = {
        "event": sent.event,
        **sent.identities,
        "payload": payload,
    }
    if sent.idempotency_key is not None:
        record["id"] = sent.idempotency_key
    if sent.occurred_at is not None:
        record["occurred_at"] = moment_text(sent.occurred_at)
    return record


def accepted(sent: EventSubmission, event_id: str, sent_at: str) -> dict[str, Any]:
    """Return the answer to a new event, published under this id at `sent_at`."""
    kind, value = sent.resolved
    occurred_at = sent_at if sent.occurred_at is None else moment_text(sent.occurred_at)
    return AcceptedEvent.model_validate(
        {
            "id": event_id,
            "event": sent.event,
            "resolved_identity_type": kind,
            "resolved_identity_value": value,
            "occurred_at": milliseconds(occurred_at),
        }
    ).rendered()


def deduplicated(event_id: str, name: str, occurred_at: str) -> dict[str, Any]:
    """Return the answer to an event that was sent before, with milliseconds, by the same key."""
    return AcceptedEvent.model_validate(
        {"id": event_id, "event": name, "deduplicated": True, "occurred_at": occurred_at}
    ).rendered()
