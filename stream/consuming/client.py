"""A Kafka consumer whose pitfalls are closed: all that Waitline uses of aiokafka's consumer.

What the library does, and nobody else has to know:

- Records may be delivered before a rebalance listener has ended, and what a listener raises is
  swallowed: so the listener pauses in its first synchronous line, and then only takes note.
- A `getmany` over several partitions loses what it took from the first when the second raises: so
  records are taken from one partition at a time, which also keeps a hot one from taking all.
- A `getmany` that is cancelled or raises upsets the library's own idle clock for good: so it is
  never cancelled to make it end, it has its own timeout; and nothing relies on that clock.
- Whatever else goes over the wire may last as long as the broker is silent: so it is bounded.
- A broker answers a connection's requests one after the other, and a fetch of an idle stream waits
  there for half a second: so where logs end is asked over a connection of its own. Timeouts wait
  for that answer (rule W4).
- One record that it cannot unpack blocks its partition: so `unpacking` does it in its place.
"""

# mypy: untyped-calls-exclude="aiokafka"

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from typing_extensions import override

from stream.consuming import unpacking
from stream.consuming.batches import Partition
from stream.consuming.unpacking import Record

#: What anything that is asked of Kafka may fail with, for now.
KAFKA_FAILURES = (KafkaError, OSError, TimeoutError)

#: How long a broker may take over a question (offsets) or an advisory commit.
ANSWER_SECONDS = 10.0
#: How long one attempt to connect may take; a group that cannot form would wait without limit.
START_SECONDS = 30.0

#: How long what was fetched may wait to be read before more is fetched from the same broker.
#: The library's own tenth of a second is soon over where records take long to apply. Then it asks
#: for the rest of the partitions only, which may all be idle; the broker keeps that question for
#: half a second, and from the busy ones nothing came meanwhile.
UNREAD_SECONDS = 1.0

#: How much longer than a session a request may take: a join waits for a dead member's session.
BEYOND_SESSION_MS = 10_000

#: What each consumer is told besides its settings; the reasons are the library's own defaults.
#: (The settings give session, heartbeat and rebalance timeouts, all three: heartbeats share the
#: event loop, and the library's rebalance timeout is the session's, too short to drain in.)
FIXED: Mapping[str, Any] = {
    # The default commits what was handed out, applied or not. Postgres has the offsets.
    "enable_auto_commit": False,
    # The default skips to the newest record when an offset is gone: a silent loss.
    "auto_offset_reset": "none",
    # The default delivers what a producer's transaction took back.
    "isolation_level": "read_committed",
    # Of no use after one `getmany` has raised. The watchdog does this work.
    "max_poll_interval_ms": 24 * 3_600_000,
    # Bounds what is buffered for each partition; a larger record still comes whole. Not less than
    # the batches that producers make of a backlog: of one that is larger, the broker sends a part,
    # and for all partitions but one of an answer, nothing of it can be read.
    "max_partition_fetch_bytes": 1024 * 1024,
    # How soon a new topic or partition is noticed: until then nothing holds the timers for it.
    "metadata_max_age_ms": 5_000,
    # Rebalances are eager and state is in Postgres: every one takes all partitions anew, so
    # stickiness would save nothing; and aiokafka's sticky assignor keeps its memory in class
    # variables, shared by all consumers of a process.
    "partition_assignment_strategy": (RoundRobinPartitionAssignor,),
    # No `group_instance_id`: static membership is half there (neither heartbeats nor commits carry
    # it). No deserialisers: one that raises blocks its partition in a hot loop.
}


class OutOfRange(Exception):
    """The log no longer has, or not yet, the offset that a partition is to be read from."""

    def __init__(self, offsets: Mapping[Partition, int]) -> None:
        super().__init__(f"out of range: {sorted(offsets.items())}")
        self.offsets = offsets


class ReadError(KafkaError):
    """The library failed as it read, in a way of its own: what it met, or a bug in it."""


class Rebalance(Protocol):
    """Who hears of rebalances. Neither may fail: nobody would hear of it."""

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """Take note that these partitions, all paused, are now to be taken."""
        ...

    async def revoked(self) -> None:
        """Take note, before the first await, that all partitions are lost; then drain, bounded."""
        ...


