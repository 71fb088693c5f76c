"""One event, once: what a second sight of its key means (rule E4), and setting aside."""

from __future__ import annotations

import hashlib
from datetime import datetime

from handlers.world import World
from state.event import RAW_MAX, Event, Rejected
from state.turn import Duplicate, Quarantined


def is_dropped(world: World, event: Event) -> bool:
    """Tell whether an event of this key is stored already; if so, leave evidence (rule E4)."""
    seen = world.seen_event(event.key)
    if seen is None:
        return False
    if seen.coordinates == event.coordinates:
        world.changes.tally["redelivered"] += 1
    elif seen.body_hash == event.body_hash:
        recorded_at = event.recorded_by(world.now)
        duplicate = Duplicate(event.key, event.id, event.coordinates, recorded_at, seen.coordinates)
        world.changes.duplicates.append(duplicate)
    else:
        detail = f"id: another event used it before, at {seen.coordinates}"
        set_aside(world, event, "id_conflict", detail, winner=str(seen.coordinates))
    return True


def is_past_memory(world: World, v: datetime) -> bool:
    """Tell whether an event of this V may have been stored once and forgotten since (E4, O5)."""
    return world.now - v > world.rules.memory


def set_aside(
    world: World, event: Event, reason: str, detail: str, winner: str | None = None
) -> None:
    """Quarantine an event that was understood but cannot be applied (rules E4, E5, I1)."""
    world.changes.quarantined.append(Quarantined(rejected_event(event, reason, detail), winner))


def rejected_event(event: Event, reason: str, detail: str) -> Rejected:
    """Return a decoded event as a rejected record, bytes and coordinates with it (rule E5)."""
    return Rejected(
        reason=reason,
        detail=detail,
        coordinates=event.coordinates,
        recorded_at=event.recorded_at,
        raw=event.raw[:RAW_MAX],
        sha256=hashlib.sha256(event.raw).digest(),
        headers=event.headers,
        event_id=event.id,
    )
