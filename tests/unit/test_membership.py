"""E3: what a rebalance and the end take away, and what they wait for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from state.event import Coordinates, Tombstone
from state.share import Share
from stream.clock import SystemClock
from stream.consuming.batches import Batch, BatchResult, Holding, Partition
from stream.consuming.membership import Membership
from stream.consuming.refresher import Ending
from tests.waiting import until

HERE: Partition = ("events", 0)


class World:
    """A membership whose Kafka does nothing and whose one batch ends when it is told to."""

    def __init__(self, drain_seconds: float = 20.0) -> None:
        self.may_end = asyncio.Event()
        self.batches: list[Batch] = []
        self.released: dict[Partition, int] = {}
        self.has_left = False
        me: Any = self
        terms: Any = SimpleNamespace(
            store=self,
            clock=SystemClock(),
            process=self.process,
            timers_due=lambda: False,
            drain_seconds=drain_seconds,
            records_max=10,
            bytes_max=10,
        )
        self.membership = Membership(me, terms)
        self.ours = self.membership._assignment

    async def process(self, batch: Batch) -> BatchResult:
        self.batches.append(batch)
        await self.may_end.wait()
        return BatchResult()

    def pause(self, partitions: object) -> None:
        pass

    async def start(self, rebalance: object) -> None:
        await self.membership._process()

    async def stop(self, patience: float) -> bool:
        self.has_left = True
        return True

    async def release_partitions(self, held: dict[Partition, Any]) -> None:
        self.released = {partition: one.epoch for partition, one in held.items()}

    def partitions(self) -> dict[str, set[int]]:
        return {"events": {1, 0, 2}, "contacts": {0}}

    def read(self) -> None:
        """Hold a partition and find a record in it, so that a batch begins."""
        self.membership.assigned(frozenset([HERE]))
        holding = Holding(HERE, 7, committed=0, read_to=1)
        self.ours.hold(holding)
        self.ours.backlog.add(holding, [Tombstone(Coordinates("events", 0, 0), EPOCH)], 1)


EPOCH = SystemClock().utc_now()


async def test_a_rebalance_takes_all_at_once_and_waits_for_the_batch_in_flight() -> None:
    """E3: so that in an orderly rebalance nothing is fenced."""
    world = World()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        life = group.create_task(world.membership.run())
        world.read()
        await until(lambda: world.batches)
        rebalance = group.create_task(world.membership.revoked())
        await until(lambda: not world.ours.held)
        assert not rebalance.done()
        world.may_end.set()
        await rebalance
        world.membership.end(Ending.STOPPED)
        assert await life is Ending.STOPPED


async def test_a_rebalance_waits_no_longer_than_its_share() -> None:
    """E3: a member that drains for too long would be expelled; the fence refuses the late batch."""
    world = World(drain_seconds=0.1)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(world.membership.run())
        world.read()
        await until(lambda: world.batches)
        await world.membership.revoked()
        assert len(world.batches) == 1
        world.membership.end(Ending.STOPPED)


async def test_the_end_finishes_the_batch_gives_all_back_and_leaves() -> None:
    """E3: in this order, and takes nothing that Kafka still offers."""
    world = World()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(world.membership.run())
        world.read()
        await until(lambda: world.batches)
        world.membership.end(Ending.STOPPED)
        await until(lambda: not world.ours.held)
        world.membership.assigned(frozenset([HERE]))
        assert not world.ours.untaken()
        assert not world.has_left
        world.may_end.set()
    assert world.released == {HERE: 7}
    assert world.has_left


async def test_a_part_that_fails_ends_the_membership_and_leaves() -> None:
    """E3: a crash is seen, not survived half."""
    world = World()

    async def fail(batch: Batch) -> BatchResult:
        raise ValueError("a bug of ours")

    object.__setattr__(world.membership._terms, "process", fail)
    async with asyncio.timeout(5):
        world.read()
        with pytest.raises(ExceptionGroup, match="unhandled"):
            await world.membership.run()
    assert world.has_left


async def test_a_member_takes_as_many_timers_as_it_holds_partitions() -> None:
    """T2: the members' shares are disjoint, and no timer is in none of them."""
    one, two = World(), World()
    for world, held in ((one, [("events", 0), ("events", 2)]), (two, [("contacts", 0)])):
        world.membership.assigned(frozenset(held))
        for partition in held:
            world.ours.hold(Holding(partition, 1, committed=0, read_to=0))
    assert one.membership.share() == Share(4, (1, 3))
    assert two.membership.share() == Share(4, (0,))
    two.membership.assigned(frozenset([("events", 1)]))
    assert two.membership.share() == Share(4, ()), "what is not taken yet is not ours"
