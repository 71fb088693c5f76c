"""W4, E3: what a refresh stores, and when a client is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from state.event import Coordinates, Tombstone
from state.postgres.offsets import Touch
from state.turn import Unavailable
from stream.consuming.assignment import Assignment
from stream.consuming.batches import Backlog, Holding, Partition
from stream.consuming.refresher import ADRIFT_SECONDS_MAX, DEAF_SECONDS_MAX, Ending, Refresher
from stream.consuming.watermark import Watermark

START = datetime(2026, 11, 22, tzinfo=UTC)
HERE: Partition = ("events", 0)
THERE: Partition = ("events", 1)


class World:
    """Kafka, Postgres and the clock at once, and the refresher among them."""

    def __init__(self, timers_due: bool = False) -> None:
        self.seconds = 0.0
        self.end = 10
        self.is_silent = self.is_down = False
        self.touches: list[Sequence[Touch]] = []
        self.fenced: set[Partition] = set()
        self.answer_takes = 0.0
        self.ends_at = 1e9
        backlog = Backlog(records_max=10, bytes_max=10)
        self.ours = Assignment(self, backlog, Watermark())
        self.rounds = 0
        terms: Any = SimpleNamespace(
            store=self, clock=self, timers_due=lambda: timers_due, stall_seconds=60.0
        )
        me: Any = self
        self.refresher = Refresher(me, self.ours, terms, takeover=me, reader=me)

    def hold(self, *partitions: Partition) -> None:
        self.ours.assign(frozenset(partitions))
        for partition in partitions:
            self.ours.hold(Holding(partition, 1, committed=10, read_to=10))

    async def run(self, seconds: float) -> Ending | None:
        """Refresh for so long; return the ending, if there was one before."""
        self.ends_at = self.seconds + seconds
        try:
            return await self.refresher.run()
        except StopAsyncIteration:
            return None

    # --- as Kafka, its reader, and the takeover

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        if self.is_silent:
            raise TimeoutError
        self.seconds += self.answer_takes
        return dict.fromkeys(partitions, self.end)

    def pause(self, partitions: Collection[Partition]) -> None:
        pass

    async def register(self) -> None:
        pass

    # --- as Postgres

    async def database_now(self) -> datetime:
        if self.is_down:
            raise Unavailable("down")
        return START + timedelta(seconds=self.seconds)

    async def touch_partitions(self, rows: Sequence[Touch]) -> set[Partition]:
        if self.is_down:
            raise Unavailable("down")
        self.touches.append(rows)
        return self.fenced

    # --- as the clock

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.rounds += 1
        if self.seconds > self.ends_at:
            raise StopAsyncIteration
        await asyncio.sleep(0)


async def test_low_is_refreshed_many_times_a_second_only_while_a_timer_is_due() -> None:
    """W4: well within 250 ms then, else every 5 s."""
    for timers_due, times in ((True, 101), (False, 3)):
        world = World(timers_due)
        world.hold(HERE)
        await world.run(10)
        assert len(world.touches) == times
        lows = [touch.low for (touch,) in world.touches]
        assert lows[-1] == START + timedelta(seconds=10)


async def test_low_is_the_instant_before_the_question() -> None:
    """W4: what arrives while the broker answers must not count as consumed by then."""
    world = World()
    world.hold(HERE)
    world.answer_takes = 3.0
    await world.run(1)
    assert [touch.low for (touch,) in world.touches] == [START]


async def test_a_partition_just_taken_does_not_wait_for_its_first_low() -> None:
    """W4: it holds all timers until it has one."""
    world = World()
    world.hold(HERE)
    await world.run(1)
    world.ours.assign(frozenset([HERE, THERE]))
    world.ours.hold(Holding(THERE, 1, committed=10, read_to=10))
    await world.run(0.5)
    assert [touch.partition for touch in world.touches[-1]] == [1]


async def test_what_waits_says_that_it_is_alive_and_no_more() -> None:
    """W4: its `low` and offset are its batch's to move."""
    world = World()
    world.hold(HERE)
    holding = world.ours.held[HERE]
    world.ours.backlog.add(holding, [Tombstone(Coordinates("events", 0, 10), START)], 1)
    holding.read_to = world.end = 11
    await world.run(1)
    assert world.touches == [[Touch("events", 0, 1, None, True, None)]]
    assert holding.committed == 10


async def test_markers_are_passed_and_committed() -> None:
    """W4: what is read and waits for nobody is committed, records or not."""
    world = World()
    world.hold(HERE)
    world.ours.held[HERE].read_to = world.end = 12
    await world.run(1)
    assert world.touches == [[Touch("events", 0, 1, START, True, 12)]]
    assert world.ours.held[HERE].committed == 12


async def test_a_stopped_partition_is_ours_and_does_not_flow() -> None:
    """W4: the cap does not count while one is stopped."""
    world = World()
    world.hold(HERE)
    world.ours.stop(HERE, 1)
    await world.run(1)
    assert world.touches == [[Touch("events", 0, 1, None, False, None)]]


async def test_a_fenced_partition_is_let_go() -> None:
    """E3: and taken anew, as it is still ours."""
    world = World()
    world.hold(HERE)
    world.fenced = {HERE}
    await world.run(1)
    assert world.ours.untaken() == [HERE]


async def test_a_client_that_gets_no_answer_is_replaced() -> None:
    """E3: it would never ask its bootstrap servers again; until then presence is renewed."""
    world = World()
    world.hold(HERE)
    world.is_silent = True
    assert await world.run(2 * DEAF_SECONDS_MAX) is Ending.UNREACHABLE
    assert DEAF_SECONDS_MAX < world.seconds < DEAF_SECONDS_MAX + 10
    assert len(world.touches) > 10
    assert all(touch.low is None for (touch,) in world.touches)


async def test_a_client_that_never_hears_what_is_ours_is_replaced() -> None:
    """E3: a group that cannot form is left and joined anew; one without work for us is not."""
    world = World()
    assert await world.run(2 * ADRIFT_SECONDS_MAX) is Ending.UNREACHABLE
    assert world.seconds > ADRIFT_SECONDS_MAX
    world = World()
    world.ours.assign(frozenset())
    assert await world.run(2 * ADRIFT_SECONDS_MAX) is None


async def test_postgres_being_away_is_no_fault_of_kafkas() -> None:
    """E3: the client stays, however long."""
    world = World()
    world.hold(HERE)
    world.is_down = True
    assert await world.run(10 * DEAF_SECONDS_MAX) is None


async def test_a_client_that_stands_still_is_named() -> None:
    """E3: the broker has more, we poll, and nothing comes."""
    world = World()
    world.hold(HERE)
    world.end = 11
    assert await world.run(200) is Ending.STALLED
    assert 60 <= world.seconds < 70
