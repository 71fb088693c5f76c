"""E3: what is read, what waits, what is handed over, and what a rebalance takes away."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime

from hypothesis import given, strategies as st

from state.event import Coordinates, Decoded, Tombstone
from stream.consuming.assignment import Assignment, Move
from stream.consuming.batches import Backlog, Batch, Holding, Partition
from stream.consuming.watermark import Watermark

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HERE: Partition = ("events", 0)
THERE: Partition = ("events", 1)


class Flow:
    """Notes what was paused."""

    def __init__(self) -> None:
        self.paused: list[Partition] = []

    def pause(self, partitions: Collection[Partition]) -> None:
        self.paused.extend(partitions)


def assignment(flow: Flow | None = None, records_max: int = 100) -> Assignment:
    backlog = Backlog(records_max=records_max, bytes_max=1000)
    return Assignment(flow or Flow(), backlog, Watermark())


def record(partition: Partition, offset: int) -> Decoded:
    return Tombstone(Coordinates(*partition, offset), NOW)


def read(ours: Assignment, partition: Partition, *offsets: int) -> None:
    """Let the reader find records of a partition that we hold."""
    holding = ours.held[partition]
    ours.backlog.add(holding, [record(partition, offset) for offset in offsets], len(offsets))
    holding.read_to = offsets[-1] + 1


def hold(ours: Assignment, partition: Partition, epoch: int = 1, at: int = 0) -> None:
    ours.hold(Holding(partition, epoch, committed=at, read_to=at))


def settle(ours: Assignment, batch: Batch, fenced: Collection[Partition] = ()) -> None:
    moves = [
        Move((part.topic, part.partition), part.epoch, part.to_offset, part.low)
        for part in batch.slices
    ]
    ours.settle(moves, fenced)


async def test_a_batch_runs_from_what_is_committed_to_what_is_read() -> None:
    """E3: the next one begins where this one ends, whatever offsets hold no record."""
    ours = assignment()
    ours.assign(frozenset([HERE]))
    hold(ours, HERE, epoch=7, at=10)
    read(ours, HERE, 12, 13)
    ours.held[HERE].read_to = 16  # two control records follow
    first = ours.take_batch()
    (part,) = first.slices
    assert (part.topic, part.partition, part.epoch) == ("events", 0, 7)
    assert (part.from_offset, part.to_offset) == (10, 16)
    assert len(first) == 2
    settle(ours, first)
    read(ours, HERE, 16)
    (part,) = ours.take_batch().slices
    assert (part.from_offset, part.to_offset) == (16, 17)


async def test_records_gather_while_a_batch_is_in_flight() -> None:
    """E3: fetch and decode overlap the commit; what gathered is one batch."""
    ours = assignment()
    ours.assign(frozenset([HERE, THERE]))
    hold(ours, HERE)
    hold(ours, THERE)
    read(ours, HERE, 0)
    first = ours.take_batch()
    read(ours, THERE, 0, 1)
    read(ours, HERE, 1)
    read(ours, HERE, 2, 3)
    settle(ours, first)
    second = ours.take_batch()
    assert [(part.partition, part.from_offset, part.to_offset) for part in second.slices] == [
        (0, 1, 4),
        (1, 0, 2),
    ]
    assert not ours.take_batch().slices


async def test_a_revocation_takes_everything_at_once() -> None:
    """E3: what was read is dropped, nothing flows, and what was in flight settles nothing."""
    flow = Flow()
    ours = assignment(flow)
    ours.assign(frozenset([HERE, THERE]))
    hold(ours, HERE)
    read(ours, HERE, 0, 1)
    in_flight = ours.take_batch()
    read(ours, HERE, 2)
    generation = ours.generation
    ours.revoke()
    assert ours.generation > generation
    assert flow.paused == [HERE]
    assert not ours.held
    assert not ours.untaken()
    assert not ours.take_batch().slices
    ours.assign(frozenset([HERE]))
    hold(ours, HERE, epoch=2, at=0)
    settle(ours, in_flight)
    assert ours.held[HERE].committed == 0


async def test_a_fenced_partition_is_let_go_and_is_to_be_taken_anew() -> None:
    """E3: only if it is still ours, and only under the epoch that was fenced."""
    flow = Flow()
    ours = assignment(flow)
    ours.assign(frozenset([HERE, THERE]))
    hold(ours, HERE)
    hold(ours, THERE)
    read(ours, HERE, 0)
    read(ours, THERE, 0)
    batch = ours.take_batch()
    settle(ours, batch, fenced={HERE})
    assert ours.untaken() == [HERE]
    assert flow.paused == [HERE]
    assert ours.held[THERE].committed == 1
    hold(ours, HERE, epoch=2, at=5)
    settle(ours, batch, fenced={HERE})
    assert ours.held[HERE].epoch == 2


async def test_a_stopped_partition_neither_flows_nor_is_taken_again() -> None:
    """E3: until the next rebalance asks the same question anew."""
    flow = Flow()
    ours = assignment(flow)
    ours.assign(frozenset([HERE]))
    hold(ours, HERE, epoch=3)
    read(ours, HERE, 0)
    ours.stop(HERE, 3)
    assert flow.paused == [HERE]
    assert not ours.untaken()
    assert not ours.take_batch().slices
    ours.settle([Move(HERE, 3, 0, None)], fenced={HERE})
    assert ours.untaken() == [HERE]


async def test_a_partition_may_stop_while_its_batch_is_in_flight() -> None:
    """E3: the batch is committed under its epoch all the same; nobody reads on behind it."""
    ours = assignment()
    ours.assign(frozenset([HERE]))
    hold(ours, HERE, epoch=3)
    read(ours, HERE, 0)
    in_flight = ours.take_batch()
    ours.stop(HERE, 3)
    settle(ours, in_flight)
    assert ours.epochs() == {HERE: 3}
    assert not ours.held


async def test_a_batch_carries_the_low_that_it_makes_true() -> None:
    """W4: `low` moves only by what the batch commits, and is stored with it."""
    ours = assignment()
    ours.assign(frozenset([HERE]))
    hold(ours, HERE)
    ours.watermark.asked(NOW, {HERE: 2})
    read(ours, HERE, 0)
    early = ours.take_batch()
    assert early.slices[0].low is None
    settle(ours, early)
    read(ours, HERE, 1)
    batch = ours.take_batch()
    assert batch.slices[0].low == NOW
    settle(ours, batch)
    assert ours.watermark.low(HERE, 2) is None


async def test_a_full_backlog_waits_for_room() -> None:
    """E3: memory is bounded in records and bytes; a batch taken, or lost, makes room."""
    ours = assignment(records_max=3)
    ours.assign(frozenset([HERE]))
    hold(ours, HERE)
    read(ours, HERE, 0, 1)
    assert ours.backlog.room == 1
    read(ours, HERE, 2)
    assert ours.backlog.room == 0
    async with asyncio.timeout(1), asyncio.TaskGroup() as group:
        waiting = group.create_task(ours.backlog.until_room())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert len(ours.take_batch()) == 3
    ours.backlog.add(ours.held[HERE], [record(HERE, 3)], size=1000)
    assert ours.backlog.room == 0
    ours.revoke()
    assert ours.backlog.room == 3


async def test_an_idle_processor_gets_the_first_record_at_once() -> None:
    """E3: nobody lingers on an idle stream."""
    ours = assignment()
    ours.assign(frozenset([HERE]))
    hold(ours, HERE)
    async with asyncio.timeout(1), asyncio.TaskGroup() as group:
        waiting = group.create_task(ours.backlog.until_some())
        await asyncio.sleep(0)
        assert not waiting.done()
        read(ours, HERE, 0)


@given(st.lists(st.tuples(st.sampled_from([HERE, THERE]), st.integers(0, 3), st.booleans())))
def test_batches_of_a_partition_join_without_gap_or_overlap(
    reads: list[tuple[Partition, int, bool]],
) -> None:
    """E3, D1: however reads and batches alternate, the slices of a partition tile its log."""

    async def run() -> None:
        ours = assignment()
        ours.assign(frozenset([HERE, THERE]))
        hold(ours, HERE)
        hold(ours, THERE)
        ends = {HERE: 0, THERE: 0}
        seen: dict[Partition, list[int]] = {HERE: [], THERE: []}
        for partition, count, is_taken in reads:
            at = ours.held[partition].read_to
            if count:
                read(ours, partition, *range(at, at + count))
            batch = ours.take_batch() if is_taken else Batch(())
            for part in batch.slices:
                place = (part.topic, part.partition)
                assert part.from_offset == ends[place]
                ends[place] = part.to_offset
                seen[place] += [one.coordinates.offset for one in part.decoded]
            settle(ours, batch)
        for place, offsets in seen.items():
            assert offsets == list(range(ends[place]))

    asyncio.run(run())
