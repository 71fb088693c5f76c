"""One seed: a world is drawn, faults strike it, then it heals, drains and is audited."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from random import Random

from handlers.world import Rules
from state.automation import StoredVersion
from stream.relay import RelayLimits
from tests.kit import START, stored_version
from tests.simulation.auditor import audit
from tests.simulation.director import Director
from tests.simulation.drawings import FACTS, OF_INTEREST, documents
from tests.simulation.evidence import Evidence
from tests.simulation.faults import Faults
from tests.simulation.log import PARTITIONS, Group, SimLog
from tests.simulation.loop import DeadlockError, LivelockError, VirtualLoop, run
from tests.simulation.provider import Provider
from tests.simulation.store import Database
from tests.simulation.stories import draw, introduce
from tests.simulation.tables import PartitionRow, Tables
from tests.simulation.workload import ACTIVE_SECONDS, Plan, append

RULES = Rules(
    grace=timedelta(seconds=3), cap=timedelta(seconds=20), slack=timedelta(milliseconds=500)
)
LIMITS = RelayLimits(concurrency=4, lease=timedelta(seconds=8), attempts_max=5)

#: How many seeds a run has where `--seeds` does not say.
SEEDS = 300

#: How long a healed world may take until nothing is left to do, in seconds.
DRAIN_SECONDS = 300.0


@dataclass(slots=True)
class Result:
    """What came of one seed. `trace` is the hash of everything that happened, and when."""

    seed: int
    violations: list[str]
    trace: str
    seen: Counter[str]
    seconds: float


@cache
def definitions() -> tuple[StoredVersion, ...]:
    return tuple(stored_version(document) for document in documents())


class Simulation:
    """The world of one seed."""

    def __init__(self, seed: int, faults: frozenset[str] | None = None) -> None:
        self.seed = seed
        self.loop = VirtualLoop()
        self.random = random = Random(seed)
        self.faults = Faults.of_seed(random)
        if faults is not None:
            self.faults.enable_only(faults)
        self.tables = Tables(
            revision=1,
            definitions=list(definitions()),
            interest_since=dict.fromkeys(sorted(OF_INTEREST), START),
            partitions={partition: PartitionRow() for partition in PARTITIONS},
        )
        self.log = SimLog(self.loop)
        self.provider = Provider()
        self.plan = Plan(random, self.faults)
        self.director = Director(
            Database(self.loop, self.tables), self.log, Group(), self.provider, self.faults
        )
        self.evidence = Evidence(
            facts=self.plan.facts,
            people=self.plan.people,
            automations=FACTS,
            of_interest=OF_INTEREST,
            tables=self.tables,
            log=self.log,
            sent=self.provider,
            rules=RULES,
            pauses=self.director.operator.pauses,
            cancelled=self.director.operator.cancelled,
            is_calm=not self.faults.enabled,
        )

    def run(self) -> Result:
        """Run to the end; whatever goes wrong on the way is a violation too."""
        violations = []
        try:
            run(self._live(), self.loop)
            violations += audit(self.evidence)
        except (DeadlockError, LivelockError, AssertionError) as error:
            violations.append(f"{type(error).__name__}: {error}")
        violations += self.director.errors + self.director.operator.failed()
        seconds = self.loop.time()
        return Result(self.seed, violations, self._trace(), self._seen(), seconds)

    async def _live(self) -> None:
        self.director.start(RULES, LIMITS)
        for publication in introduce(self.plan):
            append(self.log, publication)
        await self._until_consumed(60.0)
        since = self.loop.time()
        draw(self.plan, self.random)
        self.director.strike()
        for publication in self.plan.publications:
            await asyncio.sleep(max(0.0, since + publication.at - self.loop.time()))
            self.director.maybe_mark(publication.partition)
            append(self.log, publication)
        await asyncio.sleep(max(0.0, since + ACTIVE_SECONDS - self.loop.time()))
        self.director.heal()
        await self._drain()

    async def _until_consumed(self, seconds: float) -> None:
        until = self.loop.time() + seconds
        while list(self._lag()) and self.loop.time() < until:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.5)

    async def _drain(self) -> None:
        """Wait until nothing is left to do: lag 0, outbox empty, no run that only time holds."""
        until = self.loop.time() + DRAIN_SECONDS
        left = list(self._left())
        while left and self.loop.time() < until and not self.director.errors:
            await asyncio.sleep(1.0)
            left = list(self._left())
        assert not left, f"liveness: {DRAIN_SECONDS:.0f} s after healing there is still {left[:5]}"

    def _lag(self) -> Iterator[str]:
        for partition, row in self.tables.partitions.items():
            if (row.next_offset or 0) < self.log.end(partition):
                yield f"lag in {partition}: {row.next_offset} of {self.log.end(partition)}"

    def _left(self) -> Iterator[str]:
        yield from self._lag()
        yield from (f"effect {row.effect.key}" for row in self.tables.outbox.values())
        yield from (f"run {run.run_id} {run.activity}" for run in self.tables.runs.values())

    def _trace(self) -> str:
        """Return the hash of every commit, attempt, message and final run."""
        tables = self.tables
        digest = hashlib.sha256()
        for part in (
            tables.commits,
            self.provider.attempts,
            self.director.operator.cancelled,
            self.director.operator.pauses,
            sorted(self.provider.sent.items()),
            sorted((str(one.run_id), one.reason, one.past) for one in tables.done.values()),
            [(fact.id, fact.copies) for fact in self.plan.facts],
            sorted(tables.names.items()),
            sorted(self._seen().items()),
        ):
            digest.update(repr(part).encode())
        return digest.hexdigest()

    def _seen(self) -> Counter[str]:
        return self.faults.seen + self.director.counted() + self.evidence.seen


def simulate(seed: int, faults: frozenset[str] | None = None) -> Result:
    """Run one seed, the same way every time."""
    return Simulation(seed, faults).run()
