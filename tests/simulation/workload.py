"""What producers publish in one seed: planned beforehand, from the seed's random numbers alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from state.event import KINDS, Coordinates, Decoded, Event, Identifier, Rejected, Tombstone
from tests.simulation.facts import Copy, Fact, Person
from tests.simulation.faults import Faults
from tests.simulation.log import CONTACTS, PARTITIONS, SimLog
from tests.simulation.loop import EPOCH
from tests.simulation.store import REFUSED_TEXT
from tests.simulation.tables import Partition

#: How long producers publish triggers, in seconds.
ACTIVE_SECONDS = 50.0


def people() -> list[Person]:
    """Return people known by one name, always by two, and by several that were linked before."""
    solo = [Person(f"solo{n}", {"email": f"solo{n}@x.io"}, (("email",),)) for n in range(2)]
    both = [
        Person(
            f"both{n}",
            {"external_id": f"both-{n}", "email": f"both{n}@x.io"},
            (("external_id", "email"),),
        )
        for n in range(2)
    ]
    linked = [
        Person(
            f"linked{n}",
            {"external_id": f"u{n}", "email": f"linked{n}@x.io", "anonymous_id": f"a{n}"},
            (("external_id",), ("email",), ("anonymous_id",), ("email", "anonymous_id")),
        )
        for n in range(2)
    ]
    nobody = Person("nobody", {"anonymous_id": "nobody"}, (("anonymous_id",),))
    return [*solo, *both, *linked, nobody]


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

    def introduce(self) -> list[Publication]:
        """Return the contact events that link the names of those who use several."""
        first = []
        for person in self.people:
            if len(person.names) > 1:
                used = tuple(kind for kind in KINDS if kind in person.identifiers)
                fact = self._fact("contact.identified", person, 0.0, {}, used)
                first.append(Publication(0.0, (CONTACTS, 0), fact))
        return first

    def draw(self) -> None:
        """Draw all orders, sign-ups, noise and poison of the seed."""
        for number in range(self._random.randint(6, 12)):
            self._order(self._random.uniform(0, ACTIVE_SECONDS), number)
        for number in range(self._random.randint(3, 6)):
            self._sign_up(self._random.uniform(0, ACTIVE_SECONDS), number)
        for _ in range(self._random.randint(3, 8)):
            self._noise(self._random.uniform(0, ACTIVE_SECONDS))
        if self._faults_of("poison"):
            for _ in range(self._random.randint(1, 4)):
                self._poison(self._random.uniform(0, ACTIVE_SECONDS))
        self.publications.sort(key=lambda each: (each.at, each.fact.id, each.partition))

    def _faults_of(self, name: str) -> bool:
        return name in self._faults.enabled

    # --- stories ----------------------------------------------------------------------------------

    def _order(self, at: float, number: int) -> None:
        """An order, and what may come after it: some of it early, some late, some too late."""
        person = self._random.choice(self.people)
        order = {"order": f"o{number}", "total": self._random.choice((5, 10, 20))}
        self._publish("order.completed", person, at, order)
        for name, likely, spread in (
            ("email.opened", 0.7, 35),
            ("order.shipped", 0.8, 40),
            ("order.delivered", 0.7, 60),
            ("order.refunded", 0.25, 40),
        ):
            if self._random.random() < likely:
                after = self._random.uniform(-3, spread) * self._random.random()
                self._publish(name, person, at + after, {"order": f"o{number}"})
        if self._random.random() < 0.3:  # somebody else's, which must not match
            other = self._random.choice(self.people)
            self._publish("email.opened", other, at + 5, {"order": f"o{number + 100}"})

    def _sign_up(self, at: float, number: int) -> None:
        person = self._random.choice(self.people)
        signed = {"order": f"s{number}", "score": self._random.choice((1, 5, 9))}
        self._publish("user.signed_up", person, at, signed)
        if self._random.random() < 0.7:
            after = self._random.uniform(-2, 30) * self._random.random()
            self._publish("user.confirmed", person, at + after, {"n": number})

    def _noise(self, at: float) -> None:
        name = self._random.choice(("page.viewed", "page.left"))
        self._publish(name, self._random.choice(self.people), at, {})

    def _poison(self, at: float) -> None:
        fate = self._random.choice(("unreadable", "refused", "tombstone"))
        fact = self._fact("order.completed", self._random.choice(self.people), at, {"order": "p"})
        fact.fate = fate
        self.publications.append(Publication(at, self._anywhere(), fact))

    # --- publishing -------------------------------------------------------------------------------

    def _publish(self, name: str, person: Person, at: float, payload: dict[str, object]) -> None:
        """Plan an event that happened at `at`; it is published a little, or much, later."""
        at = max(0.0, at)
        fact = self._fact(name, person, at, payload)
        if self._random.random() < 0.15:
            fact.occurred_at = None
        self._plan(fact, at)
        if self._faults_of("duplicate") and self._random.random() < 0.2:
            self._plan(fact, at + self._random.uniform(0, 20))
        if self._faults_of("conflict") and self._random.random() < 0.08:
            twin = Fact(
                fact.id, person, name, fact.occurred_at, {**payload, "twin": True}, fact.used
            )
            self.facts.append(twin)
            self._plan(twin, at + self._random.uniform(0, 3))

    def _plan(self, fact: Fact, at: float) -> None:
        delay = self._random.expovariate(1 / 1.5)
        if self._faults_of("late") and self._random.random() < 0.2:
            delay = self._random.uniform(0, 60)
        self.publications.append(Publication(at + delay, self._place(fact), fact))

    def _place(self, fact: Fact) -> Partition:
        """Choose a partition: by the person, as producers should, or anywhere."""
        if self._faults_of("scatter"):
            return self._anywhere()
        digest = hashlib.sha256(fact.person.name.encode()).digest()
        homes = [each for each in PARTITIONS if each[0] != CONTACTS]
        return homes[digest[0] % len(homes)]

    def _anywhere(self) -> Partition:
        return self._random.choice([each for each in PARTITIONS if each[0] != CONTACTS])

    def _fact(
        self,
        name: str,
        person: Person,
        at: float,
        payload: dict[str, object],
        used: tuple[str, ...] = (),
    ) -> Fact:
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
