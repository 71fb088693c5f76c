"""E3: a client that has silently stopped is noticed, and nothing else is mistaken for it."""

from __future__ import annotations

from stream.consuming.batches import Partition
from stream.consuming.watchdog import POLLS_MIN, Progress, Watchdog

HERE: Partition = ("events", 0)
THERE: Partition = ("events", 1)


def watch(
    watchdog: Watchdog, seconds: range, position: int, end: int, polls_each: int = POLLS_MIN
) -> list[Partition]:
    stalled: list[Partition] = []
    for second in seconds:
        seen = {HERE: Progress(position, end, second * polls_each)}
        stalled = watchdog.answered(float(second), seen)
    return stalled


def test_a_partition_that_stands_still_below_its_end_is_stalled() -> None:
    """E3: for the whole timeout, and not a second sooner."""
    watchdog = Watchdog(60.0)
    assert watch(watchdog, range(60), position=5, end=9) == []
    assert watch(watchdog, range(60, 61), position=5, end=9) == [HERE]


def test_a_partition_read_to_its_end_is_idle() -> None:
    """E3: nothing to read is no stall, however long."""
    assert watch(Watchdog(60.0), range(500), position=9, end=9) == []


def test_progress_begins_anew() -> None:
    """E3: however slow, a partition that moves is alive."""
    watchdog = Watchdog(60.0)
    for position in range(10):
        moved = range(position * 50, position * 50 + 50)
        assert watch(watchdog, moved, position, end=99) == []


def test_an_end_that_moves_is_no_progress() -> None:
    """E3: what arrives does not excuse who does not read."""
    watchdog = Watchdog(60.0)
    for second in range(61):
        stalled = watchdog.answered(second, {HERE: Progress(5, 9 + second, second * POLLS_MIN)})
    assert stalled == [HERE]


def test_a_silent_broker_is_no_stall() -> None:
    """E3: what was seen before the silence says nothing after it."""
    watchdog = Watchdog(60.0)
    watch(watchdog, range(59), position=5, end=9)
    watchdog.unanswered()
    assert watch(watchdog, range(300, 360), position=5, end=9) == []
    assert watch(watchdog, range(360, 361), position=5, end=9) == [HERE]


def test_a_partition_that_was_not_polled_is_not_stalled() -> None:
    """E3: while the processor is busy nobody reads, and nobody is to blame."""
    assert watch(Watchdog(60.0), range(500), position=5, end=9, polls_each=0) == []


def test_a_partition_that_was_lost_and_came_back_begins_anew() -> None:
    """E3: each partition has its own streak, which ends when it is not held."""
    watchdog = Watchdog(60.0)
    watch(watchdog, range(60), position=5, end=9)
    watchdog.answered(60.0, {THERE: Progress(0, 1, 0)})
    assert watchdog.answered(61.0, {HERE: Progress(5, 9, 9999)}) == []
