"""Whether a due timer may fire while the consumer lags behind the topics (rule W4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from state.turn import PartitionState

LagVerdict = Literal["fire", "hold", "fire_under_lag"]


def judge_lag(
    partitions: Sequence[PartitionState], due_at: datetime, now: datetime, cap: timedelta
) -> LagVerdict:
    """Return whether a timer due at `due_at` fires, is held, or fires at the end of the cap.

    It fires when everything that the topics held at `due_at` has been consumed. A partition that is
    unowned, paused, never consumed or catching up holds it without limit; only while all are owned
    and resumed, and the lagging ones stand still, does the cap run.
    """
    if not partitions:
        return "hold"
    lagging = [part for part in partitions if part.low is None or part.low < due_at]
    if not lagging:
        return "fire"
    resumed = [part.resumed_since for part in partitions if part.resumed_since is not None]
    if len(resumed) < len(partitions):
        return "hold"
    whole_since = max(resumed)
    is_stuck = all(_stands_still(part, max(whole_since, due_at), now, cap) for part in lagging)
    return "fire_under_lag" if is_stuck else "hold"


def _stands_still(part: PartitionState, since: datetime, now: datetime, cap: timedelta) -> bool:
    """Tell whether a partition that was consumed before has not advanced for the whole cap."""
    if part.low is None or part.advanced_at is None:
        return False
    return now - max(since, part.advanced_at) >= cap
