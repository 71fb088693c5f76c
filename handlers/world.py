"""The working copy of one group of contacts during one turn, and what the turn changes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from state.automation import Catalogue, Version
from state.contact import Contact, Link, Profile
from state.event import Event, Identifier
from state.evidence import Finding
from state.run import Run, Sending
from state.turn import (
    Changes,
    Claim,
    ClosedWait,
    Enrolment,
    Need,
    RunChange,
    Seen,
    Snapshot,
    StoredEvent,
    Withdrawn,
)

#: The evidence of one event, in the order in which it was judged.
Findings = list[Finding]

#: The owner of an identifier that was released in this turn.
NOBODY = 0

#: A wait looks back at most this far (rule W2).
LOOK_BACK_MAX = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class Rules:
    """The durations that operators may set and every decision obeys."""

    grace: timedelta = timedelta(seconds=30)
    cap: timedelta = timedelta(minutes=15)
    slack: timedelta = timedelta(seconds=5)
    event_age_max: timedelta = timedelta(days=7)
    topic_retention: timedelta = timedelta(days=7)
    run_age_max: timedelta = timedelta(days=400)

    @property
    def trigger_age_max(self) -> timedelta:
        """Return the age from which a trigger starts nothing: S5, or E4's horizon if nearer."""
        return min(self.event_age_max, self.topic_retention + timedelta(days=7))


class NeedsLookBack(Exception):
    """The decision came to a wait whose stored events were not read; read them, decide again."""

    def __init__(self, needs: Sequence[Need]) -> None:
        super().__init__(f"{len(needs)} look-backs needed")
        self.needs = tuple(needs)


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


class StoredEvents:
    """What look-backs have read so far, by contact and name, with the floor they were read from."""

    def __init__(self) -> None:
        self._events: dict[tuple[int, str], list[StoredEvent]] = {}
        self._floors: dict[tuple[int, str], datetime] = {}

    def add(self, needs: Sequence[Need], events: Sequence[StoredEvent]) -> None:
        """Take in the answer to these needs; every need counts as answered, found or not."""
        widened = set()
        for need in needs:
            key = (need.contact_id, need.name)
            floor = self._floors.get(key)
            if floor is None or need.floor < floor:
                self._floors[key], self._events[key] = need.floor, []
                widened.add(key)
        for event in events:
            # What was read from further back already holds these, and more.
            if (event.contact_id, event.name) in widened:
                self._events[event.contact_id, event.name].append(event)

    def since(self, need: Need) -> Sequence[StoredEvent] | None:
        """Return the stored events that a need asks for, or None if they were not read yet."""
        key = (need.contact_id, need.name)
        floor = self._floors.get(key)
        if floor is None or floor > need.floor:
            return None
        return [event for event in self._events[key] if event.v >= need.floor]