class KafkaClient:
    """One connection to Kafka as a member of the consumer group; once stopped, it is used up."""

    def __init__(self, topics: Collection[str], options: Mapping[str, Any]) -> None:
        unpacking.install()
        self._topics = sorted(topics)
        own = {**options, **FIXED}
        own["request_timeout_ms"] = options["session_timeout_ms"] + BEYOND_SESSION_MS
        self._consumer = AIOKafkaConsumer(**own)
        self._asker = AIOKafkaConsumer(**own | {"group_id": None})

    async def start(self, rebalance: Rebalance) -> None:
        """Connect, then join the group in the background.

        Subscribing after the start, not before, keeps `start` from waiting for a group that may
        not form for as long as its coordinator is away.

        Raises:
            KAFKA_FAILURES: when no broker answers; stop the client then.
        """
        async with asyncio.timeout(START_SECONDS):
            await self._asker.start()
            await self._consumer.start()
        fetcher = self._consumer._fetcher
        assert fetcher is not None, "it is made as the consumer starts"
        fetcher._prefetch_backoff = UNREAD_SECONDS
        self._consumer.subscribe(self._topics, listener=_Listener(self._consumer, rebalance))

    async def stop(self, patience: float) -> bool:
        """Leave the group and disconnect; answer whether that was done properly, and in time.

        If it was not, the group learns of it when the session times out.
        """
        try:
            async with asyncio.timeout(patience):
                await self._consumer.stop()
                await self._asker.stop()
        except KAFKA_FAILURES:
            await self._abandon()
            return False
        return True

    def partitions(self) -> dict[str, set[int]]:
        """Return the partitions of each input topic, as far as the metadata knows them."""
        return {
            topic: self._consumer.partitions_for_topic(topic) or set() for topic in self._topics
        }

    async def read(
        self, partitions: Collection[Partition], *, records_max: int, wait_ms: int = 0
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        """Take records that have come, at most so many, waiting at most so long for the first.

        Several partitions are only ever asked for ONE record: see the head of this module.

        Raises:
            OutOfRange: an offset has left the log.
            KAFKA_FAILURES: nothing can be read at the moment.
        """
        assert partitions, "no partitions would mean all of them, those not taken too"
        assert len(partitions) == 1 or records_max == 1
        try:
            found: Any = await self._consumer.getmany(
                *_named(partitions), timeout_ms=wait_ms, max_records=records_max
            )
        except OffsetOutOfRangeError as error:
            raise OutOfRange(error.args[0]) from error
        except KAFKA_FAILURES:
            raise
        except Exception as error:
            # It must not end the process: whoever reads the partition next would meet it, too.
            raise ReadError(type(error).__name__) from error
        records: Mapping[TopicPartition, Sequence[Record]] = found  # `unpacking` made them
        return records

    async def position(self, partition: Partition) -> int:
        """Return where the next read of a sought partition begins, beyond control records too."""
        position: int = await self._consumer.position(TopicPartition(*partition))
        return position

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from this offset, and let the records come."""
        self._consumer.seek(TopicPartition(*partition), offset)
        self._consumer.resume(TopicPartition(*partition))

    def pause(self, partitions: Collection[Partition]) -> None:
        """Let no more records come from those of the partitions that are still assigned."""
        self._consumer.pause(*(self._consumer.assignment() & set(_named(partitions))))

    async def starts(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """Ask where each partition's log begins."""
        async with asyncio.timeout(ANSWER_SECONDS):
            starts: Mapping[Partition, int]
            starts = await self._asker.beginning_offsets(_named(partitions))
        return starts

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """Ask where each partition's log ends: its last stable offset."""
        async with asyncio.timeout(ANSWER_SECONDS):
            ends: Mapping[Partition, int]
            ends = await self._asker.end_offsets(_named(partitions))
        return ends

    async def advise(self, offsets: Mapping[Partition, int]) -> bool:
        """Tell Kafka how far we are, for lag tools; answer whether it took the advice.

        Always with explicit offsets: without any, what was handed out would be committed, applied
        or not. And bounded: the library retries for as long as the broker is away.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._consumer.commit(
                    {TopicPartition(*partition): offset for partition, offset in offsets.items()}
                )
        except KAFKA_FAILURES:
            return False
        return True

    async def _abandon(self) -> None:
        """End what a `stop` that failed leaves behind; called again, it would do nothing.

        It raises if the fetch task has died, and hangs if the broker does. A heartbeat that it
        leaves alive would keep our partitions from everybody, for as long as the process lives.
        """
        coordinator, fetcher = self._consumer._coordinator, self._consumer._fetcher
        if coordinator is not None:
            coordinator._coordination_task.cancel()
            await coordinator._stop_heartbeat_task()
            await coordinator._stop_commit_offsets_refresh_task()
        if fetcher is not None:
            with contextlib.suppress(KafkaError):
                await fetcher.close()
        await self._consumer._client.close()
        await self._asker.stop()  # it is a member of no group, and reads nothing: it only closes


class _Listener(ConsumerRebalanceListener):
    def __init__(self, consumer: AIOKafkaConsumer, rebalance: Rebalance) -> None:
        self._consumer = consumer
        self._rebalance = rebalance

    @override
    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._consumer.pause(*assigned)  # first, and before any await: records may already be here
        self._rebalance.assigned(frozenset((tp.topic, tp.partition) for tp in assigned))

    @override
    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._rebalance.revoked()


def _named(partitions: Collection[Partition]) -> list[TopicPartition]:
    return [TopicPartition(*partition) for partition in partitions]
