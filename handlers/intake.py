"""What becomes of each decoded record before anybody is locked: counted, set aside, or applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from handlers.suppression import REASONS
from state.automation import Catalogue
from state.event import KINDS, Decoded, Event, Identifier, Rejected, Tombstone
from state.turn import NameSeen, Quarantined, Snapshot

#: The identifiers that a contact event's payload may set, and the events whose payload does; what
#: others say under these names is not read, and so in no normal form (interface.md).
_SET_KINDS = ("external_id", "email", "phone")
_SETTING = frozenset({"contact.created", "contact.updated"})


class Intake(Struct):
    """The records of one turn, sorted: `events` are those that must be applied, in order."""

    events: list[Event] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    tombstones: int = 0
    unclaimed: int = 0


def sort_records(records: Iterable[Decoded], catalogue: Catalogue) -> Intake:
    """Sort decoded records by what this catalogue makes of them (rules E2, E5, E7).

    Applied are events of interest, contact events, and events that may link identifiers.
    """
    intake = Intake()
    for record in records:
        match record:
            case Event():
                if is_applied(record, catalogue):
                    intake.events.append(record)
                else:
                    intake.unclaimed += 1
            case Rejected():
                intake.quarantined.append(Quarantined(record))
            case Tombstone():
                intake.tombstones += 1
    return intake


def names_seen(records: Iterable[Decoded], snapshot: Snapshot) -> list[NameSeen]:
    """Count the names of events, of interest or not, that were not counted before (E7, E4)."""
    seen: dict[tuple[str, str, int], list[Event]] = {}
    for record in records:
        if isinstance(record, Event) and not snapshot.was_applied(record.coordinates):
            topic, partition, _ = record.coordinates
            seen.setdefault((record.name, topic, partition), []).append(record)
    return [
        NameSeen(
            *key,
            times=len(events),
            first_at=min(event.recorded_at for event in events),
            last_at=max(event.recorded_at for event in events),
            last_offset=max(event.coordinates.offset for event in events),
        )
        for key, events in seen.items()
    ]


def is_applied(event: Event, catalogue: Catalogue) -> bool:
    """Tell whether an event does more than be counted (rules E7, F4)."""
    return (
        event.name in catalogue.interest_since
        or event.is_contact_event
        or event.name in REASONS
        or len(event.identifiers) > 1
    )


def named_in(event: Event) -> Sequence[Identifier]:
    """Return every identifier an event may touch: its own, and those its payload sets.

    They are ten at most: five of its own, and five more that a merge names (rule E6).
    """
    if not event.is_contact_event:
        return event.identifiers
    set_by_payload = [
        Identifier(kind, value)
        for kind in _SET_KINDS
        if event.name in _SETTING and isinstance(value := event.payload.get(kind), str)
    ]
    return list(dict.fromkeys([*event.identifiers, *set_by_payload, *merged_from(event)]))


def merged_from(event: Event) -> list[Identifier]:
    """Return whom a `contact.merged` says that its person was known as, strongest first."""
    source = event.payload.get("from")
    if event.name != "contact.merged" or not isinstance(source, Mapping):
        return []
    return [Identifier(kind, source[kind]) for kind in KINDS if isinstance(source.get(kind), str)]
