"""What may go wrong in one seed: a random subset of all faults, each as often as the seed says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

#: Faults that strike at any await of a worker, with the greatest chance of each.
AT_AWAIT = {
    "crash": 0.0015,
    "unavailable": 0.02,
    "moved": 0.03,
    "unknown": 0.10,
    "slow": 0.05,
}

#: Faults that the director brings about from outside, every few seconds.
FROM_OUTSIDE = (
    "kill",
    "zombie",
    "reshuffle",
    "paused",
    "stuck",
    "unowned",
    "rewind",
    "database_down",
)

#: What operators do meanwhile, as often as the director brings faults about.
BY_OPERATORS = ("hold", "freeze", "cancel")

#: Faults of a sender's outcome, with the greatest chance of each.
OF_SENDERS = {
    "not_now": 0.3,
    "unsure": 0.15,
    "declined": 0.1,
    "hangs": 0.2,
    "raises": 0.2,
    "executed_then_hangs": 0.2,
}

#: Faults of producers and the log.
OF_THE_LOG = ("duplicate", "conflict", "poison", "scatter", "late", "skew", "gaps", "wrong_seek")


@dataclass(slots=True)
class Faults:
    """One seed's faults. `seen` counts what really happened, for the sometimes-assertions."""

    random: Random
    enabled: frozenset[str]
    chances: dict[str, float]
    seen: Counter[str] = field(default_factory=Counter)
    is_healed: bool = True
    #: Until when the database does not answer.
    down_until: float = 0.0

    @classmethod
    def of_seed(cls, random: Random) -> Faults:
        """Draw a swarm: every fault is on or off as a whole, so that rare ones meet quiet ones."""
        share = random.choice((0.0, 0.2, 0.5, 0.5, 0.8))
        known = [*AT_AWAIT, *FROM_OUTSIDE, *BY_OPERATORS, *OF_SENDERS, *OF_THE_LOG]
        enabled = frozenset(name for name in known if random.random() < share)
        most = AT_AWAIT | OF_SENDERS
        chances = {name: most[name] * random.uniform(0.2, 1.0) for name in most if name in enabled}
        return cls(random, enabled, chances)

    def enable_only(self, names: frozenset[str]) -> None:
        """Switch exactly these faults on, with their greatest chances."""
        most = AT_AWAIT | OF_SENDERS
        self.enabled = names
        self.chances = {name: most[name] for name in sorted(names & most.keys())}

    def has(self, name: str) -> bool:
        """Tell whether a fault may happen now."""
        return not self.is_healed and name in self.enabled

    def strikes(self, name: str) -> bool:
        """Draw whether a fault happens here and now, and count it."""
        if self.is_healed:
            return False
        chance = self.chances.get(name)
        if chance is None or self.random.random() >= chance:
            return False
        self.seen[name] += 1
        return True

    def latency(self) -> float | None:
        """Draw how long an operation takes: mostly no time, now and then enough to be overtaken.

        None: it is over before anybody else can do anything.
        """
        drawn = self.random.random()
        if drawn < 0.5:
            return None
        if drawn < 0.8:
            return 0.0
        if self.strikes("slow"):
            return self.random.uniform(0.5, 12.0)
        return 0.02 * drawn * drawn
