"""W4: what `low` is, from the ends that were asked and the positions that were committed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from stream.consuming.batches import Partition
from stream.consuming.watermark import MARKS_MAX, Watermark

START = datetime(2026, 11, 22, tzinfo=UTC)
HERE: Partition = ("events", 0)
THERE: Partition = ("events", 1)


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def test_low_is_the_instant_whose_end_was_reached() -> None:
    """W4: asked at 1 when the log ended at 10; known only once 10 is committed."""
    watermark = Watermark()
    watermark.asked(at(1), {HERE: 10})
    assert watermark.low(HERE, 9) is None
    assert watermark.low(HERE, 10) == at(1)
    assert watermark.low(HERE, 11) == at(1)
    assert watermark.low(THERE, 99) is None


def test_low_is_the_newest_of_those_reached() -> None:
    """W4: a batch that passes several marks moves to the last of them."""
    watermark = Watermark()
    for second, end in ((1, 10), (2, 20), (3, 20), (4, 30)):
        watermark.asked(at(second), {HERE: end})
    assert watermark.low(HERE, 25) == at(3)


def test_low_moves_on_while_nothing_arrives() -> None:
    """W4: a silent partition that is read to its end is as fresh as its last question."""
    watermark = Watermark()
    for second in range(5):
        watermark.asked(at(second), {HERE: 10})
        assert watermark.low(HERE, 10) == at(second)


def test_a_mark_asked_while_a_batch_committed_still_counts() -> None:
    """W4: storing an older `low` forgets only what it covers."""
    watermark = Watermark()
    watermark.asked(at(1), {HERE: 10})
    low = watermark.low(HERE, 10)
    watermark.asked(at(2), {HERE: 10})
    watermark.stored(HERE, low)
    assert watermark.low(HERE, 10) == at(2)


def test_a_stored_low_is_not_told_again() -> None:
    """W4: a batch that does not move `low` does not mention it."""
    watermark = Watermark()
    watermark.asked(at(1), {HERE: 10})
    watermark.stored(HERE, watermark.low(HERE, 10))
    assert watermark.low(HERE, 50) is None
    watermark.stored(HERE, None)


def test_a_lost_partition_is_forgotten() -> None:
    """W4, E3: its next owner asks for itself; ours would be marks of another's log."""
    watermark = Watermark()
    watermark.asked(at(1), {HERE: 10, THERE: 10})
    watermark.forget(HERE)
    assert watermark.low(HERE, 10) is None
    assert watermark.low(THERE, 10) == at(1)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=3 * MARKS_MAX
    )
)
def test_low_never_runs_ahead_and_comes_true_in_the_end(steps: list[tuple[int, int]]) -> None:
    """W4: at any committed position, whatever ended beyond it is not yet known; at the end all is.

    More questions than marks are kept make `low` coarser, never wrong.
    """
    watermark = Watermark()
    asked: list[tuple[int, int]] = []
    end = position = 0
    stored = START - timedelta(seconds=1)
    for second, (arrived, consumed) in enumerate(steps):
        end += arrived
        watermark.asked(at(second), {HERE: end})
        asked.append((second, end))
        position = min(end, position + consumed)
        low = watermark.low(HERE, position)
        if low is not None:
            assert low > stored
            assert any(at(when) == low and ended <= position for when, ended in asked)
            stored = low
            watermark.stored(HERE, low)
    assert (watermark.low(HERE, end) or stored) == at(len(steps) - 1)


def test_a_consumer_at_a_steady_distance_still_moves_low() -> None:
    """W4: a minute behind, asked four times a second: else no timer would ever fire again."""
    watermark = Watermark()
    lag, lows = 240, []
    for tick in range(2400):
        watermark.asked(at(tick), {HERE: 10 * tick})
        low = watermark.low(HERE, 10 * (tick - lag))
        if low is not None:
            lows.append(low)
            watermark.stored(HERE, low)
    assert lows[-1] > at(2400 - 2 * lag)
