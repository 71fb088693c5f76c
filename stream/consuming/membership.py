"""One membership of the consumer group, from joining to leaving, and the parts that live in it."""

from __future__ import annotations

import asyncio

import structlog

from state.postgres.offsets import Held
from state.share import Share
from stream.consuming.assignment import Assignment, Move
from stream.consuming.batches import Backlog, Partition
from stream.consuming.client import KAFKA_FAILURES, KafkaClient
from stream.consuming.reader import Reader
from stream.consuming.refresher import Ending, Refresher
from stream.consuming.takeover import Takeover
from stream.consuming.terms import STORE_FAILURES, Terms
from stream.consuming.watermark import Watermark

log = structlog.get_logger()

#: How an orderly end shares its time: to let the batch in flight finish, which a rebalance waits
#: for just as long; to give the partitions back; to leave the group. What fails costs no more than
#: time: the fence refuses a late batch, and the next owner takes what was not given back.
DRAIN_SHARE = 0.6
RELEASE_SHARE = 0.1
LEAVE_SHARE = 0.2
#: How often Kafka is told how far we are.
ADVICE_SECONDS = 1.0


class Membership:
    """Joins, takes partitions, reads, processes and refreshes, until it is ended or of no use."""

    def __init__(self, client: KafkaClient, terms: Terms) -> None:
        self._client = client
        self._terms = terms
        backlog = Backlog(records_max=terms.records_max, bytes_max=terms.bytes_max)
        self._assignment = Assignment(client, backlog, Watermark())
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._to_release: dict[Partition, Held] = {}

    async def run(self) -> Ending:
        """Live until the end; then let the batch in flight finish, give all back, and leave."""
        try:
            async with asyncio.TaskGroup() as group:
                life = group.create_task(self._live())
                ending = await self._ending
                await self._lay_down()
                life.cancel()
        finally:
            await self._leave()
        return ending

    def end(self, ending: Ending) -> None:
        """Ask for the end; the first reason counts."""
        if not self._ending.done():
            self._ending.set_result(ending)

    def share(self) -> Share:
        """Return which due timers are ours: as many of all as we hold of all partitions (T2)."""
        topics = sorted(self._client.partitions().items())
        known = [(topic, number) for topic, numbers in topics for number in sorted(numbers)]
        own = (place for place, each in enumerate(known) if each in self._assignment.held)
        return Share(max(1, len(known)), tuple(own))

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """Take note that these partitions are ours; the takeover does the rest."""
        log.info("partitions.assigned", partitions=sorted(partitions))
        if not self._ending.done():
            self._assignment.assign(partitions)

    async def revoked(self) -> None:
        """Take note that all is lost; then let the batch in flight finish, if it is quick."""
        log.info("partitions.revoked")
        self._assignment.revoke()
        await self._drain()

    async def _live(self) -> None:
        try:
            await self._client.start(self)
        except KAFKA_FAILURES as error:
            log.warning("kafka.unreachable", error=error)
            self.end(Ending.UNREACHABLE)
            return
        takeover = Takeover(self._client, self._assignment, self._terms)
        reader = Reader(self._client, self._assignment, self._terms)
        refresher = Refresher(self._client, self._assignment, self._terms, takeover, reader)
        async with asyncio.TaskGroup() as group:
            for part in (takeover.run, reader.run, self._process, self._advise):
                group.create_task(part())
            self.end(await refresher.run())

    async def _process(self) -> None:
        """Apply what was read, batch by batch; the next one is read and decoded meanwhile."""
        assignment = self._assignment
        while True:
            await assignment.backlog.until_some()
            async with assignment.writing:
                batch = assignment.take_batch()
                if not batch.slices:
                    continue  # lost while we waited
                result = await self._terms.process(batch)
                assignment.settle(
                    (
                        Move((part.topic, part.partition), part.epoch, part.to_offset, part.low)
                        for part in batch.slices
                    ),
                    result.fenced,
                )

    async def _advise(self) -> None:
        """Tell Kafka how far the partitions we hold are, for lag tools; nothing depends on it.

        Only what is held now: an old batch's offset would be accepted after the partition has been
        away and come back, and set Kafka's memory back.
        """
        advised: dict[Partition, int] = {}
        while True:
            await self._terms.clock.sleep(ADVICE_SECONDS)
            held = self._assignment.held.items()
            news = {
                partition: holding.committed
                for partition, holding in held
                if advised.get(partition) != holding.committed
            }
            if news and await self._client.advise(news):
                advised.update(news)
            elif news:
                self._terms.counters.count("kafka_commits_failed")

    async def _lay_down(self) -> None:
        """Stop the flow, drop what was only read, and let the batch in flight finish."""
        for partition, epoch in self._assignment.epochs().items():
            self._to_release[partition] = Held(None, epoch)
        self._assignment.revoke()  # at `stop` the library calls no listener
        await self._drain()

    async def _drain(self) -> None:
        patience = DRAIN_SHARE * self._terms.drain_seconds
        try:
            async with asyncio.timeout(patience), self._assignment.writing:
                pass
        except TimeoutError:
            log.warning("batch.not_drained", seconds=patience)

    async def _leave(self) -> None:
        if self._to_release:
            try:
                async with asyncio.timeout(RELEASE_SHARE * self._terms.drain_seconds):
                    await self._terms.store.release_partitions(self._to_release)
            except (*STORE_FAILURES, TimeoutError) as error:
                log.warning("partitions.not_released", error=error)
        if not await self._client.stop(LEAVE_SHARE * self._terms.drain_seconds):
            log.warning("kafka.not_left")
