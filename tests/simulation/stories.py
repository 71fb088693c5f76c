"""What people do in one seed: orders, parcels, sign-ups; who meets, leaves, changes their mind."""

from __future__ import annotations

from random import Random

from state.event import KINDS
from tests.simulation.cast import crowd
from tests.simulation.facts import Person
from tests.simulation.log import CONTACTS
from tests.simulation.workload import ACTIVE_SECONDS, Plan, Publication

#: What may come after an order: how likely it is, and within how many seconds.
AFTER_ORDERS = (
    ("email.opened", 0.7, 35),
    ("order.shipped", 0.8, 40),
    ("order.delivered", 0.7, 60),
    ("order.refunded", 0.25, 40),
)
AFTER_PARCELS = (
    ("parcel.scanned", 0.6, 25),
    ("parcel.lost", 0.3, 25),
    ("parcel.paid", 0.8, 45),
    ("parcel.signed", 0.7, 45),
    ("order.refunded", 0.15, 30),
)

#: How often a crowd does one thing: more often than there may be active runs of it (rule S2).
CROWDED = 104


def introduce(plan: Plan) -> list[Publication]:
    """Return the contact events that link the names of those who are known from the start."""
    first = []
    for person in plan.people:
        if person.fate == "linked":
            used = tuple(kind for kind in KINDS if kind in person.identifiers)
            fact = plan.fact("contact.identified", person, 0.0, {}, used)
            first.append(Publication(0.0, (CONTACTS, 0), fact))
    return first


def draw(plan: Plan, random: Random) -> None:
    """Draw everything that happens in the seed."""
    stories = Stories(plan, random)
    for number in range(random.randint(6, 12)):
        stories.order(number)
    for number in range(random.randint(2, 6)):
        stories.parcel(number)
    for number in range(random.randint(3, 6)):
        stories.sign_up(number)
    for _ in range(random.randint(3, 8)):
        stories.noise()
    for person in plan.people:
        stories.live(person)
    if random.random() < 0.06:
        stories.crowd()
    if plan.has("poison"):
        for _ in range(random.randint(1, 4)):
            stories.poison()
    plan.publications.sort(key=lambda each: (each.at, each.fact.id, each.partition))


class Stories:
    """Draws one thing after the other that people do."""

    def __init__(self, plan: Plan, random: Random) -> None:
        self._plan = plan
        self._random = random

    def _some_time(self) -> float:
        return self._random.uniform(0, ACTIVE_SECONDS)

    def _somebody(self) -> Person:
        return self._random.choice(self._plan.people)

    def order(self, number: int) -> None:
        """Order something; what may come of it is early, late, or too late."""
        person, at, order = self._somebody(), self._some_time(), f"o{number}"
        total = self._random.choice((5, 10, 20))
        self._plan.publish("order.completed", person, at, {"order": order, "total": total})
        self._follow(AFTER_ORDERS, person, at, order)
        if self._random.random() < 0.3:  # somebody else's, which must not match
            other = self._somebody()
            self._plan.publish("email.opened", other, at + 5, {"order": f"o{number + 100}"})

    def parcel(self, number: int) -> None:
        person, at, order = self._somebody(), self._some_time(), f"p{number}"
        self._plan.publish("parcel.sent", person, at, {"order": order})
        self._follow(AFTER_PARCELS, person, at, order)

    def _follow(
        self, later: tuple[tuple[str, float, int], ...], person: Person, at: float, order: str
    ) -> None:
        for name, likely, spread in later:
            if self._random.random() < likely:
                after = self._random.uniform(-3, spread) * self._random.random()
                self._plan.publish(name, person, at + after, {"order": order})

    def sign_up(self, number: int) -> None:
        person, at = self._somebody(), self._some_time()
        signed = {"order": f"s{number}", "score": self._random.choice((1, 5, 9))}
        self._plan.publish("user.signed_up", person, at, signed)
        if self._random.random() < 0.7:
            after = self._random.uniform(-2, 30) * self._random.random()
            self._plan.publish("user.confirmed", person, at + after, {"n": number})

    def noise(self) -> None:
        name = self._random.choice(("page.viewed", "page.left"))
        self._plan.publish(name, self._somebody(), self._some_time(), {})

    def poison(self) -> None:
        fate = self._random.choice(("unreadable", "refused", "tombstone"))
        at = self._some_time()
        fact = self._plan.fact("order.completed", self._somebody(), at, {"order": "p"})
        fact.fate = fate
        self._plan.publications.append(Publication(at, self._plan.anywhere(), fact))

    def crowd(self) -> None:
        """Do the same thing at once more often than runs of it may be active."""
        person, at = crowd(), self._some_time()
        self._plan.people.append(person)
        for number in range(CROWDED):
            order = {"order": f"c{number}", "total": 5}
            self._plan.publish("order.completed", person, at + number / 100, order)

    # --- lives ------------------------------------------------------------------------------------

    def live(self, person: Person) -> None:
        """Let happen what this person is there for."""
        match person.fate:
            case "meeting":
                for number in range(self._random.randint(1, 3)):
                    self._meet(person, number)
            case "leaving" if self._random.random() < 0.8:
                self._plan.publish("contact.deleted", person, self._some_time(), {})
            case "fickle":
                for _ in range(self._random.randint(1, 4)):
                    name = self._random.choice(("contact.unsubscribed", "contact.subscribed"))
                    self._plan.publish(name, person, self._some_time(), {})

    def _meet(self, person: Person, number: int) -> None:
        """Carry two names in one event: of contacts, of interest, or neither.

        Before that the person may do by each of the names what may be under way but once.
        """
        names = ("contact.identified", "page.viewed", "user.confirmed", "email.opened")
        name = self._random.choice(names)
        used = sorted(self._random.sample(sorted(person.identifiers), 2))
        payload = {"order": "none"} if name == "email.opened" else {}
        at = self._random.uniform(5, ACTIVE_SECONDS)
        self._plan.publish(name, person, at, payload, tuple(used))
        if self._random.random() < 0.5:
            trigger = self._random.choice(("parcel.sent", "user.signed_up"))
            for kind in used:
                done = {"order": f"{person.name}-{number}-{kind}", "score": 9}
                before = at - self._random.uniform(0, 12)
                self._plan.publish(trigger, person, before, done, (kind,))
