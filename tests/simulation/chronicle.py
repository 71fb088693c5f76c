"""Who was who when: the log told once more, record by record, in the order in which it was applied.

Told from the facts and the commits alone. Each person is one or several contacts; two become one by
an event that names both, and one that is deleted is nobody any more, by whatever name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from state.event import Coordinates
from tests.simulation.evidence import Evidence, Happened
from tests.simulation.facts import Copy, Fact
from tests.simulation.log import SimLog
from tests.simulation.loop import EPOCH
from tests.simulation.tables import Commit

NEVER = EPOCH + timedelta(days=1)
ALWAYS = EPOCH - timedelta(days=1)

#: What people say about messages, and whether they leave by it.
CONSENT = {"contact.unsubscribed": True, "contact.subscribed": False}

#: A kind of identifier of a person, by which one is known.
Name = tuple[str, str]


@dataclass(eq=False, slots=True)
class Contact:
    """Some names that are one contact, until it is merged into another or deleted."""

    person: str
    merged_into: Contact | None = None
    merged_at: datetime = NEVER
    #: Since when the event that merged it stood in the log.
    linked_at: datetime = NEVER
    deleted_at: datetime = NEVER

    def became(self) -> Iterator[tuple[Contact, datetime, datetime]]:
        """Yield what it has become, each with since when, and since when the log could tell."""
        at = stood = ALWAYS
        contact: Contact | None = self
        while contact is not None:
            yield contact, at, stood
            at, stood = max(at, contact.merged_at), max(stood, contact.linked_at)
            contact = contact.merged_into

    @property
    def home(self) -> Contact:
        """Return what it has become in the end."""
        *_, (last, _, _) = self.became()
        return last


class Meeting(NamedTuple):
    """Since when two contacts are one, `NEVER` if they are not, and since when the log tells it."""

    at: datetime
    stood_at: datetime


def meeting(one: Contact, other: Contact) -> Meeting:
    """Return when two contacts became one."""
    known = {id(contact): (at, stood) for contact, at, stood in one.became()}
    for contact, at, stood in other.became():
        if id(contact) in known:
            here = known[id(contact)]
            return Meeting(max(at, here[0]), max(stood, here[1]))
    return Meeting(NEVER, NEVER)


def seen_at(one: Happened, trigger: Happened) -> datetime:
    """Return from when on a run of this trigger could see an event, `NEVER` if it never could."""
    return max(one.applied_at, meeting(one.contact, trigger.contact).at)


class Word(NamedTuple):
    """What a contact said about messages, that they leave or come back, and when it was known."""

    contact: Contact
    v: datetime
    leaves: bool
    landed_at: datetime


@dataclass(slots=True)
class Chronicle:
    """What became of each record: whose it was, or that its person had been deleted."""

    owners: dict[Name, Contact] = field(default_factory=dict)
    erased_before: dict[Name, datetime] = field(default_factory=dict)
    #: The contact of each record of a person's events, as it was when it was applied.
    contacts: dict[Coordinates, Contact] = field(default_factory=dict)
    #: Records that happened before their person was deleted, and came after it.
    erased: set[Coordinates] = field(default_factory=set)
    #: The instant of the turn that applied each record first.
    applied_at: dict[Coordinates, datetime] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)
    deletions: int = 0


def tell(evidence: Evidence) -> Chronicle:
    """Tell who was who, record by record."""
    chronicle = Chronicle()
    facts = {copy.coordinates: (fact, copy) for fact in evidence.facts for copy in fact.copies}
    kept = {record.event.id: record.event.coordinates for record in evidence.tables.events.values()}
    for place, commit in first_applied(evidence):
        chronicle.applied_at[place] = commit.now
        if place in facts:
            _apply(chronicle, evidence, *facts[place], commit, kept)
    return chronicle


def first_applied(evidence: Evidence) -> Iterator[tuple[Coordinates, Commit]]:
    """Yield every record with the commit that applied it first, in the order of D1."""
    told: set[Coordinates] = set()
    for commit in evidence.tables.commits:
        if commit.lane == "rewind":
            continue
        for place in _in_order(commit, evidence.log):
            if place not in told:
                told.add(place)
                yield place, commit


def _in_order(commit: Commit, log: SimLog) -> list[Coordinates]:
    """Return a turn's records: each partition's by offset, merged by their newest `recorded_at`."""
    keyed = []
    for topic, partition, _, from_offset, to_offset, *_ in commit.positions:
        newest = ALWAYS
        for offset in range(from_offset, to_offset):
            decoded = log.records[topic, partition][offset].decoded
            if decoded is not None:
                newest = max(newest, decoded.recorded_at)
                keyed.append((newest, Coordinates(topic, partition, offset)))
    return [place for _, place in sorted(keyed)]


def verdict_time(fact: Fact, copy: Copy) -> datetime:
    """Return V: what the event claims, else when the broker saw it (rule E1)."""
    return copy.recorded_at if fact.occurred_at is None else fact.occurred_at


def _apply(
    chronicle: Chronicle,
    evidence: Evidence,
    fact: Fact,
    copy: Copy,
    commit: Commit,
    kept: Mapping[str, Coordinates],
) -> None:
    if fact.fate not in ("good", "refused"):
        return
    names = [(fact.person.name, kind) for kind in fact.used]
    v = verdict_time(fact, copy)
    if fact.name == "contact.deleted":
        _delete(chronicle, names, v, commit.now)
        return
    is_of_interest = fact.name in evidence.of_interest
    is_somebody = is_of_interest or fact.name.startswith("contact.")
    known = [chronicle.owners[name] for name in names if name in chronicle.owners]
    if any(v < chronicle.erased_before.get(name, ALWAYS) for name in names):
        if is_somebody:
            chronicle.erased.add(copy.coordinates)
        return
    if fact.fate == "refused" or (is_of_interest and kept.get(fact.id) != copy.coordinates):
        return
    if is_somebody or (known and len(names) > 1):
        contact = _joined(known, fact, copy, commit.now)
        chronicle.contacts[copy.coordinates] = contact
        chronicle.owners.update(dict.fromkeys(names, contact))
        if fact.name in CONSENT:
            chronicle.words.append(Word(contact, v, CONSENT[fact.name], commit.at))
        for name, owner in chronicle.owners.items():
            if name[0] == fact.person.name:
                chronicle.owners[name] = owner.home


def _joined(known: list[Contact], fact: Fact, copy: Copy, now: datetime) -> Contact:
    different = list({id(contact): contact for contact in known}.values())
    if len(different) == 1:
        return different[0]
    contact = Contact(fact.person.name)
    for each in different:
        each.merged_into, each.merged_at, each.linked_at = contact, now, copy.at
    return contact


def _delete(chronicle: Chronicle, names: list[Name], v: datetime, now: datetime) -> None:
    """Make nobody of whom these names mean; the same deletion again does nothing (rule I5)."""
    before = chronicle.erased_before
    if all(v <= before.get(name, ALWAYS) for name in names):
        return
    gone = {id(chronicle.owners[name]) for name in names if name in chronicle.owners}
    for name, contact in list(chronicle.owners.items()):
        if id(contact) in gone:
            contact.deleted_at = now
            names.append(name)
            del chronicle.owners[name]
    for name in names:
        before[name] = max(v, before.get(name, ALWAYS))
    chronicle.deletions += len(gone)
