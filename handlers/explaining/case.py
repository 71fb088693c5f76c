"""One event's case: all that is known of it, and how that is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from handlers.explaining.hindsight import RunView
from state.contact import contact_uuid
from state.event import Coordinates, Event
from state.moment import moment_text, optional_moment_text
from state.reading import EventRow, Found, QuarantineRow, Traces

Document = dict[str, Any]


class Case(Struct, frozen=True):
    """All that is known when an event is explained.

    `asked` is the id or the place as it was asked for, `at` the place. `runs` are those that the
    findings name, those that found the event by look-back, and the contact's newest; `names` are
    all names seen, `stopped` the stopped automations that would listen to the event;
    `contact` is what `contact.*` reads as of now.
    """

    asked: str
    at: Coordinates | None
    traces: Traces
    found: Found | None = None
    runs: Mapping[UUID, RunView] = field(default_factory=dict)
    automations: Mapping[UUID, str] = field(default_factory=dict)
    interest_since: Mapping[str, datetime] = field(default_factory=dict)
    names: Sequence[str] = ()
    stopped: Sequence[str] = ()
    contact: Mapping[str, object] = field(default_factory=dict)
    searched: Sequence[str] = ()

    @property
    def event(self) -> EventRow | None:
        """Return the stored event, if there is one: the one that counted."""
        return next(iter(self.traces.events), None)


def event_document(case: Case) -> Document | None:
    """Return the event as far as it is known: stored, set aside, or in Kafka only."""
    if case.event is not None:
        stored = _stored_event(case.event)
        return stored | (case.at._asdict() if case.at is not None else {})
    if case.traces.quarantined:
        return _quarantined_event(case.traces.quarantined[0])
    decoded = None if case.found is None else case.found.decoded
    if isinstance(decoded, Event):
        return _known_event(decoded, {"processed_at": None})
    if decoded is not None:
        return _placed(None, decoded.recorded_at, decoded.coordinates)
    if case.traces.notes:
        note = case.traces.notes[0]
        return _placed(note.event_id, None, note.coordinates)
    return None


def _stored_event(event: EventRow) -> Document:
    verdict = {"verdict_time": moment_text(event.v), "skewed": event.is_skewed}
    return _known_event(event, {"processed_at": moment_text(event.processed_at), **verdict})


def _known_event(event: EventRow | Event, processed: Document) -> Document:
    """Return what was said in an event; `processed` says what became of it."""
    return {
        "id": event.id,
        "event": event.name,
        "source": event.source,
        "occurred_at": moment_text(event.occurred_at),
        "recorded_at": moment_text(event.recorded_at),
        **processed,
        **event.coordinates._asdict(),
        "identifiers": dict(event.identifiers),
        "payload": event.payload,
    }


def _quarantined_event(row: QuarantineRow) -> Document:
    return _placed(row.event_id, row.recorded_at, row.coordinates)


def _placed(event_id: str | None, at: datetime | None, place: Coordinates) -> Document:
    """Return what is known of a record of which only the place is certain."""
    return {
        "id": event_id,
        "event": None,
        "recorded_at": optional_moment_text(at),
        **place._asdict(),
    }


def identity_document(case: Case) -> Document | None:
    """Return whom the event was found to be about, and what became of who is who (I2, I4)."""
    event = case.event
    notes = [
        {"verdict": note.verdict, "reason": note.reason, "contact_id": _public(note.contact_id)}
        for note in case.traces.notes
    ]
    if event is not None:
        return {
            "contact_id": _public(event.contact_id),
            "resolved_identity_type": event.resolved.kind,
            "resolved_identity_value": event.resolved.value,
            "path": event.resolved.path,
            "notes": notes,
        }
    if not notes:
        return None
    return {"contact_id": notes[0]["contact_id"], "notes": notes}


def _public(contact_id: int) -> str:
    return str(contact_uuid(contact_id))


def winner_document(case: Case) -> Document | None:
    """Return where the event stands that counted, for a record that was dropped or conflicts."""
    for duplicate in case.traces.duplicates:
        return dict(duplicate.winner._asdict())
    is_conflict = any(row.winner for row in case.traces.quarantined)
    if is_conflict and case.event is not None:
        return dict(case.event.coordinates._asdict())
    return None


def record_documents(case: Case) -> Iterator[Document]:
    """Yield every record that bears on the question, each with its own verdict."""
    for event in case.traces.events:
        yield {**event.coordinates._asdict(), "verdict": "stored", "reason": None}
    for duplicate in case.traces.duplicates:
        reason = f"the same event was stored before, from {duplicate.winner}"
        yield {**duplicate.coordinates._asdict(), "verdict": "duplicate", "reason": reason}
    for row in case.traces.quarantined:
        yield {
            **row.coordinates._asdict(),
            "verdict": "quarantined",
            "reason": row.reason,
            "detail": row.detail,
            "fingerprint": row.fingerprint,
        }
