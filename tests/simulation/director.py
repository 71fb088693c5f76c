"""Brings faults about from outside, keeps workers alive, and heals the world at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta

from handlers.world import Rules
from state.turn import Position
from stream.relay import RelayLimits
from tests.simulation.facts import Interval
from tests.simulation.faults import BY_OPERATORS, FROM_OUTSIDE, Faults
from tests.simulation.log import PARTITIONS, Group, Member, SimLog
from tests.simulation.operators import Operator
from tests.simulation.process import Process
from tests.simulation.provider import Provider
from tests.simulation.store import Database
from tests.simulation.tables import Commit, Partition
from tests.simulation.worker import Worker

#: A member that was silent for so long is thought to be dead.
SESSION_SECONDS = 5.0
#: How often faults from outside strike, on average.
STRIKE_SECONDS = 4.0


class Director:
    """Workers come and go by its hand."""

    def __init__(
        self, database: Database, log: SimLog, group: Group, provider: Provider, faults: Faults
    ) -> None:
        self._database = database
        self._loop = database.loop
        self._log = log
        self._group = group
        self._provider = provider
        self._faults = faults
        self._random = faults.random
        self._workers: dict[str, Worker] = {}
        self._silent_since: dict[str, float] = {}
        self._born = 0
        self._rules = Rules()
        self._limits = RelayLimits()
        self._size = 0
        self._counted: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self.operator = Operator(database, faults)
        self.errors: list[str] = []
        self.intervals: list[Interval] = []

    def start(self, rules: Rules, limits: RelayLimits) -> None:
        self._rules, self._limits = rules, limits
        self._size = self._random.choice((1, 2, 2, 3))
        for _ in range(self._size):
            self._bear()
        self._rebalance()
        self._tasks.append(self._loop.create_task(self._supervise(), name="supervisor"))

    def strike(self) -> None:
        """Let the faults of this seed begin."""
        self._faults.is_healed = self.operator.faults.is_healed = False
        if self._faults.has("skew"):
            for partition in PARTITIONS:
                self._log.skews[partition] = timedelta(seconds=self._random.uniform(-3, 3))
        self._tasks.append(self._loop.create_task(self._strike(), name="nemesis"))

    def heal(self) -> None:
        """Let all faults end, at once."""
        self._faults.is_healed = True
        self._faults.down_until = 0.0
        self.operator.heal()
        now = self._loop.now()
        self.intervals[:] = [replace_end(each, now) for each in self.intervals]
        self._log.silent.clear()
        self._group.orphans.clear()
        for worker in self._workers.values():
            worker.paused.clear()
            worker.process.resume()
        self._rebalance()

    def maybe_mark(self, partition: Partition) -> None:
        if self._faults.has("gaps") and self._random.random() < 0.3:
            self._log.append_mark(partition)

    def counted(self) -> Counter[str]:
        """Return what all workers that ever lived have counted."""
        counted = Counter(self._counted)
        counted.update(self.operator.counters.snapshot())
        for worker in self._workers.values():
            counted.update(worker.counters.snapshot())
        return counted

    # --- workers ----------------------------------------------------------------------------------

    def _bear(self) -> None:
        self._born += 1
        process = Process(f"w{self._born}", self._loop, self._faults)
        worker = Worker(
            process, self._database, self._log, self._provider, self._rules, self._limits
        )
        self._workers[process.name] = worker
        for interval in self._open_intervals("paused"):
            worker.paused.add(interval.partition)
        self._group.join(Member(process.name, worker.assign))
        worker.start()

    async def _supervise(self) -> None:
        """Bury the dead, bear new ones, and let the group notice who is silent."""
        while True:
            await asyncio.sleep(1.0)
            before = self._present()
            for name, worker in list(self._workers.items()):
                if not worker.process.is_alive:
                    self._bury(name, worker)
            missing = self._size - len(self._workers)
            if missing and (self._faults.is_healed or self._random.random() < 0.3):
                self._bear()
            if self._present() != before:
                self._rebalance()

    def _bury(self, name: str, worker: Worker) -> None:
        del self._workers[name]
        self._group.leave(name)
        self._counted.update(worker.counters.snapshot())
        if worker.process.error is not None:
            error = worker.process.error
            self.errors.append(f"{name} died of {type(error).__name__}: {error}")

    def _present(self) -> frozenset[str]:
        """Return the members that the group believes to live."""
        now = self._loop.time()
        for name, worker in self._workers.items():
            if worker.process.is_paused:
                self._silent_since.setdefault(name, now)
            else:
                self._silent_since.pop(name, None)
        return frozenset(
            name
            for name in self._workers
            if now - self._silent_since.get(name, now) < SESSION_SECONDS
        )

    def _rebalance(self) -> None:
        order = list(PARTITIONS)
        self._random.shuffle(order)
        self._group.rebalance(self._present(), order)

    # --- faults -----------------------------------------------------------------------------------

    async def _strike(self) -> None:
        while not self._faults.is_healed:
            await asyncio.sleep(self._random.expovariate(1 / STRIKE_SECONDS))
            enabled = [name for name in (*FROM_OUTSIDE, *BY_OPERATORS) if self._faults.has(name)]
            if enabled:
                name = self._random.choice(enabled)
                if getattr(self, f"_{name}")():
                    self._faults.seen[name] += 1

    def _cancel(self) -> bool:
        return self.operator.cancel()

    def _hold(self) -> bool:
        return self.operator.pause("hold")

    def _freeze(self) -> bool:
        return self.operator.pause("freeze")

    def _any(self) -> Worker | None:
        running = [each for each in self._workers.values() if each.process.is_alive]
        return self._random.choice(running) if running else None

    def _kill(self) -> bool:
        worker = self._any()
        if worker is not None:
            worker.process.kill()
        return worker is not None

    def _zombie(self) -> bool:
        worker = self._any()
        if worker is None or worker.process.is_paused:
            return False
        worker.process.pause(self._random.choice((2.0, 8.0, 20.0, 40.0)))
        return True

    def _reshuffle(self) -> bool:
        self._rebalance()
        return True

    def _database_down(self) -> bool:
        self._faults.down_until = self._loop.time() + self._random.uniform(0.5, 5.0)
        return True

    def _paused(self) -> bool:
        interval = self._begin("paused")
        for worker in self._workers.values():
            worker.paused.add(interval.partition)
        return True

    def _stuck(self) -> bool:
        self._log.silent.add(self._begin("stuck").partition)
        return True

    def _unowned(self) -> bool:
        self._group.orphans.add(self._begin("unowned").partition)
        self._rebalance()
        return True

    def _begin(self, kind: str) -> Interval:
        """Begin a fault of one partition; the hour of the real world is a minute or two here."""
        seconds = self._random.choice((5.0, 30.0, 60.0))
        now = self._loop.now()
        partition = self._random.choice(PARTITIONS)
        interval = Interval(kind, partition, now, now + timedelta(seconds=seconds))
        self.intervals.append(interval)
        self._loop.call_later(seconds, self._end, kind, partition)
        return interval

    def _end(self, kind: str, partition: Partition) -> None:
        if any(each.partition == partition for each in self._open_intervals(kind)):
            return
        self._log.silent -= {partition} if kind == "stuck" else set()
        for worker in self._workers.values():
            worker.paused -= {partition} if kind == "paused" else set()
        if kind == "unowned" and partition in self._group.orphans:
            self._group.orphans.remove(partition)
            self._rebalance()

    def _open_intervals(self, kind: str) -> list[Interval]:
        now = self._loop.now()
        return [each for each in self.intervals if each.kind == kind and each.until > now]

    def _rewind(self) -> bool:
        """Set a partition's offset back, as an operator does who wants records read again."""
        partition = self._random.choice(PARTITIONS)
        row = self._database.tables.partitions[partition]
        is_free = self._database.locks.is_free(("partition", *partition), None)
        if not row.next_offset or not is_free:
            return False
        back = max(0, row.next_offset - self._random.randint(1, 12))
        row.epoch += 1
        step = Position(*partition, row.epoch, row.next_offset, back)
        now = self._loop.now()
        self._database.tables.commits.append(Commit(now, now, "rewind", 0, (step,)))
        row.next_offset = back
        return True


def replace_end(interval: Interval, now: datetime) -> Interval:
    return interval._replace(until=min(interval.until, now))
