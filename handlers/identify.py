"""Who an event is about: identifiers to one contact, by finding, linking, making (I1, I2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from handlers.sighting import Sighting
from handlers.world import World
from state.contact import LIMITS, contact_uuid
from state.event import Event, Identifier
from state.run import Resolved

#: Values that name nobody though many systems send them: they never link two people (rule I2).
BLOCKED_VALUES = frozenset(
    {"null", "none", "undefined", "nil", "-1", "0", "anonymous", "unknown", "guest", "n/a"}
)


@dataclass(frozen=True, slots=True)
class Identity:
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
        if identifier.kind != "contact_id" or world.owner_of(identifier) is not None
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
    owners = [world.owner_of(identifier) for identifier in usable]
    if owners[0] is not None:
        return owners[0]
    known = next((owner for owner in owners if owner is not None), None)
    if known is not None:
        refusal = _refuses_link(sighting, known, strongest)
        if refusal is None:
            world.bind(known, strongest, sighting.event.id)
            return known
        _block(sighting, known, strongest, refusal)
    if not creates:
        return None
    contact = world.create_contact(sighting.event, strongest)
    world.bind(contact.contact_id, strongest, sighting.event.id)
    return contact.contact_id


def link(sighting: Sighting, contact_id: int, identifier: Identifier) -> None:
    """Bind a further identifier of the event to its contact, or record why it cannot be."""
    owner = sighting.world.owner_of(identifier)
    if owner == contact_id:
        return
    if owner is not None:
        # Two known people meet. Nothing moves: the event belongs to its strongest identifier (I2).
        _block(sighting, owner, identifier, "two_contacts")
        return
    if identifier.kind == "contact_id":
        return  # an unknown one names nobody (I1)
    refusal = _refuses_link(sighting, contact_id, identifier)
    if refusal is None:
        sighting.world.bind(contact_id, identifier, sighting.event.id)
    else:
        _block(sighting, contact_id, identifier, refusal)


def _refuses_link(sighting: Sighting, contact_id: int, identifier: Identifier) -> str | None:
    """Return why an unowned identifier may not join a contact, None if it may."""
    if is_blocked(identifier.value):
        return "blocked_value"
    contact = sighting.world.contact(contact_id)
    if contact.count_of(identifier.kind) >= LIMITS[identifier.kind]:
        return f"limit_{identifier.kind}"
    last_set = contact.profile.stamps.get(identifier.kind)
    if last_set is not None and last_set.at > sighting.v:
        # It may be the very value that a later update has released: an old event does not undo it.
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
