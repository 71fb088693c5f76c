"""What becomes of each decoded record before anybody is locked: counted, set aside, or applied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field

from handlers.suppression import REASONS
from state.automation import Catalogue
from state.event import KINDS, Decoded, Event, Identifier, Mention, Read, Rejected, Tombstone
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


def sort_records(records: Iterable[Read], catalogue: Catalogue) -> Intake:
    """Sort decoded records by what this catalogue makes of them (rules E2, E5, E7).

    Applied are events of interest, contact events, and events that may link identifiers.
    """
    intake = Intake()
    for record in records:
        if not isinstance(record, Mention):
            _sort(intake, record, catalogue)
        elif is_only_counted(record.name, catalogue):
            intake.unclaimed += 1
        else:
            _sort(intake, record.whole(), catalogue)
    return intake


def _sort(intake: Intake, record: Decoded, catalogue: Catalogue) -> None:
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


def names_seen(records: Iterable[Read], snapshot: Snapshot) -> list[NameSeen]:
    """Count the names of events, of interest or not, that were not counted before (E7, E4)."""
    names: defaultdict[tuple[str, str, int], list[tuple[datetime, int]]] = defaultdict(list)
    applied = snapshot.applied
    for record in records:
        if isinstance(record, Mention):
            topic, partition, offset = record.topic, record.partition, record.offset
        elif isinstance(record, Event):
            topic, partition, offset = record.coordinates
        else:
            continue
        if offset > applied.get((topic, partition), -1):
            names[record.name, topic, partition].append((record.recorded_at, offset))
    return [_name_seen(place, seen) for place, seen in names.items()]


def _name_seen(place: tuple[str, str, int], seen: Sequence[tuple[datetime, int]]) -> NameSeen:
    last_offset = max([offset for _, offset in seen])
    return NameSeen(*place, len(seen), min(seen)[0], max(seen)[0], last_offset)


def is_applied(event: Event, catalogue: Catalogue) -> bool:
    """Tell whether an event does more than be counted (rules E7, F4)."""
    return (
        not is_only_counted(event.name, catalogue)
        or event.is_contact_event
        or len(event.identifiers) > 1
    )


def is_only_counted(name: str, catalogue: Catalogue) -> bool:
    """Tell whether nothing follows from an event's name, unless it links people (rules E7, F4)."""
    return name not in catalogue.interest_since and name not in REASONS


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