@dataclass(slots=True)
class World:
    """Everything one group's decision reads and changes; a fresh one for each attempt.

    `reserved` are identifiers that this turn claimed before the lock: they count as unbound until
    the fold binds them, and tell which contact number to use when it does. `oldest_v` is the oldest
    V among the group's events, None if it has none.
    """

    snapshot: Snapshot
    catalogue: Catalogue
    rules: Rules
    stored: StoredEvents
    reserved: Mapping[Identifier, Claim]
    fresh_contact_ids: FreshContactIds
    changes: Changes
    oldest_v: datetime | None = None
    owners: dict[Identifier, int] = field(default_factory=dict)
    contacts: dict[int, Contact] = field(default_factory=dict)
    runs: dict[int, dict[UUID, Run]] = field(default_factory=dict)
    closed: dict[int, list[ClosedWait]] = field(default_factory=dict)
    seen: dict[UUID, Seen] = field(default_factory=dict)
    arrived: dict[tuple[int, str], list[StoredEvent]] = field(default_factory=dict)
    first_seen_here: set[int] = field(default_factory=set)
    loaded_runs: dict[UUID, Run] = field(default_factory=dict)
    touched_runs: dict[UUID, Run] = field(default_factory=dict)
    scopes: dict[int, tuple[Contact, dict[str, object]]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """Return the turn's one instant (rule D3)."""
        return self.snapshot.now

    def contact(self, contact_id: int) -> Contact:
        """Return a contact as it stands now in this turn."""
        found = self.contacts.get(contact_id)
        if found is None:
            loaded = self.snapshot.contacts[contact_id]
            bound = tuple(link for link in loaded.links if link.identifier not in self.reserved)
            found = self.contacts[contact_id] = _with_links(loaded, bound)
        return found

    def contact_scope(self, contact_id: int) -> dict[str, object]:
        """Return what `contact.*` reads now; built once for each state of the contact."""
        contact = self.contact(contact_id)
        known = self.scopes.get(contact_id)
        if known is None or known[0] is not contact:
            known = self.scopes[contact_id] = (contact, contact.scope())
        return known[1]

    def look_back_floor(self, contact_id: int) -> datetime:
        """Return a floor below that of every wait that counts from its run's start (rule W2)."""
        loaded = self.snapshot.runs.get(contact_id, ())
        starts = [self.oldest_v or self.now, *(run.trigger.v for run in loaded)]
        return min(starts) - self.rules.slack

    def owner_of(self, identifier: Identifier) -> int | None:
        """Return who holds an identifier now in this turn, or None."""
        if identifier in self.owners:
            return self.owners[identifier] or None
        if identifier in self.reserved:
            return None
        return self.snapshot.owners.get(identifier)

    def create_contact(self, event: Event, first: Identifier) -> Contact:
        """Return a new contact for an identifier nobody holds, numbered as it was claimed."""
        claim = self.reserved.get(first)
        is_claimed = (
            claim is not None and claim.is_first_sight and claim.contact_id not in self.contacts
        )
        contact_id = claim.contact_id if claim and is_claimed else self.fresh_contact_ids.take()
        contact = Contact(contact_id, event.recorded_by(self.now))
        self.contacts[contact_id] = contact
        self.first_seen_here.add(contact_id)
        if not is_claimed:
            self.changes.new_contacts.append(contact)
        return contact

    def bind(self, contact_id: int, identifier: Identifier, event_id: str) -> None:
        """Give an identifier that nobody holds to a contact (rules I1, I2)."""
        contact = self.contact(contact_id)
        link = Link(identifier, self.now, event_id)
        self.owners[identifier] = contact_id
        self.contacts[contact_id] = _with_links(contact, (*contact.links, link))

    def release(self, contact_id: int, identifier: Identifier) -> None:
        """Take an identifier from its contact; the next sight of it makes a new one (rule I2)."""
        contact = self.contact(contact_id)
        kept = tuple(link for link in contact.links if link.identifier != identifier)
        self.contacts[contact_id] = _with_links(contact, kept)
        self.owners[identifier] = NOBODY

    def set_profile(self, contact_id: int, profile: Profile) -> None:
        """Change what is known of a contact."""
        contact = self.contact(contact_id)
        self.contacts[contact_id] = Contact(contact_id, contact.created_at, contact.links, profile)
        self.changes.profiles[contact_id] = profile

    def active_runs(self, contact_id: int) -> dict[UUID, Run]:
        """Return a contact's active runs as they stand now in this turn."""
        found = self.runs.get(contact_id)
        if found is None:
            loaded = self.snapshot.runs.get(contact_id, ())
            found = self.runs[contact_id] = {run.run_id: run for run in loaded}
            self.loaded_runs.update(found)
        return found

    def put_run(self, run: Run) -> None:
        """Keep a run's new state; an ended one is no longer among the active."""
        active = self.active_runs(run.contact_id)
        self._withdraw(run)
        self.touched_runs[run.run_id] = run
        if run.status == "running":
            active[run.run_id] = run
        else:
            active.pop(run.run_id, None)

    def _withdraw(self, run: Run) -> None:
        """Call back the send at which a run stood, if it was not its answer that ended it (F3)."""
        before = self.touched_runs.get(run.run_id) or self.loaded_runs.get(run.run_id)
        if run.reason is None or before is None or not isinstance(before.parked, Sending):
            return
        effect_id = before.parked.effect_id
        if all(answer.effect_id != effect_id for answer in self.changes.answers):
            withdrawn = Withdrawn(effect_id, run.run_id, run.contact_id, run.reason)
            self.changes.withdrawn.append(withdrawn)

    def version_of(self, run: Run) -> Version:
        """Return the version a run is pinned to (rule S1)."""
        return self.catalogue.versions[run.automation_id, run.version]

    def closed_waits(self, contact_id: int) -> list[ClosedWait]:
        """Return the contact's waits that timed out lately and have no late match yet (W5)."""
        found = self.closed.get(contact_id)
        if found is None:
            found = self.closed[contact_id] = list(self.snapshot.closed_waits.get(contact_id, ()))
        return found

    def enrolment(self, contact_id: int, automation_id: UUID) -> Enrolment | None:
        """Return the memory of a contact's last entry, as far as re-entry keeps one (rule S2)."""
        key = (contact_id, automation_id)
        return self.changes.enrolments.get(key) or self.snapshot.enrolments.get(key)

    def enrol(self, contact_id: int, automation_id: UUID, v: datetime) -> None:
        """Remember an entry for `once` and `after:` (rule S2)."""
        known = self.enrolment(contact_id, automation_id)
        last_v = v if known is None else max(v, known.last_v)
        self.changes.enrolments[contact_id, automation_id] = Enrolment(last_v)

    def seen_event(self, key: UUID) -> Seen | None:
        """Return the stored event of this key, from this turn or an earlier one (rule E4)."""
        return self.seen.get(key) or self.snapshot.seen.get(key)

    def stored_events(self, needs: Sequence[Need]) -> Sequence[StoredEvent]:
        """Return stored events for the first need, of earlier turns and this one, unordered.

        Raises:
            NeedsLookBack: the store was not asked yet. All of `needs` are asked for together, so
                that the waits further down the same version cost no further round.
        """
        wanted = needs[0]
        here = self.arrived.get((wanted.contact_id, wanted.name), [])
        fresh = [event for event in here if event.v >= wanted.floor]
        if wanted.contact_id in self.first_seen_here:
            return fresh
        earlier = self.stored.since(wanted)
        if earlier is None:
            raise NeedsLookBack(needs)
        return [*earlier, *fresh]

    def settle(self) -> Changes:
        """Return the finished changes: run changes as before and after, unused claims undone."""
        for run_id, after in self.touched_runs.items():
            self.changes.runs.append(RunChange(self.loaded_runs.get(run_id), after))
        self._settle_identifiers()
        return self.changes

    def _settle_identifiers(self) -> None:
        """Compare who holds what with what is stored, claims of this turn included."""
        relinked: dict[int, None] = {}
        for identifier, owner in self.owners.items():
            if owner == NOBODY:
                self.changes.unbinds.append(identifier)
            elif self._stored_link(identifier) != (owner, self._linked_by(owner, identifier)):
                relinked[owner] = None
        for owner in relinked:  # all that was linked here, so that the order is kept as well
            self.changes.binds.extend(
                (owner, link)
                for link in self.contacts[owner].links
                if self.owners.get(link.identifier) == owner
            )
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

    def _linked_by(self, owner: int, identifier: Identifier) -> str:
        links = self.contacts[owner].links
        return next(link.linked_by for link in links if link.identifier == identifier)


def _with_links(contact: Contact, links: tuple[Link, ...]) -> Contact:
    return Contact(contact.contact_id, contact.created_at, links, contact.profile)
