"""Sees that the Kafka client has silently stopped fetching, which it does not say itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stream.consuming.batches import Partition

#: A partition that was asked for records less often than this may simply not have been read.
POLLS_MIN = 10


class Progress(NamedTuple):
    """Where a partition stands, where its log ends, and how often it was asked for records."""

    position: int
    end: int
    polls: int


class _Streak(NamedTuple):
    position: int
    polls: int
    since: float


class Watchdog:
    """Names the partitions that had something to read for `timeout` seconds and did not move.

    Ends must be asked over the wire, not read from the client: the task that has died is the one
    that would refresh the client's own high-water mark. Only what the broker has answered counts,
    so a broker that is down or hangs is never mistaken for a client that is stuck; nor is a slow
    processor, which keeps us from polling: a partition that stands still must have been polled.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._streaks: dict[Partition, _Streak] = {}

    def answered(self, at: float, seen: Mapping[Partition, Progress]) -> list[Partition]:
        """Judge an answer of the broker at monotonic second `at`; return what is stalled."""
        self._streaks = {
            partition: self._streak(partition, progress, at)
            for partition, progress in seen.items()
            if progress.end > progress.position
        }
        return sorted(
            partition
            for partition, streak in self._streaks.items()
            if at - streak.since >= self._timeout
            and seen[partition].polls - streak.polls >= POLLS_MIN
        )

    def unanswered(self) -> None:
        """Begin anew: the broker did not answer, so nobody can tell who stands still."""
        self._streaks.clear()

    def _streak(self, partition: Partition, progress: Progress, at: float) -> _Streak:
        before = self._streaks.get(partition)
        if before is not None and before.position == progress.position:
            return before
        return _Streak(progress.position, progress.polls, at)
