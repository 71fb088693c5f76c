"""Processors fed by hand on a real Postgres: batches without Kafka, cut as a test wishes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

from handlers.world import Rules
from state.effect import Channel
from state.event import Coordinates, Decoded
from state.postgres.store import PostgresStore
from state.postgres.transaction import PostgresTransaction
from stream.clock import SystemClock
from stream.consuming.batches import Batch, BatchResult, Partition, Slice
from stream.decoding.decode import Sources, decode
from stream.processor import Processor
from stream.relay import Relay, RelayLimits
from stream.senders.recorder import Recorder
from stream.senders.sender import Senders
from stream.telemetry import Counters
from stream.wake import Wake
from tests.records import Record

EVENTS, OTHERS, CONTACTS = "events", "others", "contacts"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: No grace and no slack: a test's own instants decide.
PLAIN = Rules(grace=timedelta(0), slack=timedelta(0))


@dataclass(slots=True)
class Log:
    """What a broker would hold: records by partition, each with its offset and instant."""

    clock: datetime = field(default_factory=lambda: datetime.now(UTC))
    records: dict[Partition, list[Decoded]] = field(default_factory=dict)

    def raw(self, value: bytes, topic: str = EVENTS, to: int = 0) -> Decoded:
        """Append a record of these bytes; each is recorded a millisecond after the one before."""
        self.clock += timedelta(milliseconds=1)
        partition = self.records.setdefault((topic, to), [])
        # Whole ones, exactly: rounded halves would give two records one instant.
        milliseconds = (self.clock - EPOCH) // timedelta(milliseconds=1)
        record = Record(topic, to, len(partition), milliseconds, None, value)
        decoded = decode(record, Sources("1", frozenset({CONTACTS})))
        partition.append(decoded)
        return decoded

    def add(self, event: str, *, topic: str = EVENTS, to: int = 0, **said: object) -> Decoded:
        """Append a plain JSON event."""
        return self.raw(json.dumps({"event": event, **said}).encode(), topic, to)

    def in_order(self) -> list[Decoded]:
        """Return all records in the order in which they were recorded."""
        everything = [record for records in self.records.values() for record in records]
        return sorted(everything, key=lambda record: record.recorded_at)


@dataclass(slots=True)
class Door:
    """One worker's processor, relay and wake, on a store of its own; `feed` is its consumer."""

    store: PostgresStore
    processor: Processor
    counters: Counters
    relay: Relay
    wake: Wake
    epochs: dict[Partition, int] = field(default_factory=dict)
    offsets: dict[Partition, int] = field(default_factory=dict)
    statements: list[int] = field(default_factory=list)

    async def take(self, *partitions: Partition) -> None:
        """Own partitions, from where Postgres says."""
        held = await self.store.take_partitions(partitions, "test")
        for partition, one in held.items():
            self.epochs[partition] = one.epoch
            self.offsets[partition] = one.next_offset or 0

    async def feed(self, records: Iterable[Decoded], low: datetime | None = None) -> BatchResult:
        """Apply records as one batch; each partition's follow the last ones of it."""
        parts: dict[Partition, list[Decoded]] = {}
        for record in records:
            topic, number, _ = record.coordinates
            parts.setdefault((topic, number), []).append(record)
        slices = [
            Slice(
                *partition,
                epoch=self.epochs[partition],
                from_offset=self.offsets[partition],
                to_offset=part[-1].coordinates.offset + 1,
                decoded=tuple(part),
                low=low,
            )
            for partition, part in sorted(parts.items())
        ]
        result = await self.processor.apply_batch(Batch(tuple(slices)))
        for part in slices:
            if (part.topic, part.partition) not in result.fenced:
                self.offsets[part.topic, part.partition] = part.to_offset
        return result

    async def settle(self) -> None:
        """Send what there is to send, until nothing is left."""
        while await self.relay.sweep():
            pass


@asynccontextmanager
async def open_door(
    database: str,
    name: str,
    *partitions: Partition,
    folder: Path,
    rules: Rules = PLAIN,
    senders: Senders | None = None,
    sent_at_once: int = 200,
) -> AsyncIterator[Door]:
    """Open a worker's door onto a database, owning these partitions; by default it records."""
    store = await PostgresStore.open(database, worker_id=name)
    clock, counters = SystemClock(), Counters()
    processor = Processor(store, rules, clock, counters)
    senders = senders or dict.fromkeys(get_args(Channel), Recorder(folder))
    limits = RelayLimits(concurrency=sent_at_once)
    relay = Relay(store, processor, senders, clock, counters, limits)
    door = Door(store, processor, counters, relay, Wake(store, processor, clock))
    try:
        await door.take(*partitions)
        yield door
    finally:
        await store.close()


@asynccontextmanager
async def counting(store: PostgresStore) -> AsyncIterator[list[int]]:
    """Note how many statements each turn of a store takes, from its begin to its commit."""
    counts: list[int] = []
    open_turn = store.transaction

    @asynccontextmanager
    async def counted(lane: str) -> AsyncIterator[PostgresTransaction]:
        async with open_turn(lane) as transaction:
            yield transaction
            counts.append(transaction.statements)

    store.transaction = counted
    try:
        yield counts
    finally:
        del store.transaction


async def race(
    left: Door, right: Door, batches: Iterable[tuple[Sequence[Decoded], Sequence[Decoded]]]
) -> None:
    """Feed pairs of batches, each to both doors at once; an empty one is passed over."""
    together = asyncio.Barrier(2)

    async def feed(door: Door, side: Iterable[Sequence[Decoded]]) -> None:
        for batch in side:
            await together.wait()
            if batch:
                await door.feed(batch)

    lefts, rights = zip(*batches, strict=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(feed(left, lefts))
        group.create_task(feed(right, rights))


def chunks(records: Sequence[Decoded], size: int) -> Iterable[Sequence[Decoded]]:
    return (records[at : at + size] for at in range(0, len(records), size))


def coordinates(records: Iterable[Decoded]) -> list[Coordinates]:
    return [record.coordinates for record in records]


def history(past: str) -> list[dict[str, Any]]:
    """Return a stored run's entries."""
    entries: list[dict[str, Any]] = json.loads(f"[{past}]")
    return entries


def waits_in(past: str) -> list[Mapping[str, Any]]:
    return [entry["wait"] for entry in history(past) if "wait" in entry]
