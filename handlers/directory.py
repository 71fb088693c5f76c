"""Who is who during one turn: contacts, who holds which identifier, and what the turn changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from handlers.audience import note_audiences
from state.contact import Contact, Link, Profile, in_order
from state.event import Event, Identifier
from state.turn import Changes, Claim, Snapshot

#: The owner of an identifier that was released in this turn.
NOBODY = 0


class NeedsContacts(Exception):
    """The decision makes more new contacts than it was given numbers; bring more, decide again."""


class FreshContactIds:
    """Numbers for new contacts, handed out in order."""

    def __init__(self, numbers: Sequence[int] = ()) -> None:
        self._numbers = numbers
        self._used = 0

    def take(self) -> int:
        """Return the next number.

        Raises:
            NeedsContacts: there is none left.
        """
        if self._used == len(self._numbers):
            raise NeedsContacts
        self._used += 1
        return self._numbers[self._used - 1]


class Directory(Struct):
    """The working copy of the contacts of one group.

    `reserved` are identifiers that this turn claimed before the lock: they count as unbound until
    the fold binds them, and tell which contact number to use when it does. `moved` maps contacts to
    whom they were merged into, in this turn or as its commands name them, `erased` names to the V
    of this turn's deletions.
    """

    snapshot: Snapshot
    reserved: Mapping[Identifier, Claim]
    fresh_contact_ids: FreshContactIds
    changes: Changes
    owners: dict[Identifier, int] = field(default_factory=dict)
    contacts: dict[int, Contact] = field(default_factory=dict)
    first_seen_here: set[int] = field(default_factory=set)
    moved: dict[int, int] = field(default_factory=dict)
    erased: dict[Identifier, datetime] = field(default_factory=dict)
    deleted: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.snapshot.survivors:
            self.moved.update(self.snapshot.survivors)

    def home_of(self, contact_id: int) -> int:
        """Return the contact that this one has become by merges, of this turn or before (I3)."""
        while contact_id in self.moved:
            contact_id = self.moved[contact_id]
        return contact_id

    def members(self, contact_id: int) -> tuple[int, ...]:
        """Return the numbers under which a person's history is kept: the merge set (rule I3)."""
        contact = self.contact(contact_id)
        return (contact.contact_id, *contact.absorbed)

    def absorbed_before(self, number: int) -> tuple[int, ...]:
        """Return the contacts that were merged into this one before this turn."""
        loaded = self.snapshot.contacts.get(number)
        return () if loaded is None else loaded.absorbed

    def contact(self, contact_id: int) -> Contact:
        """Return a contact as it stands now in this turn; a merged one is its survivor."""
        if self.moved:
            contact_id = self.home_of(contact_id)
        found = self.contacts.get(contact_id)
        return self._loaded(contact_id) if found is None else found

    def _loaded(self, contact_id: int) -> Contact:
        """Return a contact as it was loaded, without the links that are only reserved for it."""
        loaded = self.snapshot.contacts[contact_id]
        if self.reserved:
            bound = tuple(link for link in loaded.links if link.identifier not in self.reserved)
            loaded = replace(loaded, links=bound)
        self.contacts[contact_id] = loaded
        return loaded

    def has_no_past(self, contact_id: int) -> bool:
        """Tell whether nothing can be stored of a person yet: this turn is the first to see it."""
        contact = self.contact(contact_id)
        return contact.contact_id in self.first_seen_here and not contact.absorbed

    def owner_of(self, identifier: Identifier) -> int | None:
        """Return who holds an identifier now in this turn, or None."""
        owner = self.owners.get(identifier)
        if owner is None and identifier not in self.reserved:
            owner = self.snapshot.owners.get(identifier)
        if not owner:
            return None
        is_gone = identifier.kind == "contact_id" and self.contact(owner).deleted_at is not None
        return None if is_gone else self.home_of(owner)

    def create(self, event: Event, first: Identifier) -> Contact:
        """Return a new contact for an identifier nobody holds, numbered as it was claimed."""
        claim = self.reserved.get(first)
        is_claimed = (
            claim is not None and claim.is_first_sight and claim.contact_id not in self.contacts
        )
        contact_id = claim.contact_id if claim and is_claimed else self.fresh_contact_ids.take()
        contact = Contact(contact_id, event.recorded_by(self.snapshot.now))
        self.contacts[contact_id] = contact
        self.first_seen_here.add(contact_id)
        if not is_claimed:
            self.changes.new_contacts.append(contact)
        return contact

    def bind(self, contact_id: int, identifier: Identifier, event: Event) -> None:
        """Give an identifier that nobody holds to a contact, by this event (rules I1, I2)."""
        contact = self.contact(contact_id)
        at, erased_before = event.recorded_by(self.snapshot.now), self.erased_before(identifier)
        link = Link(identifier, at, event.id, erased_before)
        self.owners[identifier] = contact.contact_id
        self.contacts[contact.contact_id] = replace(contact, links=in_order((*contact.links, link)))

    def release(self, contact_id: int, identifier: Identifier) -> None:
        """Take an identifier from its contact; the next sight of it makes a new one (rule I2)."""
        contact = self.contact(contact_id)
        kept = tuple(link for link in contact.links if link.identifier != identifier)
        self.contacts[contact.contact_id] = replace(contact, links=kept)
        self.owners[identifier] = NOBODY

    def set_profile(self, contact_id: int, profile: Profile) -> None:
        """Change what is known of a contact."""
        contact = replace(self.contact(contact_id), profile=profile)
        self.contacts[contact.contact_id] = contact
        self.changes.profiles[contact.contact_id] = profile

    def absorb(self, survivor: int, merged: int) -> None:
        """Make two contacts one: the survivor holds the identifiers of both (rule I3)."""
        kept, gone = self.contact(survivor), self.contact(merged)
        self.contacts[survivor] = replace(
            kept,
            links=in_order((*kept.links, *gone.links)),
            absorbed=(*kept.absorbed, merged, *gone.absorbed),
        )
        self.owners.update(dict.fromkeys((link.identifier for link in gone.links), survivor))
        self.moved[merged] = survivor
        self.changes.profiles.pop(merged, None)

    def part(
        self, survivor: int, merged: int, back: Sequence[Link], absorbed: Sequence[int]
    ) -> None:
        """Make one contact two again: the merged one has these links, and whom it had absorbed."""
        kept, gone = self.contact(survivor), self.contact(merged)
        self.contacts[survivor] = replace(
            kept,
            links=tuple(link for link in kept.links if link not in back),
            absorbed=tuple(one for one in kept.absorbed if one not in (merged, *absorbed)),
        )
        self.contacts[merged] = replace(gone, links=tuple(back), absorbed=tuple(absorbed))
        self.owners.update(dict.fromkeys((link.identifier for link in back), merged))

    def delete(self, contact_id: int, before: datetime) -> None:
        """Make a contact nobody: it holds no names, and nothing is known of it (rule I5)."""
        contact = self.contact(contact_id)
        names = [link.identifier for link in contact.links]
        self.erase(names, before)
        self.owners.update(dict.fromkeys(names, NOBODY))
        self.contacts[contact.contact_id] = replace(
            contact, links=(), profile=Profile(), deleted_at=before
        )
        self.changes.profiles.pop(contact.contact_id, None)
        self.deleted.append(contact.contact_id)

    def erase(self, names: Iterable[Identifier], before: datetime) -> None:
        """Have events about these names with V before an instant count as erased (rule I5)."""
        for name in names:
            self.erased[name] = max(before, self.erased_before(name) or before)

    def erased_before(self, identifier: Identifier) -> datetime | None:
        """Return the V of the last deletion of whom an identifier named, None without one."""
        if identifier in self.erased:
            return self.erased[identifier]
        owner = self.snapshot.owners.get(identifier)
        if owner is None or identifier in self.reserved:
            return self.snapshot.erased.get(identifier)
        if identifier.kind == "contact_id":
            return self.contact(owner).deleted_at
        links = self.snapshot.contacts[owner].links
        for link in links:
            if link.identifier == identifier:
                return link.erased_before
        return None

    def is_erased(self, identifier: Identifier, v: datetime, *, through: bool = False) -> bool:
        """Tell whether a V lies before the deletion of whom this named, or `through` at it."""
        before = self.erased_before(identifier)
        return before is not None and (v < before or (through and v == before))

    def put_back(self, contact: Contact) -> None:
        """Make a contact what it was at an earlier point of this turn."""
        self.contacts[contact.contact_id] = contact

    def settle(self) -> None:
        """Compare who holds what with what is stored, claims of this turn included."""
        for identifier, owner in self.owners.items():
            if owner == NOBODY:
                self.changes.unbinds.append(identifier)
                continue
            home = self.home_of(owner)
            link = next(one for one in self.contacts[home].links if one.identifier == identifier)
            if self._stored_link(identifier) != (home, link.linked_by):
                self.changes.binds.append((home, link))
        self._undo_unused_claims()
        for contact_id, profile in self.changes.profiles.items():
            note_audiences(self.changes, contact_id, self._stored_profile(contact_id), profile)
        for contact_id in (*self.moved, *self.deleted):  # nothing is known under these any more
            note_audiences(self.changes, contact_id, self._stored_profile(contact_id), Profile())

    def _stored_profile(self, contact_id: int) -> Profile:
        loaded = self.snapshot.contacts.get(contact_id)
        return Profile() if loaded is None else loaded.profile

    def _undo_unused_claims(self) -> None:
        unused: dict[int, None] = {}
        for identifier, claim in self.reserved.items():
            if identifier not in self.owners:
                self.changes.unbinds.append(identifier)
            if claim.is_first_sight and claim.contact_id not in self.first_seen_here:
                unused[claim.contact_id] = None
        self.changes.forgotten_contacts.extend(unused)

    def _stored_link(self, identifier: Identifier) -> tuple[int, str] | None:
        """Return who holds an identifier in the store by now, and by which event."""
        claim = self.reserved.get(identifier)
        if claim is not None:
            return claim.contact_id, claim.linked_by
        owner = self.snapshot.owners.get(identifier)
        if owner is None:
            return None
        links = self.snapshot.contacts[owner].links
        return owner, next(link.linked_by for link in links if link.identifier == identifier)
