"""What contact events and steps change of a person: the last writer by V wins (rule I6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from handlers.decision import ProfileChange
from handlers.identify import is_blocked, link
from handlers.intake import merged_from
from handlers.sighting import Sighting
from handlers.world import World
from state.contact import Stamp
from state.event import Coordinates, Event, Identifier

_SET_KINDS = ("external_id", "email", "phone")
_PLAIN_FIELDS = ("first_name", "last_name", "time_zone")


def stamp_of(v: datetime, coordinates: Coordinates) -> Stamp:
    """Return the stamp of an event's write: ties are broken by coordinates, in numeric order."""
    return Stamp(v, f"{coordinates.topic}/{coordinates.partition:06d}/{coordinates.offset:020d}")


def apply_contact_event(sighting: Sighting, contact_id: int) -> None:
    """Apply what a contact event says of its contact (interface.md, "A contact event on Kafka")."""
    event = sighting.event
    stamp = stamp_of(sighting.v, event.coordinates)
    if event.name in ("contact.created", "contact.updated"):
        _apply_update(sighting, contact_id, stamp)
    elif event.name in ("contact.subscribed", "contact.unsubscribed"):
        _apply_consent(sighting.world, contact_id, event, stamp)
    for identifier in merged_from(event):
        link(sighting, contact_id, identifier)


def change_profile(
    world: World,
    contact_id: int,
    fields: Mapping[str, object],
    properties: Mapping[str, object],
    stamp: Stamp,
) -> None:
    """Write these fields and properties where this stamp is the newest; None clears."""
    profile = world.contact(contact_id).profile
    new_fields, new_properties = dict(profile.fields), dict(profile.properties)
    stamps = dict(profile.stamps)
    for name, value in fields.items():
        # A tie unsubscribes, which is not written again where it stands already.
        tie = bool(value) and not profile.is_unsubscribed if name == "unsubscribed" else None
        if _wins(stamps, name, stamp, wins_tie=tie):
            stamps[name] = stamp
            _put(new_fields, name, value)
    for name, value in properties.items():
        if _wins(stamps, f"properties.{name}", stamp):
            stamps[f"properties.{name}"] = stamp
            _put(new_properties, name, value)
    if stamps != dict(profile.stamps):
        changed = replace(profile, fields=new_fields, properties=new_properties, stamps=stamps)
        world.people.set_profile(contact_id, changed)


def change_by_step(world: World, contact_id: int, change: ProfileChange, stamp: Stamp) -> None:
    """Write what a step changes of its contact, seen by the next step (rule F2)."""
    change_profile(world, contact_id, change.fields, change.properties, stamp)
    for topic, is_subscribed in change.topics.items():
        choose_topic(world, contact_id, topic, stamp, is_subscribed=is_subscribed)
    for segment, is_member in change.segments.items():
        _change_segment(world, contact_id, segment, stamp, is_member=is_member)


def choose_topic(
    world: World, contact_id: int, topic: str, stamp: Stamp, *, is_subscribed: bool
) -> None:
    """Write the contact's choice about a topic; a tie unsubscribes (rule I6)."""
    profile = world.contact(contact_id).profile
    name = f"topics.{topic}"
    wins_tie = not is_subscribed and profile.topics.get(topic, True)
    if not _wins(profile.stamps, name, stamp, wins_tie=wins_tie):
        return
    topics = {**profile.topics, topic: is_subscribed}
    stamps = {**profile.stamps, name: stamp}
    world.people.set_profile(contact_id, replace(profile, topics=topics, stamps=stamps))


def _change_segment(
    world: World, contact_id: int, segment: str, stamp: Stamp, *, is_member: bool
) -> None:
    """Write whether the contact is in the segment of this id."""
    profile = world.contact(contact_id).profile
    name = f"segments.{segment}"
    if _wins(profile.stamps, name, stamp):
        segments = {**profile.segments, segment: is_member}
        stamps = {**profile.stamps, name: stamp}
        world.people.set_profile(contact_id, replace(profile, segments=segments, stamps=stamps))


