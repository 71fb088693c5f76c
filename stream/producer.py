"""What is published to Kafka: an idempotent producer with bounds on everything."""

# mypy: untyped-calls-exclude="aiokafka"

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from state.event import Coordinates
from stream.clock import Clock

#: How long starting may take, attempts and pauses together.
START_SECONDS = 30.0
#: The pause before the second attempt to start; each later one is twice as long, up to the last.
RETRY_SECONDS = 0.25
RETRY_SECONDS_MAX = 4.0
#: How long one record may take until it is acknowledged.
PUBLISH_SECONDS = 60.0
#: How long stopping may take, flushing included.
STOP_SECONDS = 10.0
#: How large a record may be that is published with others: somewhat less than brokers take.
RECORD_MAX = 1_000_000
#: How many records may be on their way at once.
IN_FLIGHT_MAX = 5000

#: What each producer is told. The defaults would acknowledge what one broker alone has (acks=1),
#: and write a record twice when an acknowledgement is lost.
FIXED: Mapping[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 5,
    "max_batch_size": 256 * 1024,
    "request_timeout_ms": 20_000,
}

log = structlog.get_logger()

Headers = Sequence[tuple[str, bytes]]


class Outgoing(NamedTuple):
    """A record to publish."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()


class Publisher:
    """One connection for publishing; `options` say how Kafka is reached."""

    def __init__(self, options: Mapping[str, Any], clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect, again and again while no broker answers.

        Raises:
            KafkaConnectionError, TimeoutError: no broker answered in time.
        """
        deadline = self._clock.monotonic() + START_SECONDS
        pause = RETRY_SECONDS
        while True:
            try:
                self._producer = await self._connect(deadline - self._clock.monotonic())
                return
            except KafkaConnectionError:
                if self._clock.monotonic() + pause > deadline:
                    raise
                remedy = "is it up? check KAFKA_BOOTSTRAP_SERVERS"
                log.warning("kafka.unreachable", remedy=remedy)
            await self._clock.sleep(self._clock.jittered(pause))
            pause = min(2 * pause, RETRY_SECONDS_MAX)

    @property
    def is_started(self) -> bool:
        """Tell whether `start` has connected, and `stop` not been called since."""
        return self._producer is not None

    def knows(self, topic: str) -> bool:
        """Tell whether a topic was published to, or asked for, and was there."""
        assert self._producer is not None, "start() comes first"
        return self._producer.client.cluster.partitions_for_topic(topic) is not None

    async def missing(self, topics: Iterable[str]) -> set[str]:
        """Ask the brokers which of these topics there are not.

        Raises:
            KafkaError, OSError: none of them answers.
        """
        assert self._producer is not None, "start() comes first"
        known = await self._producer.client.fetch_all_metadata()
        return set(topics) - set(known.topics())

    async def publish(
        self, topic: str, key: bytes | None, value: bytes, headers: Headers = ()
    ) -> Coordinates:
        """Publish one record and return where it stands, once all replicas have it.

        Raises:
            KafkaError, TimeoutError: it is unknown whether the record was written.
        """
        async with asyncio.timeout(PUBLISH_SECONDS):
            written = await (await self._send(Outgoing(topic, key, value, headers)))
        return Coordinates(written.topic, written.partition, written.offset)

    async def publish_many(
        self,
        records: Iterable[Outgoing],
        on_progress: Callable[[int], None] = lambda _: None,
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> int:
        """Publish records, many at once, and return how many; order holds within a partition.

        `on_progress` is told how many are acknowledged so far.

        Raises:
            KafkaError, TimeoutError: some records were not written, or it is unknown.
        """
        assert self._producer is not None, "start() comes first"
        parcels = _Parcels(self._producer)
        try:
            for record in records:
                await parcels.add(record)
                if parcels.unsettled >= in_flight_max:
                    await parcels.settle(in_flight_max // 2)
                    on_progress(parcels.settled)
            await parcels.settle(0)
            on_progress(parcels.settled)
        finally:
            parcels.abandon()
        return parcels.settled

    async def stop(self) -> bool:
        """Flush and disconnect; answer whether that was done in time."""
        producer, self._producer = self._producer, None
        return producer is None or await _stop(producer)

    async def _connect(self, seconds: float) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**{**self._options, **FIXED})
        try:
            async with asyncio.timeout(seconds):
                await producer.start()
        except BaseException:
            await _stop(producer)
            raise
        return producer

    async def _send(self, record: Outgoing) -> asyncio.Future[RecordMetadata]:
        assert self._producer is not None, "start() comes first"
        topic, key, value, headers = record
        future: asyncio.Future[RecordMetadata] = await self._producer.send(
            topic, value, key, headers=list(headers)
        )
        return future


async def _stop(producer: AIOKafkaProducer) -> bool:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
    except TimeoutError:
        await producer.client.close()  # without it, connections outlive the attempt to flush
        return False
    return True


class _Parcels:
    """Records on their way in batches of our own making, one open for each partition.

    To hand records over one by one costs as much as to decide the events they are about.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.settled = 0
        self.unsettled = 0
        self._producer = producer
        self._open: dict[tuple[str, int], BatchBuilder] = {}
        self._partitions: dict[str, list[int]] = {}
        self._on_their_way: deque[tuple[asyncio.Future[RecordMetadata], int]] = deque()

    async def add(self, record: Outgoing) -> None:
        """Put a record behind those of its partition.

        Raises:
            MessageSizeTooLargeError: no broker takes it, and one that refused it would refuse all
                that this producer publishes from then on.
        """
        if _size(record) > RECORD_MAX:
            await self.settle(0)
            raise MessageSizeTooLargeError(f"a record of more than {RECORD_MAX} bytes")
        place = record.topic, await self._partition_of(record)
        builder = self._open.get(place)
        if builder is None or not _append(builder, record):
            await self._hand_over(place)
            builder = self._open[place] = self._producer.create_batch()
            taken = _append(builder, record)
            assert taken, "an empty batch takes any record"
        self.unsettled += 1

    async def settle(self, rest: int) -> None:
        """Wait for the oldest until only `rest` are on their way."""
        for place in list(self._open):
            await self._hand_over(place)
        async with asyncio.timeout(PUBLISH_SECONDS):
            while self.unsettled > rest:
                future, number = self._on_their_way[0]
                await future
                self._on_their_way.popleft()
                self.unsettled -= number
                self.settled += number

    def abandon(self) -> None:
        """Leave those on their way to themselves."""
        for future, _ in self._on_their_way:
            future.add_done_callback(_retrieve)

    async def _hand_over(self, place: tuple[str, int]) -> None:
        builder = self._open.pop(place, None)
        if builder is None:
            return
        topic, partition = place
        async with asyncio.timeout(PUBLISH_SECONDS):
            future = await self._producer.send_batch(builder, topic, partition=partition)
        self._on_their_way.append((future, builder.record_count()))

    async def _partition_of(self, record: Outgoing) -> int:
        """Return the partition of a record's key, as any other client would choose it."""
        partitions = self._partitions.get(record.topic)
        if partitions is None:
            async with asyncio.timeout(PUBLISH_SECONDS):
                partitions = sorted(await self._producer.partitions_for(record.topic))
            self._partitions[record.topic] = partitions
        if len(partitions) == 1:
            return partitions[0]
        chosen: int = _PARTITIONER(record.key, partitions, partitions)
        return chosen


_PARTITIONER = DefaultPartitioner()


def _size(record: Outgoing) -> int:
    named = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value) + named


def _append(builder: BatchBuilder, record: Outgoing) -> bool:
    """Append a record to a batch unless that is full; tell whether it is in it."""
    headers = list(record.headers)
    return (
        builder.append(timestamp=None, key=record.key, value=record.value, headers=headers)
        is not None
    )


def _retrieve(future: asyncio.Future[RecordMetadata]) -> None:
    """Take note of a failure that nobody waits for any more, so that asyncio does not complain."""
    if not future.cancelled():
        future.exception()
