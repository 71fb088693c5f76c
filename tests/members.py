"""Members of a consumer group for tests: the real consumer and a processor that stores offsets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from state.automation import Catalogue
from state.event import Coordinates
from state.postgres.store import PostgresStore
from state.turn import Changes, Fenced, PartitionState, Position
from stream.clock import SystemClock
from stream.config import Settings
from stream.consuming.batches import Batch, BatchResult, Partition
from stream.consuming.consumer import Consumer, Engine
from stream.telemetry import Counters


class Worker:
    """A consumer, and a processor that stores of a batch only its offsets, under the fence."""

    def __init__(self, store: PostgresStore, settings: Settings) -> None:
        self.store = store
        self.counters = Counters()
        self.batches: list[Batch] = []
        self.applied: list[Coordinates] = []
        self.fenced: list[Partition] = []
        self.is_pressing = False
        #: Cleared, it keeps batches in flight; `entered` says that one is.
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.entered = asyncio.Event()
        engine = Engine(self.process, lambda: self.is_pressing, lambda: Catalogue(-1))
        self.consumer = Consumer(settings, store, SystemClock(), self.counters, engine)

    @property
    def offsets(self) -> list[int]:
        return [place.offset for place in self.applied]

    async def process(self, batch: Batch) -> BatchResult:
        self.entered.set()
        await self.may_go_on.wait()
        parts = {(part.topic, part.partition): part for part in batch.slices}
        fenced: set[Partition] = set()
        while len(fenced) < len(parts):
            left = [part for place, part in parts.items() if place not in fenced]
            try:
                await self._save([Position(*_position(part)) for part in left])
            except Fenced as lost:
                fenced |= lost.partitions
                continue
            self.batches.append(Batch(tuple(left)))
            self.applied += [one.coordinates for part in left for one in part.decoded]
            break
        self.fenced += fenced
        return BatchResult(frozenset(fenced))

    async def _save(self, positions: Sequence[Position]) -> None:
        async with self.store.transaction("events") as transaction:
            changes = Changes(now=await self.store.database_now())
            changes.positions = list(positions)
            await transaction.save(changes)


def _position(part: Any) -> tuple[Any, ...]:
    return (part.topic, part.partition, part.epoch, part.from_offset, part.to_offset, part.low)


def settings_for(servers: str, topic: str, group: str | None = None, **others: Any) -> Settings:
    given: dict[str, Any] = {
        "kafka_bootstrap_servers": servers,
        "topics_events": topic,
        "topics_contacts": f"contacts-of-{topic}",
        "group_id": group or f"group-{uuid4().hex[:8]}",
        "session_timeout": timedelta(seconds=6),
        "heartbeat_interval": timedelta(seconds=0.2),
    }
    return Settings(**(given | others))


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[Worker]:
    """Let a worker run; end it in order."""
    async with asyncio.TaskGroup() as group:
        life = group.create_task(worker.consumer.run())
        try:
            yield worker
        finally:
            worker.may_go_on.set()
            worker.consumer.stop()
            async with asyncio.timeout(25):
                await asyncio.wait([life])


async def states(store: PostgresStore) -> dict[int, PartitionState]:
    return {state.partition: state for state in await store.watermark()}


def holds_some(worker: Worker) -> bool:
    """Say whether a worker has taken partitions."""
    membership = worker.consumer._membership
    return membership is not None and bool(membership._assignment.held)
