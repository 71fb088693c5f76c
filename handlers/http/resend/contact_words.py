"""What requests say of contacts, and the contact events that it means (interface.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator

from state.audience import Subscription

Event = dict[str, object]


class TopicChoice(BaseModel):
    """What a contact chose about a topic."""

    id: UUID
    subscription: Subscription


class SegmentNamed(BaseModel):
    """A segment by its id."""

    id: UUID


def _named(said: Any) -> Any:
    return {"id": said} if isinstance(said, str) else said


class ContactWords(BaseModel):
    """What may be said of a contact; other keys are passed over."""

    first_name: str | None = None
    last_name: str | None = None
    unsubscribed: bool | None = None
    properties: dict[str, Any] | None = None

    def profile(self, *, clears: bool) -> Event:
        """Return the payload of the event; whether null clears a name, or says nothing."""
        payload: Event = {}
        for name in ("first_name", "last_name"):
            value = getattr(self, name)
            if value is not None or (clears and name in self.model_fields_set):
                payload[name] = value
        if self.unsubscribed is not None:
            payload["unsubscribed"] = self.unsubscribed
        if self.properties:
            payload["properties"] = self.properties
        return payload


class NewContact(ContactWords):
    """A contact to be made, or changed if its address is known; `email` is required."""

    email: str | None = None
    segments: list[Annotated[SegmentNamed, BeforeValidator(_named)]] | None = None
    topics: list[TopicChoice] | None = None
    audience_id: UUID | None = None

    def segment_ids(self, audience_id: UUID | None) -> list[UUID]:
        """Return the segments to join, the old `audience_id` with them, each once."""
        old = [one for one in (audience_id, self.audience_id) if one is not None]
        return list(dict.fromkeys([*old, *(one.id for one in self.segments or ())]))


def contact_event(verb: str, who: Mapping[str, object], payload: Mapping[str, object]) -> Event:
    """Return a contact event as the plain form has it."""
    return {"event": f"contact.{verb}", **who, "payload": dict(payload)}


def consent_events(
    who: Mapping[str, object], says: bool | None, *, is_unsubscribed: bool
) -> list[Event]:
    """Return the event that automations listen for when somebody leaves all, or comes back."""
    if says is None or says == is_unsubscribed:
        return []
    return [contact_event("unsubscribed" if says else "subscribed", who, {})]


def topic_events(
    who: Mapping[str, object], choices: Iterable[tuple[str, Subscription]]
) -> Sequence[Event]:
    """Return an event for each choice about a topic, which is named by its key."""
    verbs = {"opt_in": "subscribed", "opt_out": "unsubscribed"}
    return [contact_event(verbs[choice], who, {"topic": key}) for key, choice in choices]
