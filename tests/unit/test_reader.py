"""D1, E3: reading in turns, and what becomes of what cannot be read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import CorruptRecordException

from state.event import Coordinates, Tombstone
from stream.clock import SystemClock
from stream.consuming.assignment import Assignment
from stream.consuming.batches import Backlog, Holding, Partition
from stream.consuming.client import OutOfRange
from stream.consuming.reader import CHUNK_RECORDS, Reader
from stream.consuming.unpacking import Record
from stream.consuming.watermark import Watermark
from tests.waiting import until

EPOCH = SystemClock().utc_now()


class World:
    """Partitions that never run dry, unless one fails, and a reader of them."""

    def __init__(self, partitions: int, records_max: int) -> None:
        self.partitions = [("events", number) for number in range(partitions)]
        self.positions = dict.fromkeys(self.partitions, 0)
        self.failures: dict[Partition, Exception] = {}
        self.on_read: Callable[[], None] = lambda: None
        self.pauses = 0
        backlog = Backlog(records_max=records_max, bytes_max=10**9)
        self.ours = Assignment(self, backlog, Watermark())
        self.ours.assign(frozenset(self.partitions))
        for partition in self.partitions:
            self.ours.hold(Holding(partition, 1, committed=0, read_to=0))
        terms: Any = SimpleNamespace(
            clock=self, read=lambda records: [decode(each) for each in records]
        )
        client: Any = self
        self.reader = Reader(client, self.ours, terms)

    async def read(
        self, partitions: Collection[Partition], *, records_max: int, wait_ms: int = 0
    ) -> Mapping[Partition, list[Record]]:
        await asyncio.sleep(0)
        self.on_read()
        for partition in partitions:
            if partition in self.failures:
                raise self.failures[partition]
        partition = min(partitions)
        begin = self.positions[partition]
        self.positions[partition] += records_max
        return {partition: [record(partition, begin + n) for n in range(records_max)]}

    async def position(self, partition: Partition) -> int:
        return self.positions[partition]

    def pause(self, partitions: Collection[Partition]) -> None:
        pass

    def jittered(self, seconds: float) -> float:
        return seconds

    async def sleep(self, seconds: float) -> None:
        self.pauses += 1
        await asyncio.sleep(0)

    async def until(self, condition: Callable[[], object]) -> None:
        """Let it read, until this is so."""
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            reading = group.create_task(self.reader.run())
            await until(condition)
            reading.cancel()


def record(partition: Partition, offset: int) -> Record:
    topic, number = partition
    return Record(topic, number, offset, 0, None, b"12", (("h", b"1"),))


def decode(record: Record) -> Tombstone:
    return Tombstone(Coordinates(record.topic, record.partition, record.offset), EPOCH)


async def test_when_not_all_fit_in_a_batch_each_has_its_turn() -> None:
    """D1, E3: eight floods, room for two and a half chunks: nobody is always the last."""
    world = World(partitions=8, records_max=500)
    read: Counter[int] = Counter()
    for _ in range(8):
        await world.until(lambda: world.ours.backlog.room == 0)
        batch = world.ours.take_batch()
        assert len(batch) == 500
        assert all(len(part.decoded) <= CHUNK_RECORDS + 1 for part in batch.slices)
        read.update(part.partition for part in batch.slices)
    assert read.keys() == set(range(8))


async def test_what_one_read_brings_of_a_lost_partition_is_left_to_its_owner() -> None:
    """E3: a rebalance in the middle of a read."""
    world = World(partitions=1, records_max=500)

    def lose() -> None:
        world.on_read = lambda: None
        world.ours.revoke()

    world.on_read = lose
    await world.until(lambda: world.positions["events", 0])
    assert not world.ours.take_batch().slices


async def test_a_rebalance_may_come_while_there_is_no_room() -> None:
    """E3: it makes room, and takes away what there was to read."""
    world = World(partitions=1, records_max=10)

    async def revoke_when_full() -> None:
        await until(lambda: world.ours.backlog.room == 0)
        world.ours.revoke()
        await asyncio.sleep(0.05)
        world.ours.assign(frozenset(world.partitions))
        world.ours.hold(Holding(world.partitions[0], 2, committed=0, read_to=0))

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        reading = group.create_task(world.reader.run())
        await revoke_when_full()
        await until(lambda: world.ours.backlog.room == 0)
        reading.cancel()
    assert [part.epoch for part in world.ours.take_batch().slices] == [2]


async def test_a_partition_whose_offset_has_left_the_log_stops_alone() -> None:
    """E3: the others are read on; it is an incident, never a reset."""
    world = World(partitions=2, records_max=10)
    world.failures[("events", 0)] = OutOfRange({("events", 0): 0})
    await world.until(lambda: world.ours.backlog.room == 0)
    assert world.ours.stopped == {("events", 0): 1}
    assert {part.partition for part in world.ours.take_batch().slices} == {1}


async def test_an_old_complaint_about_an_offset_stops_nobody() -> None:
    """E3: the partition was sought elsewhere since."""
    world = World(partitions=1, records_max=10)
    world.failures[("events", 0)] = OutOfRange({("events", 0): 77})
    await world.until(lambda: world.pauses)
    assert not world.ours.stopped


async def test_a_partition_that_cannot_be_read_does_not_hold_the_others() -> None:
    """E3: the watchdog judges it, by and by; nothing spins meanwhile."""
    world = World(partitions=2, records_max=10)
    world.failures[("events", 0)] = CorruptRecordException("bad checksum")
    await world.until(lambda: world.ours.backlog.room == 0 and world.pauses)
    assert not world.ours.stopped
    assert {part.partition for part in world.ours.take_batch().slices} == {1}


async def test_bytes_are_counted_with_headers() -> None:
    """E3: what is kept in memory is bounded, whatever records are made of."""
    world = World(partitions=1, records_max=10)
    await world.until(lambda: world.ours.backlog.room == 0)
    (pending,) = world.ours.backlog.take()
    assert pending.size == 10 * len(b"12" + b"h" + b"1")
