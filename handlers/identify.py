"""Who an event is about: identifiers to one contact, by finding, linking, making (I1, I2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from handlers.merge import join, refuses_merge, survivor_first, was_set_since
from handlers.sighting import Sighting
from handlers.world import World
from state.contact import LIMITS, Contact, contact_uuid
from state.event import Event, Identifier
from state.run import Resolved

#: Values that name nobody though many systems send them: they never link two people (rule I2).
BLOCKED_VALUES = frozenset(
    {"null", "none", "undefined", "nil", "-1", "0", "anonymous", "unknown", "guest", "n/a"}
)


class Identity(Struct, frozen=True):
    """The contact an event belongs to, by which identifier, and on which path (rule I4)."""

    contact_id: int
    resolved: Resolved


def identify(sighting: Sighting, *, creates: bool) -> Identity | None:
    """Return the contact of an event; link what it names anew; make a contact at first sight.

    `creates` is true for events of interest and contact events (I1, E7): otherwise nothing is made
    and identifiers link only to a contact that is known. None: no usable identifier is left.
    """
    usable, blocked = usable_identifiers(sighting.world, sighting.event)
    if not usable:
        return None
    contact_id = _belongs_to(sighting, usable, creates=creates)
    if contact_id is None:
        return None
    for identifier in usable:
        link(sighting, contact_id, identifier)
    contact_id = sighting.world.people.home_of(contact_id)
    for identifier in blocked:
        sighting.note(contact_id, "merge_blocked", f"blocked_value: {identifier.kind} names nobody")
    return Identity(contact_id, _resolved(sighting, contact_id, usable))


def usable_identifiers(world: World, event: Event) -> tuple[list[Identifier], list[Identifier]]:
    """Return the identifiers of an event that can name somebody, and those on the block list.

    Unknown contact ids drop out. A blocked value names nobody beside one that does; alone, it is
    all there is, and the event belongs to it (rule I2).
    """
    known = [
        identifier
        for identifier in event.identifiers
        if identifier.kind != "contact_id" or world.people.owner_of(identifier) is not None
    ]
    naming = [identifier for identifier in known if not is_blocked(identifier.value)]
    if not naming:
        return known[:1], []
    return naming, [identifier for identifier in known if identifier not in naming]


def is_blocked(value: str) -> bool:
    """Tell whether a value is one of those that name nobody (rule I2's block list)."""
    bare = value.strip().lower()
    return bare in BLOCKED_VALUES or not bare.strip("0-{}")


def _belongs_to(sighting: Sighting, usable: Sequence[Identifier], *, creates: bool) -> int | None:
    """Return the owner of the strongest identifier, which may have to be linked or made first."""
    world, strongest = sighting.world, usable[0]
    owners = [world.people.owner_of(identifier) for identifier in usable]
    if owners[0] is not None:
        return owners[0]
    known = next((owner for owner in owners if owner is not None), None)
    if known is not None:
        refusal = _refuses_link(sighting, known, strongest)
        if refusal is None:
            world.people.bind(known, strongest, sighting.event)
            return known
        _block(sighting, known, strongest, refusal)
        sighting.apart.add(known)
    if not creates:
        return None
    contact = world.people.create(sighting.event, strongest)
    world.people.bind(contact.contact_id, strongest, sighting.event)
    return contact.contact_id


def link(sighting: Sighting, contact_id: int, identifier: Identifier) -> None:
    """Bind a further identifier of the event to its contact, or record why it cannot be."""
    people = sighting.world.people
    contact_id, owner = people.home_of(contact_id), people.owner_of(identifier)
    if owner == contact_id or owner in sighting.apart:
        return
    if owner is not None:
        _meet(sighting, contact_id, owner, identifier)
        return
    if identifier.kind == "contact_id":
        return  # an unknown one names nobody (I1)
    refusal = _refuses_link(sighting, contact_id, identifier)
    if refusal is None:
        people.bind(contact_id, identifier, sighting.event)
    else:
        _block(sighting, contact_id, identifier, refusal)


def _meet(sighting: Sighting, contact_id: int, owner: int, identifier: Identifier) -> None:
    """Make two known contacts one, or record why they stay apart and nothing moves (I2, I3)."""
    people = sighting.world.people
    one, other = people.contact(contact_id), people.contact(owner)
    refusal = refuses_merge(one, other)
    changed = _changed_since(sighting, one, other, identifier)
    if is_blocked(identifier.value):
        refusal = "blocked_value"
    elif changed is not None:
        refusal = f"set_since_{changed}"
    if refusal is not None:
        _block(sighting, owner, identifier, refusal)
        return
    named = sighting.event.name == "contact.merged"
    survivor, merged = (one, other) if named else survivor_first(one, other)
    sighting.joined.append(join(people, survivor, merged))
    gone, kept = contact_uuid(merged.contact_id), contact_uuid(survivor.contact_id)
    sighting.note(survivor.contact_id, "merged", f"{identifier.kind}: {gone} became {kept}")


def _changed_since(
    sighting: Sighting, one: Contact, other: Contact, identifier: Identifier
) -> str | None:
    """Return a kind that either has changed after an event which names it by an older value."""
    if was_set_since(one, identifier, sighting.v):
        return identifier.kind
    owner_of = sighting.world.people.owner_of
    named = (each for each in sighting.event.identifiers if owner_of(each) == one.contact_id)
    return next((each.kind for each in named if was_set_since(other, each, sighting.v)), None)


def _refuses_link(sighting: Sighting, contact_id: int, identifier: Identifier) -> str | None:
    """Return why an unowned identifier may not join a contact, None if it may."""
    if is_blocked(identifier.value):
        return "blocked_value"
    contact = sighting.world.contact(contact_id)
    if contact.count_of(identifier.kind) >= LIMITS[identifier.kind]:
        return f"limit_{identifier.kind}"
    if was_set_since(contact, identifier, sighting.v):
        # It may be the very value that a later update has released.
        return f"set_since_{identifier.kind}"
    return None


def _block(sighting: Sighting, other: int, identifier: Identifier, why: str) -> None:
    reason = f"{why}: {identifier.kind} stays apart from contact {contact_uuid(other)}"
    sighting.note(other, "merge_blocked", reason)


def _resolved(sighting: Sighting, contact_id: int, usable: Iterable[Identifier]) -> Resolved:
    """Return the strongest identifier that names the contact, and how it came to do so."""
    contact = sighting.world.contact(contact_id)
    for identifier in usable:
        if identifier.kind == "contact_id":
            return Resolved(identifier.kind, identifier.value, "named by its id")
        for link in contact.links:
            if link.identifier == identifier:
                how = "first seen in" if link is contact.links[0] else "linked by"
                return Resolved(identifier.kind, identifier.value, f"{how} {link.linked_by}")
    raise AssertionError("an event belongs to a contact that none of its names led to")
