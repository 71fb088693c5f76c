"""What producers publish in one seed: planned beforehand, from the seed's random numbers alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from state.event import KINDS, Coordinates, Decoded, Event, Identifier, Rejected, Tombstone
from tests.simulation.cast import people
from tests.simulation.facts import Copy, Fact, Person
from tests.simulation.faults import Faults
from tests.simulation.log import CONTACTS, PARTITIONS, SimLog
from tests.simulation.loop import EPOCH
from tests.simulation.store import REFUSED_TEXT
from tests.simulation.tables import Partition

#: How long producers publish triggers, in seconds.
ACTIVE_SECONDS = 50.0


class Publication(NamedTuple):
    """A fact on its way into the log."""

    at: float
    partition: Partition
    fact: Fact


class Plan:
    """Everything that will be published. Draws only from the random numbers it is given."""

    def __init__(self, random: Random, faults: Faults) -> None:
        self._random = random
        self._faults = faults
        self._ids = 0
        self.people = people()
        self.facts: list[Fact] = []
        self.publications: list[Publication] = []

    def has(self, name: str) -> bool:
        """Tell whether a fault of producers or the log belongs to this seed."""
        return name in self._faults.enabled

    def publish(
        self,
        name: str,
        person: Person,
        at: float,
        payload: dict[str, object],
        used: tuple[str, ...] = (),
    ) -> None:
        """Plan an event that happened at `at`; it is published a little, or much, later."""
        at = max(0.0, at)
        fact = self.fact(name, person, at, payload, used)
        if self._random.random() < 0.15:
            fact.occurred_at = None
        self._plan(fact, at)
        if self.has("duplicate") and self._random.random() < 0.2:
            self._plan(fact, at + self._random.uniform(0, 20))
        if self.has("conflict") and self._random.random() < 0.08:
            twin = Fact(
                fact.id, person, name, fact.occurred_at, {**payload, "twin": True}, fact.used
            )
            self.facts.append(twin)
            self._plan(twin, at + self._random.uniform(0, 3))

    def _plan(self, fact: Fact, at: float) -> None:
        delay = self._random.expovariate(1 / 1.5)
        if self.has("late") and self._random.random() < 0.2:
            delay = self._random.uniform(0, 60)
        self.publications.append(Publication(at + delay, self._place(fact), fact))

    def _place(self, fact: Fact) -> Partition:
        """Choose a partition: by the person, as producers should, or anywhere."""
        if fact.name.startswith("contact."):
            return CONTACTS, 0
        if self.has("scatter"):
            return self.anywhere()
        digest = hashlib.sha256(fact.person.name.encode()).digest()
        homes = [each for each in PARTITIONS if each[0] != CONTACTS]
        return homes[digest[0] % len(homes)]

    def anywhere(self) -> Partition:
        """Choose a partition of events."""
        return self._random.choice([each for each in PARTITIONS if each[0] != CONTACTS])

    def fact(
        self,
        name: str,
        person: Person,
        at: float,
        payload: dict[str, object],
        used: tuple[str, ...] = (),
    ) -> Fact:
        """Return a fact of which no copy is planned yet; `used` are the kinds of its names."""
        self._ids += 1
        fact = Fact(
            id=f"e{self._ids}",
            person=person,
            name=name,
            occurred_at=EPOCH + timedelta(seconds=round(at, 3)),
            payload=payload,
            used=used or self._random.choice(person.names),
        )
        self.facts.append(fact)
        return fact


def append(log: SimLog, publication: Publication) -> Coordinates:
    """Put a fact into the log, and note where it stands."""
    fact = publication.fact
    now = log.now()
    place = log.append(
        publication.partition, lambda place, recorded_at: record_of(fact, place, recorded_at)
    )
    recorded_at = now + log.skews[publication.partition]
    fact.copies.append(Copy(place, now, recorded_at))
    return place


def record_of(fact: Fact, place: Coordinates, recorded_at: datetime) -> Decoded:
    """Return a fact as the decoder would hand it over."""
    if fact.fate == "tombstone":
        return Tombstone(place, recorded_at)
    if fact.fate == "unreadable":
        return Rejected("bad_json", "simulated", place, recorded_at, b"{", b"", (), fact.id)
    return Event(
        key=uuid5(NAMESPACE_URL, fact.id),
        source="sim",
        id=fact.id,
        name=fact.name,
        occurred_at=fact.occurred_at or recorded_at,
        recorded_at=recorded_at,
        coordinates=place,
        identifiers=tuple(_identifiers(fact)),
        payload=fact.payload,
        payload_text=REFUSED_TEXT if fact.fate == "refused" else str(fact.payload),
        body_hash=uuid5(NAMESPACE_URL, repr(fact.body())),
        claims_time=fact.occurred_at is not None,
        is_contact_event=fact.name.startswith("contact."),
    )


def _identifiers(fact: Fact) -> Iterator[Identifier]:
    for kind in KINDS:
        if kind in fact.used:
            yield Identifier(kind, fact.person.identifiers[kind])
