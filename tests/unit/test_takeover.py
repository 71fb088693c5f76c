"""E3: taking partitions in Postgres, with Kafka and Postgres failing and changing their minds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from state.postgres.offsets import Held
from state.turn import Unavailable
from stream.consuming.assignment import Assignment
from stream.consuming.batches import Backlog, Partition
from stream.consuming.client import KafkaClient
from stream.consuming.takeover import Bounds, Contradiction, Takeover, place
from stream.consuming.terms import Terms
from stream.consuming.watermark import Watermark
from tests.waiting import until

HERE: Partition = ("events", 0)
THERE: Partition = ("events", 1)


@given(st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9))
def test_an_offset_is_only_read_on_from_if_the_log_has_all_since(
    start: int, length: int, next_offset: int | None
) -> None:
    """E3: within the log, its end included; else the partition stops, and never jumps."""
    end = start + length
    found = place(next_offset, Bounds(start, end))
    if next_offset is None:
        assert found == start
    elif next_offset < start:
        assert found is Contradiction.EXPIRED
    elif next_offset > end:
        assert found is Contradiction.TRUNCATED
    else:
        assert found == next_offset


class Kafka:
    """Logs of a hundred records; may fail for single partitions."""

    def __init__(self) -> None:
        self.flows: list[tuple[Partition, int]] = []
        self.failing: set[Partition] = set()

    def partitions(self) -> dict[str, set[int]]:
        return {"events": {0, 1}}

    async def starts(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        if self.failing & set(partitions):
            raise TimeoutError
        return dict.fromkeys(partitions, 0)

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return dict.fromkeys(partitions, 100)

    def seek(self, partition: Partition, offset: int) -> None:
        self.flows.append((partition, offset))

    def pause(self, partitions: Collection[Partition]) -> None:
        pass


class Postgres:
    """Epochs that count up; `on_take` happens while a take is under way."""

    def __init__(self) -> None:
        self.epoch = 0
        self.failures = 0
        self.registered: list[Partition] = []
        self.on_take: Callable[[], None] = lambda: None

    async def register_partitions(self, partitions: Sequence[Partition]) -> None:
        self.registered += partitions

    async def take_partitions(
        self, partitions: Sequence[Partition], owner: str
    ) -> Mapping[Partition, Held]:
        await asyncio.sleep(0)
        self.on_take()
        if self.failures:
            self.failures -= 1
            raise Unavailable("down")
        self.epoch += 1
        return {partition: Held(42, self.epoch) for partition in partitions}


class Hasty:
    """A clock whose pauses are noted and take no time."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return sum(self.pauses)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def jittered(self, seconds: float) -> float:
        return seconds


class World:
    """A takeover between its Kafka and its Postgres."""

    def __init__(self) -> None:
        self.kafka, self.postgres, self.clock = Kafka(), Postgres(), Hasty()
        backlog = Backlog(records_max=10, bytes_max=10)
        self.ours = Assignment(self.kafka, backlog, Watermark())
        terms: Any = Terms(
            store=cast("Any", self.postgres),
            clock=cast("Any", self.clock),
            owner="me",
            **dict.fromkeys(
                ("counters", "read", "process", "timers_due", "records_max", "bytes_max",
                 "stall_seconds", "drain_seconds")
            ),
        )  # fmt: skip
        self.takeover = Takeover(cast("KafkaClient", self.kafka), self.ours, terms)

    async def until(self, condition: Callable[[], object]) -> None:
        """Let it take, until this is so."""
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            taking = group.create_task(self.takeover.run())
            await until(condition)
            taking.cancel()


async def test_what_kafka_gives_us_is_registered_taken_sought_and_flows() -> None:
    """E3: from Postgres's offset, under Postgres's epoch."""
    world = World()
    world.ours.assign(frozenset([HERE, THERE]))
    await world.until(lambda: not world.ours.untaken())
    assert world.kafka.flows == [(HERE, 42), (THERE, 42)]
    assert world.ours.epochs() == {HERE: 1, THERE: 1}
    assert world.postgres.registered == [HERE, THERE]


async def test_a_rebalance_during_the_take_makes_it_void() -> None:
    """E3: an epoch that was minted for an assignment that is over lets nothing flow."""
    world = World()
    world.ours.assign(frozenset([HERE, THERE]))

    def rebalance() -> None:
        world.postgres.on_take = lambda: None
        world.ours.revoke()
        world.ours.assign(frozenset([THERE]))

    world.postgres.on_take = rebalance
    await world.until(lambda: world.ours.held)
    assert world.kafka.flows == [(THERE, 42)]
    assert world.ours.epochs() == {THERE: 2}


async def test_it_tries_again_with_growing_pauses_while_postgres_is_away() -> None:
    """E3: nothing flows until it has succeeded."""
    world = World()
    world.postgres.failures = 8
    world.ours.assign(frozenset([HERE]))
    await world.until(lambda: world.ours.held)
    assert world.clock.pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert world.kafka.flows == [(HERE, 42)]


async def test_a_partition_that_cannot_be_taken_does_not_hold_the_others() -> None:
    """E3: one without a leader is tried for itself."""
    world = World()
    world.kafka.failing = {HERE}
    world.ours.assign(frozenset([HERE, THERE]))
    await world.until(lambda: world.ours.held)
    assert world.kafka.flows == [(THERE, 42)]
    world.kafka.failing = set()
    await world.until(lambda: not world.ours.untaken())


async def test_a_partition_that_was_taken_from_us_is_not_fought_for() -> None:
    """E3: two that both believe to own it take turns slowly, until one of them hears better."""
    world = World()
    world.ours.assign(frozenset([HERE]))
    await world.until(lambda: world.ours.held)
    assert world.clock.pauses == []
    world.ours.stop(HERE, 1)
    world.ours.settle([], [])
    world.ours.stopped.clear()
    await world.until(lambda: world.ours.held)
    assert world.clock.pauses == [1.0]