def _apply_update(sighting: Sighting, contact_id: int, stamp: Stamp) -> None:
    payload = sighting.event.payload
    fields = {name: payload[name] for name in _PLAIN_FIELDS if name in payload}
    if isinstance(payload.get("unsubscribed"), bool):
        fields["unsubscribed"] = payload["unsubscribed"]
    for kind in _SET_KINDS:
        if kind in payload and _set_identifier(sighting, contact_id, kind, stamp):
            fields[kind] = payload[kind]
    properties = payload.get("properties")
    new = properties if isinstance(properties, Mapping) else {}
    change_profile(sighting.world, contact_id, fields, new, stamp)
    _apply_segments(sighting.world, contact_id, payload.get("segments"), stamp)


def _apply_segments(world: World, contact_id: int, said: object, stamp: Stamp) -> None:
    """Let the contact join and leave segments by id or name; those there are not are passed over.

    One that is said both by id and by name is left: the order of keys decides nothing.
    """
    meant: dict[str, bool] = {}
    for named, is_member in said.items() if isinstance(said, Mapping) else ():
        segment = world.catalogue.audiences.segment(named)
        if segment is not None:
            key = str(segment.segment_id)
            meant[key] = meant.get(key, True) and is_member is True
    for key, is_member in meant.items():
        _change_segment(world, contact_id, key, stamp, is_member=is_member)


def _set_identifier(sighting: Sighting, contact_id: int, kind: str, stamp: Stamp) -> bool:
    """SET an identifier: the old one is released; one that another holds is refused (rule I2)."""
    world, value = sighting.world, sighting.event.payload[kind]
    contact = world.contact(contact_id)
    old = contact.value_of(kind)
    if value == old or not _wins(contact.profile.stamps, kind, stamp):
        return value == old
    new = Identifier(kind, str(value)) if value is not None else None
    if new is not None and is_blocked(new.value):
        sighting.note(contact_id, "merge_blocked", f"blocked_value: {kind} stays as it was")
        return False
    if new is not None and world.people.owner_of(new) not in (None, contact_id):
        sighting.note(contact_id, "identifier_taken", kind)
        return False
    if old is not None:
        world.people.release(contact_id, Identifier(kind, old))
        sighting.note(contact_id, "identifier_released", kind)
    if new is not None and world.people.owner_of(new) is None:
        world.people.bind(contact_id, new, sighting.event)
    return True


def _apply_consent(world: World, contact_id: int, event: Event, stamp: Stamp) -> None:
    leaves = event.name == "contact.unsubscribed"
    topic = event.payload.get("topic")
    if not isinstance(topic, str):
        change_profile(world, contact_id, {"unsubscribed": leaves}, {}, stamp)
        return
    choose_topic(world, contact_id, topic, stamp, is_subscribed=not leaves)


def _wins(
    stamps: Mapping[str, Stamp], name: str, stamp: Stamp, *, wins_tie: bool | None = None
) -> bool:
    """Tell whether a write is newer than the last one of this field.

    An equal V is decided by coordinates, but for consent by `wins_tie`: a tie unsubscribes (I6).
    All steps of a turn write at its one `now`: what a later one writes is seen by the next (F2).
    """
    last = stamps.get(name)
    if last is None or stamp.at != last.at:
        return last is None or stamp.at > last.at
    if wins_tie is not None:
        return wins_tie or _run_of(stamp) == _run_of(last) != ""
    return stamp.by >= last.by or _run_of(stamp) != ""


def _run_of(stamp: Stamp) -> str:
    """Return the run whose step wrote, nothing for an event's write."""
    return stamp.by.partition("/")[0] if stamp.by.startswith("~") else ""


def _put(values: dict[str, object], name: str, value: object) -> None:
    if value is None:
        values.pop(name, None)
    else:
        values[name] = value
