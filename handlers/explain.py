"""What became of an event, and why: judged from what is stored of it (rule O3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from handlers.considered import NOTHING, Considered, consider, not_enabled
from handlers.hindsight import RunView
from handlers.story import Story, tell
from state.contact import Contact, contact_uuid
from state.event import Coordinates, Event, Rejected, Tombstone
from state.moment import moment_text
from state.reading import EventRow, Found, QuarantineRow, Traces

Document = dict[str, Any]

#: Refusals, the most telling first: those that came nearest to doing something.
_REFUSALS = (
    "not_delivered",
    "late_arrival",
    "after_deadline",
    "already_closed",
    "capped",
    "key_active",
    "key_absent",
    "reentry_too_soon",
    "one_active",
    "once",
    "filter_false",
    "before_window",
    "too_old",
    "before_enabled",
    "stopped",
)

_DOING = ("resumed", "started", "exited")


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known when an event is explained.

    `asked` is the id or the place as it was asked for, `at` the place. `runs` are those that the
    findings name, those that found the event by look-back, and the contact's newest; `names` are
    all names seen, `stopped` the stopped automations that would listen to the event.
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
    contact: Contact | None = None
    searched: Sequence[str] = ()

    @property
    def event(self) -> EventRow | None:
        """Return the stored event, if there is one: the one that counted."""
        return next(iter(self.traces.events), None)


def explain(case: Case) -> Document:
    """Return the explanation of an event as a document (interface.md, `explain --json`)."""
    considered = _considered(case)
    verdict = _verdict(case, considered)
    told = tell(_story(case, considered, verdict))
    return {
        "event": _event(case),
        "verdict": verdict,
        "identity": _identity(case),
        "automations": considered.automations,
        "waits": considered.waits,
        "exits": considered.exits,
        "reason": told.reason,
        "advice": told.advice,
        "winner": _winner(case),
        "records": list(_records(case)),
    }


def _considered(case: Case) -> Considered:
    """Return what the event was held against; a dropped record was held against nothing."""
    event = case.event
    if event is None and _is_stopped(case):
        return Considered([not_enabled(name) for name in case.stopped], [], [])
    if event is None or (case.at is not None and event.coordinates != case.at):
        return NOTHING
    return consider(event, case.runs, case.automations, case.contact)


def _verdict(case: Case, considered: Considered) -> str:
    traces = case.traces
    if traces.quarantined:
        return "quarantined"
    if traces.duplicates:
        return "duplicate"
    if traces.events:
        return _verdict_of_stored(case, considered)
    if case.found is not None and case.found.decoded is not None:
        return _verdict_of_found(case, case.found)
    if traces.notes:
        return traces.notes[0].verdict
    return "never_seen"


def _verdict_of_stored(case: Case, considered: Considered) -> str:
    verdicts = {entry["verdict"] for entry in considered.all()}
    notes = [note.verdict for note in case.traces.notes]
    did = next((verdict for verdict in _DOING if verdict in verdicts), None)
    blocked = "merge_blocked" if "merge_blocked" in notes else None
    refused = next((verdict for verdict in _REFUSALS if verdict in verdicts), None)
    return did or blocked or refused or next(iter(notes), "no_open_wait")


def _verdict_of_found(case: Case, found: Found) -> str:
    """Judge a record that Kafka holds and the tables do not know."""
    decoded = found.decoded
    assert decoded is not None
    if not _is_processed(found, decoded.coordinates):
        return "not_processed"
    match decoded:
        case Tombstone():
            return "tombstone"
        case Rejected():
            return "quarantined"
        case Event(is_contact_event=True):
            return "applied"
        case Event():
            return "stopped" if _is_stopped(case) else "unclaimed"


def _is_stopped(case: Case) -> bool:
    """Tell an event that was not kept because only stopped automations would have used it (E7)."""
    decoded = None if case.found is None else case.found.decoded
    if case.found is None or not isinstance(decoded, Event):
        return False
    is_unused = decoded.name not in case.interest_since and not decoded.is_contact_event
    return bool(case.stopped) and is_unused and _is_processed(case.found, decoded.coordinates)


def _is_processed(found: Found, at: Coordinates) -> bool:
    position = found.position
    return (
        position is not None
        and position.next_offset is not None
        and at.offset < position.next_offset
    )


def _story(case: Case, considered: Considered, verdict: str) -> Story:
    decoded = None if case.found is None else case.found.decoded
    name = case.event.name if case.event else getattr(decoded, "name", None)
    return Story(
        verdict=verdict,
        asked=case.asked,
        at=case.at or (decoded.coordinates if decoded else None),
        name=name,
        considered=considered,
        traces=case.traces,
        found=case.found,
        interest_since=case.interest_since.get(name or ""),
        names=case.names,
        interests=tuple(case.interest_since),
        searched=case.searched,
    )


# --- the parts of the document --------------------------------------------------------------------


def _event(case: Case) -> Document | None:
    if case.event is not None:
        stored = _stored_event(case.event)
        return stored | (case.at._asdict() if case.at is not None else {})
    if case.traces.quarantined:
        return _quarantined_event(case.traces.quarantined[0])
    decoded = None if case.found is None else case.found.decoded
    if isinstance(decoded, Event):
        return _decoded_event(decoded)
    if decoded is not None:
        return _placed(None, decoded.recorded_at, decoded.coordinates)
    if case.traces.notes:
        note = case.traces.notes[0]
        return _placed(note.event_id, None, note.coordinates)
    return None


def _stored_event(event: EventRow) -> Document:
    return {
        "id": event.id,
        "event": event.name,
        "source": event.source,
        "occurred_at": moment_text(event.occurred_at),
        "recorded_at": moment_text(event.recorded_at),
        "processed_at": moment_text(event.processed_at),
        "verdict_time": moment_text(event.v),
        "skewed": event.is_skewed,
        **event.coordinates._asdict(),
        "identifiers": dict(event.identifiers),
        "payload": event.payload,
    }


def _decoded_event(event: Event) -> Document:
    return {
        "id": event.id,
        "event": event.name,
        "source": event.source,
        "occurred_at": moment_text(event.occurred_at),
        "recorded_at": moment_text(event.recorded_at),
        "processed_at": None,
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
        "recorded_at": None if at is None else moment_text(at),
        **place._asdict(),
    }


def _identity(case: Case) -> Document | None:
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


def _winner(case: Case) -> Document | None:
    """Return where the event stands that counted, for a record that was dropped or conflicts."""
    for duplicate in case.traces.duplicates:
        return dict(duplicate.winner._asdict())
    is_conflict = any(row.winner for row in case.traces.quarantined)
    if is_conflict and case.event is not None:
        return dict(case.event.coordinates._asdict())
    return None


def _records(case: Case) -> Iterator[Document]:
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
