"""T2, W4: which timers a worker takes, when it looks again, and when lows have to be fresh."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from handlers.timer import TimerDue
from state.share import EVERYBODYS, Share
from stream.wake import (
    BRISK_SECONDS,
    IDLE_SECONDS,
    OTHERS_SECONDS,
    OVERDUE,
    TIMERS_MAX,
    Wake,
)

EVEN = Share(2, (0,))


class World:
    """A store of timers, the door and the clock at once; `late` says by how much each is late."""

    def __init__(self, late: dict[int, float], share: Share = EVERYBODYS) -> None:
        self.late = late
        self.asked: list[Share] = []
        self.fired: list[list[int]] = []
        self.pauses: list[float] = []
        self.is_held = False
        self.seconds_a_look = 1.0
        me: Any = self
        self.wake = Wake(me, me, me, lambda: share)

    async def run(self, rounds: int) -> None:
        """Look that many times in all."""
        self.rounds = rounds
        with contextlib.suppress(StopAsyncIteration):
            await self.wake.run()

    # --- as the store

    async def due(self, limit: int, *, include_held: bool, share: Share) -> list[tuple[int, UUID]]:
        self.asked.append(share)
        least = share.late_by / timedelta(seconds=1)
        late = sorted((-late, one) for one, late in self.late.items() if late >= least)
        return [(one, UUID(int=one)) for _, one in late if share.has(one)][:limit]

    async def next_due_in(self) -> float | None:
        return min((-late for late in self.late.values()), default=None)

    # --- as the door

    async def apply_timers(self, due: Sequence[TimerDue]) -> Counter[str]:
        if self.is_held:
            return Counter(timers_held=len(due))
        self.fired.append([timer.contact_id for timer in due])
        for timer in due:
            del self.late[timer.contact_id]
        return Counter(timers_fired=len(due))

    # --- as the clock

    def monotonic(self) -> float:
        return self.seconds_a_look * len(self.pauses)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) == self.rounds:
            raise StopAsyncIteration
        await asyncio.sleep(0)


async def test_a_worker_leaves_others_their_timers_unless_they_are_overdue() -> None:
    """T2: two workers who take the same wait for each other's locks, and one does nothing."""
    world = World({1: 0.1, 2: 0.2, 3: 0.6, 4: 0.7, 5: 0.0}, EVEN)
    await world.run(1)
    assert world.fired == [[4, 2, 3]]
    assert sorted(world.late) == [1, 5]


async def test_workers_that_are_behind_do_not_take_each_others_timers() -> None:
    """T2: each fires its own as long as they fill a turn, so that all of them help."""
    world = World(dict.fromkeys(range(3 * TIMERS_MAX), 9.0), EVEN)
    await world.run(1)
    assert world.asked == [EVEN]
    assert all(EVEN.has(one) for one in world.fired[0])
    await world.run(2)
    assert world.asked == [EVEN, EVEN, OVERDUE]


async def test_others_timers_are_looked_for_now_and_then() -> None:
    """T2: a look at them among thousands that were just fired is not for nothing."""
    world = World({1: 0.1}, EVEN)
    world.seconds_a_look = OTHERS_SECONDS / 2
    await world.run(5)
    assert world.asked == [EVEN, OVERDUE, EVEN, EVEN, OVERDUE, EVEN, EVEN, OVERDUE]


async def test_a_worker_without_partitions_only_stands_in() -> None:
    """T2: while its partitions move, timers are late, not lost."""
    world = World({1: 0.4, 2: 0.6}, Share(1, ()))
    await world.run(1)
    assert world.asked == [OVERDUE]
    assert world.fired == [[2]]


async def test_one_that_has_all_partitions_asks_once() -> None:
    """T2: nobody else is there to be stood in for."""
    world = World({1: 0.4, 2: 0.6}, Share(2, (0, 1)))
    await world.run(1)
    assert world.asked == [Share(2, (0, 1))]
    assert world.fired == [[2, 1]]


async def test_a_look_at_an_idle_store_is_one_statement() -> None:
    """T2: an idle worker costs next to nothing, and rests no longer than to the next timer."""
    for late, pause in (({}, IDLE_SECONDS), ({1: -60.0}, IDLE_SECONDS), ({1: -0.1}, 0.1)):
        world = World(late)
        await world.run(1)
        assert world.asked == []
        assert world.pauses == [pause]


async def test_a_few_timers_gather_for_the_next_turn_but_none_waits_behind_a_full_one() -> None:
    """T2: a turn costs much more than a timer; one that is full has left some undone."""
    world = World(dict.fromkeys(range(TIMERS_MAX + 5), 0.1))
    await world.run(3)
    assert [len(each) for each in world.fired] == [TIMERS_MAX, 5]
    assert world.pauses == [0.0, BRISK_SECONDS, IDLE_SECONDS]


async def test_lows_are_kept_fresh_while_timers_fire_without_a_pause() -> None:
    """W4: the timeouts among them wait for lows, however many delays are due beside them."""
    world = World(dict.fromkeys(range(TIMERS_MAX + 1), 0.1))
    assert not world.wake.is_pressing
    await world.run(1)
    assert world.wake.is_pressing
    await world.run(3)
    assert not world.wake.is_pressing


async def test_what_lag_holds_for_long_is_looked_at_calmly() -> None:
    """W4: haste helps a timer that is about to fire, not one that is held for minutes."""
    for late, pause in ((0.1, BRISK_SECONDS), (60.0, IDLE_SECONDS)):
        world = World({1: late})
        world.is_held = True
        await world.run(1)
        assert world.pauses == [pause]
        assert world.wake.is_pressing
