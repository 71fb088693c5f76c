"""What became of an event, and why: judged from what is stored of it (rule O3)."""

from __future__ import annotations

from typing import Any

from handlers.explaining.case import (
    Case,
    event_document,
    identity_document,
    record_documents,
    winner_document,
)
from handlers.explaining.considered import NOTHING, Considered, consider, not_enabled
from handlers.explaining.story import Story, tell
from state.event import Coordinates, Event, Rejected, Tombstone
from state.reading import Found

Document = dict[str, Any]

#: Refusals, the most telling first: those that came nearest to doing something.
_REFUSALS = (
    "not_delivered",
    "already_met",
    "late_arrival",
    "after_deadline",
    "already_kept",
    "already_closed",
    "capped",
    "loop_limit",
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

_DOING = ("resumed", "kept", "started", "exited", "exited_before_start", "arm_met")


def explain(case: Case) -> Document:
    """Return the explanation of an event as a document (interface.md, `explain --json`)."""
    considered = _considered(case)
    verdict = _verdict(case, considered)
    told = tell(_story(case, considered, verdict))
    return {
        "event": event_document(case),
        "verdict": verdict,
        "identity": identity_document(case),
        "automations": considered.automations,
        "waits": considered.waits,
        "exits": considered.exits,
        "reason": told.reason,
        "advice": told.advice,
        "winner": winner_document(case),
        "records": list(record_documents(case)),
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
    if any(note.verdict == "erased" for note in traces.notes):
        return "erased"
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
    erased = "erased" if case.event is not None and case.event.is_erased else None
    return did or blocked or refused or erased or next(iter(notes), "no_open_wait")


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
