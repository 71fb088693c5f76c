"""Who an event is about: identifiers to one contact, by finding, linking, making (I1, I2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from handlers.world import Findings, World
from state.contact import LIMITS, contact_uuid
from state.event import Event, Identifier
from state.evidence import Finding
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


def identify(world: World, event: Event, findings: Findings, *, creates: bool) -> Identity | None:
    """Return the contact of an event; link what it names anew; make a contact at first sight.

    `creates` is true for events of interest and contact events (I1, E7): otherwise nothing is made
    and identifiers link only to a contact that is known. None: no usable identifier is left.
    """
    usable = usable_identifiers(world, event)
    if not usable:
        return None
    owners = [world.owner_of(identifier) for identifier in usable]
    contact_id = _belongs_to(world, event, usable, owners, findings, creates=creates)
    if contact_id is None:
        return None
    for identifier in usable:
        _link(world, contact_id, identifier, event, findings)
    return Identity(contact_id, _resolved(world, contact_id, usable, event))


def usable_identifiers(world: World, event: Event) -> list[Identifier]:
    """Return the identifiers of an event that can name somebody; unknown contact ids drop out."""
    return [
        identifier
        for identifier in event.identifiers
        if identifier.kind != "contact_id" or world.owner_of(identifier) is not None
    ]


def is_blocked(value: str) -> bool:
    """Tell whether a value is one of those that name nobody (rule I2's block list)."""
    bare = value.strip().lower()
    return bare in BLOCKED_VALUES or not bare.strip("0-{}")


def _belongs_to(
    world: World,
    event: Event,
    usable: Sequence[Identifier],
    owners: Sequence[int | None],
    findings: Findings,
    *,
    creates: bool,
) -> int | None:
    """Return the owner of the strongest identifier, which may have to be linked or made first."""
    strongest = usable[0]
    if owners[0] is not None:
        return owners[0]
    known = next((owner for owner in owners if owner is not None), None)
    if known is not None:
        refusal = _refuses_link(world, known, strongest)
        if refusal is None:
            world.bind(known, strongest, event.id)
            return known
        findings.append(_blocked(known, strongest, refusal))
    if not creates:
        return None
    contact = world.create_contact(event, strongest)
    world.bind(contact.contact_id, strongest, event.id)
    return contact.contact_id


def _link(
    world: World, contact_id: int, identifier: Identifier, event: Event, findings: Findings
) -> None:
    """Bind a further identifier of the event to its contact, or record why it cannot be."""
    owner = world.owner_of(identifier)
    if owner == contact_id:
        return
    if owner is not None:
        # Two known people meet. Nothing moves: the event belongs to its strongest identifier (I2).
        findings.append(_blocked(owner, identifier, "two_contacts"))
        return
    refusal = _refuses_link(world, contact_id, identifier)
    if refusal is None:
        world.bind(contact_id, identifier, event.id)
    else:
        findings.append(_blocked(contact_id, identifier, refusal))


def _refuses_link(world: World, contact_id: int, identifier: Identifier) -> str | None:
    """Return why an unowned identifier may not join a contact, None if it may."""
    if is_blocked(identifier.value):
        return "blocked_value"
    if world.contact(contact_id).count_of(identifier.kind) >= LIMITS[identifier.kind]:
        return f"limit_{identifier.kind}"
    return None


def _blocked(other: int, identifier: Identifier, why: str) -> Finding:
    reason = f"{why}: {identifier.kind} stays apart from contact {contact_uuid(other)}"
    return Finding("identity", "merge_blocked", reason=reason)


def _resolved(
    world: World, contact_id: int, usable: Iterable[Identifier], event: Event
) -> Resolved:
    """Return the strongest identifier that names the contact, and how it came to do so."""
    contact = world.contact(contact_id)
    for identifier in usable:
        if identifier.kind == "contact_id":
            return Resolved(identifier.kind, identifier.value, "named by its id")
        for link in contact.links:
            if link.identifier == identifier:
                how = "first seen in" if link is contact.links[0] else "linked by"
                return Resolved(identifier.kind, identifier.value, f"{how} {link.linked_by}")
    raise AssertionError(f"event {event.id} belongs to a contact that none of its names led to")
