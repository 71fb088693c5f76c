"""What is published to Kafka: an idempotent producer with bounds on everything."""

# mypy: untyped-calls-exclude="aiokafka"

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
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
#: How many records may be on their way at once.
IN_FLIGHT_MAX = 5000

#: What each producer is told. The defaults would acknowledge what one broker alone has (acks=1),
#: and write a record twice when an acknowledgement is lost.
FIXED: Mapping[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 5,
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
        in_flight: deque[asyncio.Future[RecordMetadata]] = deque()
        done = 0
        try:
            for record in records:
                async with asyncio.timeout(PUBLISH_SECONDS):
                    in_flight.append(await self._send(record))
                if len(in_flight) >= in_flight_max:
                    done += await _settle(in_flight, in_flight_max // 2)
                    on_progress(done)
            done += await _settle(in_flight, 0)
            on_progress(done)
        finally:
            for future in in_flight:
                future.add_done_callback(_retrieve)
        return done

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


async def _settle(in_flight: deque[asyncio.Future[RecordMetadata]], rest: int) -> int:
    """Wait for the oldest records until only `rest` are on their way; return how many came home."""
    settled = 0
    async with asyncio.timeout(PUBLISH_SECONDS):
        while len(in_flight) > rest:
            await in_flight.popleft()
            settled += 1
    return settled


def _retrieve(future: asyncio.Future[RecordMetadata]) -> None:
    """Take note of a failure that nobody waits for any more, so that asyncio does not complain."""
    if not future.cancelled():
        future.exception()
