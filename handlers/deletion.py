"""A person is deleted: runs end, names are forgotten, and what is about them is erased (I5)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from handlers.advance import end_early
from handlers.directory import NOBODY
from handlers.identify import identify, is_blocked, usable_identifiers
from handlers.sighting import Sighting
from handlers.suppression import note_suppression
from handlers.world import World
from state.contact import contact_uuid
from state.erasure import Erasure
from state.event import Event, Identifier

DELETED = "contact.deleted"


def apply_deletion(sighting: Sighting) -> None:
    """Delete whom this event names; its names are erased even where nobody is known by them.

    Two people whom it makes one go together; whoever stays apart, with names of their own, stays.
    The same deletion again finds a later contact at most, whose names are marked with it, and
    leaves that one alone. The event itself is not stored: it could only name who is gone.
    """
    world, event = sighting.world, sighting.event
    names = [one for one in usable_identifiers(world, event)[0] if one.kind != "contact_id"]
    if names and all(world.people.is_erased(name, sighting.v, through=True) for name in names):
        world.changes.tally["redelivered"] += 1
        return
    identity = identify(sighting, creates=False)
    if identity is not None:
        for joined in sighting.joined:
            # Nothing wakes them on the way: the person goes at once, with all their runs.
            world.move_runs(joined.merged.contact_id, joined.survivor.contact_id)
        ended = delete_contact(world, identity.contact_id, sighting.v)
        who = contact_uuid(identity.contact_id)
        sighting.note(identity.contact_id, "deleted", f"contact {who}, {ended} runs ended")
        return
    unheld = [name for name in names if world.people.owner_of(name) is None]
    if unheld:
        world.people.erase(unheld, sighting.v)
        world.changes.erasures.append(Erasure((), tuple(unheld), sighting.v))


def is_deletion(event: Event) -> bool:
    """Tell whether an event deletes whom it names."""
    return event.is_contact_event and event.name == DELETED


def is_dropped_as_erased(sighting: Sighting) -> bool:
    """Tell whether an event is about somebody who was deleted after it happened; leave evidence.

    It is not stored, and not held against stored events of its id: that would keep its bytes. One
    that could only link, and names nobody who is known, does nothing anyway. What it says of an
    address counts, whoever has it next: suppression survives.
    """
    world, event = sighting.world, sighting.event
    erased = [name for name in event.identifiers if _is_erased(sighting, name)]
    if not erased or is_deletion(event) or all(is_blocked(name.value) for name in erased):
        return False
    naming = [name for name in event.identifiers if not is_blocked(name.value)]
    is_somebody = event.is_contact_event or event.name in world.catalogue.interest_since
    if not is_somebody and all(world.people.owner_of(name) is None for name in naming):
        return False
    if world.snapshot.was_applied(event.coordinates):
        world.changes.tally["redelivered"] += 1
    else:
        world.changes.tally["erased"] += 1
        sighting.note(NOBODY, "erased", "its person was deleted after it happened")
        note_suppression(world, event, None)
    return True


def _is_erased(sighting: Sighting, name: Identifier) -> bool:
    """Tell whether this name makes the event one about somebody who is gone.

    What a run of ours has caused is about its contact as the run knew it, whatever its V (S6).
    """
    people = sighting.world.people
    is_own = sighting.event.hops > 0 and name.kind == "contact_id"
    is_gone = is_own and people.erased_before(name) is not None
    return is_gone or people.is_erased(name, sighting.v)


def delete_contact(world: World, contact_id: int, before: datetime) -> int:
    """Delete a contact; return how many runs that ended.

    Whoever is seen by one of its names later is another contact, with a memory of its own. Events
    with V before `before` are erased when they come.
    """
    people = world.people
    contact, numbers = people.contact(contact_id), people.members(contact_id)
    runs = list(world.active_runs(contact_id).values())
    for run in runs:
        world.put_run(end_early(world, run, "contact_deleted"))
    world.closed_waits(contact_id).clear()
    people.delete(contact_id, before)
    _take_back(world, numbers)
    names = tuple(link.identifier for link in contact.links)
    world.changes.erasures.append(Erasure(numbers, names, before))
    return len(runs)


def _take_back(world: World, numbers: Collection[int]) -> None:
    """Let nothing be published that this turn's runs have said of a person (rules S6, I5)."""
    gone = {str(contact_uuid(number)) for number in numbers}
    emitted = world.changes.emitted
    emitted[:] = [one for one in emitted if one.document["contact_id"] not in gone]


def settle_deletions(world: World) -> None:
    """Delete the contacts whose runs came to a step that deletes them (rules F1, I5)."""
    while world.to_delete:
        contact_id = world.people.home_of(world.to_delete.pop(0))
        if world.people.contact(contact_id).deleted_at is None:
            delete_contact(world, contact_id, world.now)
