"""A look into Kafka's topics from outside the consumer group: it moves nobody's offsets."""

# mypy: untyped-calls-exclude="aiokafka"

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from state.event import Coordinates, Decoded, Event, Rejected
from state.reading import Log
from stream.consuming import unpacking
from stream.consuming.batches import Partition
from stream.consuming.unpacking import Record
from stream.decoding.decode import Sources, decode
from stream.topics import partition_counts

#: How far back a search by id goes in each partition, and in what strides.
SEARCHED_MAX = 20_000
STRIDE = 2_000

START_SECONDS = 15.0
ANSWER_SECONDS = 15.0
READ_SECONDS = 30.0

#: An id of these characters stands in a record as it is, whatever wrote its JSON.
_PLAIN_ID = re.compile(r"[A-Za-z0-9._~:@!*'()-]+")


class Peek:
    """A consumer without a group, for as long as one question takes."""

    def __init__(
        self, consumer: AIOKafkaConsumer, partitions: Collection[Partition], sources: Sources
    ) -> None:
        self._consumer = consumer
        self._sources = sources
        self.partitions = sorted(partitions)

    async def logs(self) -> dict[Partition, Log]:
        """Return where each partition's log begins and ends."""
        named = [TopicPartition(*partition) for partition in self.partitions]
        if not named:
            return {}
        async with asyncio.timeout(ANSWER_SECONDS):
            starts: Mapping[Any, int] = await self._consumer.beginning_offsets(named)
            ends: Mapping[Any, int] = await self._consumer.end_offsets(named)
        return {(tp.topic, tp.partition): Log(starts[tp], ends[tp]) for tp in named}

    async def record_at(self, at: Coordinates) -> Decoded | None:
        """Return what stands at a place that its log holds; None: a marker, or compacted."""
        found = [record async for record in self._read((at.topic, at.partition), *_only(at))]
        return decode(found[0], self._sources) if found else None

    async def find(self, event_id: str, on_progress: Callable[[int], None]) -> Decoded | None:
        """Search the newest records of all partitions for an id, the newest first.

        `on_progress` is told how many records were looked at so far.
        """
        looked_at = 0
        for partition, log in (await self.logs()).items():
            end, first = log.end, max(log.start, log.end - SEARCHED_MAX)
            while end > first:
                begin = max(first, end - STRIDE)
                records = [record async for record in self._read(partition, begin, end)]
                for record in reversed(records):
                    if (found := self._named(record, event_id)) is not None:
                        return found
                looked_at += end - begin
                on_progress(looked_at)
                end = begin
        return None

    def _named(self, record: Record, event_id: str) -> Decoded | None:
        """Return the record decoded, if it says that it has this id."""
        if not _may_name(record, event_id):
            return None
        decoded = decode(record, self._sources)
        match decoded:
            case Event(id=said) | Rejected(event_id=said) if said == event_id:
                return decoded
            case _:
                return None

    async def _read(self, partition: Partition, begin: int, end: int) -> AsyncIterator[Record]:
        """Yield the records of one partition from `begin` up to, not with, `end`."""
        named = TopicPartition(*partition)
        self._consumer.assign([named])
        self._consumer.seek(named, begin)
        async with asyncio.timeout(READ_SECONDS):
            while await self._consumer.position(named) < end:
                taken = await self._consumer.getmany(named, timeout_ms=500)
                records: Any = taken.get(named, ())  # `unpacking` made them
                for record in records:
                    if record.offset >= end:
                        return
                    yield record


@asynccontextmanager
async def peek(
    options: Mapping[str, Any], topics: Collection[str], sources: Sources
) -> AsyncIterator[Peek]:
    """Open a look into these topics; those that do not exist are left out, and not made.

    Raises:
        KafkaError, OSError, TimeoutError: no broker answers.
    """
    counts = await partition_counts(options, topics)
    partitions = [(topic, number) for topic, count in counts.items() for number in range(count)]
    unpacking.install()
    consumer = AIOKafkaConsumer(
        **options,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            await consumer.start()
        yield Peek(consumer, partitions, sources)
    finally:
        # A task of the library's that was cancelled before it began would cancel us in turn.
        await asyncio.sleep(0)
        await consumer.stop()


def _only(at: Coordinates) -> tuple[int, int]:
    return at.offset, at.offset + 1


def _may_name(record: Record, event_id: str) -> bool:
    """Tell whether it is worth decoding a record: most do not hold the id's text at all."""
    value = record.value or b""
    is_plain = _PLAIN_ID.fullmatch(event_id) is not None
    return not is_plain or bool(record.headers) or b"\\u" in value or event_id.encode() in value
