"""A worker: the real processor, wake and relay, and a small consumer in front of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from handlers.world import Rules
from state.effect import Channel
from state.share import Share
from state.turn import Moved, Unavailable
from stream.consuming.batches import Batch, Slice
from stream.consuming.watermark import Watermark
from stream.processor import Processor
from stream.relay import Relay, RelayLimits
from stream.telemetry import Counters
from stream.wake import Wake
from tests.simulation.log import PARTITIONS, SimLog
from tests.simulation.process import Process, SimClock
from tests.simulation.provider import Provider, SimSender
from tests.simulation.store import Database, SimStore, Touched
from tests.simulation.tables import Partition

#: How often an idle consumer looks for records, and how seldom it refreshes when nothing is due.
POLL_SECONDS = 0.25
CALM_SECONDS = 5.0


@dataclass(slots=True)
class Held:
    """A partition that is ours under this epoch, and how far it is committed."""

    epoch: int
    at: int


class Worker:
    """One incarnation of a worker. Its memory is lost when its process dies."""

    def __init__(
        self,
        process: Process,
        database: Database,
        log: SimLog,
        provider: Provider,
        rules: Rules,
        limits: RelayLimits,
    ) -> None:
        self.process = process
        self.counters = Counters()
        clock = SimClock(process)
        self.store = SimStore(database, process)
        self.processor = Processor(self.store, rules, clock, self.counters)
        self.wake = Wake(self.store, self.processor, clock, self._share)
        senders = dict.fromkeys(get_args(Channel), SimSender(provider, process))
        self.relay = Relay(self.store, self.processor, senders, clock, self.counters, limits)
        self._log = log
        self._clock = clock
        self._wanted: frozenset[Partition] = frozenset()
        self._is_changed = False
        self._held: dict[Partition, Held] = {}
        self._watermark = Watermark()
        self._refreshed_at = -CALM_SECONDS
        #: Partitions that this worker has paused itself.
        self.paused: set[Partition] = set()

    def start(self) -> None:
        self.process.spawn("consumer", self._consume)
        self.process.spawn("wake", self.wake.run)
        self.process.spawn("relay", self.relay.run)

    def assign(self, partitions: frozenset[Partition]) -> None:
        """Take note of a rebalance: everything has to be taken anew."""
        self._wanted = partitions
        self._is_changed = True

    def _share(self) -> Share:
        own = (place for place, each in enumerate(PARTITIONS) if each in self._held)
        return Share(len(PARTITIONS), tuple(own))

    async def _consume(self) -> None:
        while True:
            try:
                if self._is_changed:
                    await self._take()
                await self._refresh()
                batch = self._read()
                if batch.slices:
                    await self._apply(batch)
                else:
                    await self._clock.sleep(POLL_SECONDS)
            except (Moved, Unavailable):
                await self._clock.sleep(POLL_SECONDS)

    async def _take(self) -> None:
        for partition in self._held:
            self._watermark.forget(partition)
        self._held.clear()
        self._is_changed = False
        wanted = sorted(self._wanted)
        try:
            taken = await self.store.take(wanted)
        except (Moved, Unavailable):
            self._is_changed = True
            raise
        if self._is_changed:
            return  # a rebalance came meanwhile
        for partition, (offset, epoch) in taken.items():
            if self.process.faults.has("wrong_seek") and self.process.faults.random.random() < 0.2:
                self.process.faults.seen["wrong_seek"] += 1
                offset = max(0, offset - 2)
            self._held[partition] = Held(epoch, offset)

    def _read(self) -> Batch:
        slices = []
        for partition, held in sorted(self._held.items()):
            limit = self.process.faults.random.choice((1, 2, 5, 20))
            decoded, to = ([], held.at)
            if partition not in self.paused:
                decoded, to = self._log.read(partition, held.at, limit)
            if decoded:
                low = self._watermark.low(partition, to)
                slices.append(Slice(*partition, held.epoch, held.at, to, tuple(decoded), low))
        return Batch(tuple(slices))

    async def _apply(self, batch: Batch) -> None:
        result = await self.processor.apply_batch(batch)
        for part in batch.slices:
            partition = (part.topic, part.partition)
            held = self._held.get(partition)
            if held is None or held.epoch != part.epoch:
                continue
            if partition in result.fenced:
                self._lose(partition)
            else:
                held.at = part.to_offset
                self._watermark.stored(partition, part.low)

    async def _refresh(self) -> None:
        """Ask where the logs end; store how far we are of what rests (rule W4)."""
        now = self._clock.monotonic()
        every = POLL_SECONDS if self.wake.is_pressing else CALM_SECONDS
        if not self._held or now - self._refreshed_at < every:
            return
        self._refreshed_at = now
        asked_at = await self.store.now()  # the instant first: what comes between must not count
        await self.process.checkpoint()
        self._watermark.asked(asked_at, {each: self._log.end(each) for each in self._held})
        rows = [self._touched(each) for each in sorted(self._held)]
        fenced = await self.store.touch(rows)
        for row in rows:
            held = self._held.get(row.partition)
            if held is None or held.epoch != row.epoch:
                continue
            if row.partition in fenced:
                self._lose(row.partition)
            else:
                held.at = max(held.at, row.to)
                self._watermark.stored(row.partition, row.low)

    def _touched(self, partition: Partition) -> Touched:
        held, is_resumed = self._held[partition], partition not in self.paused
        to = self._log.read(partition, held.at, 0)[1] if is_resumed else held.at
        low = self._watermark.low(partition, to)
        return Touched(partition, held.epoch, low, to, is_resumed)

    def _lose(self, partition: Partition) -> None:
        """Let go of a partition that was fenced, to take it anew if it is still ours."""
        self._held.pop(partition, None)
        self._watermark.forget(partition)
        self._is_changed = True
