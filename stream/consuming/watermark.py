"""How far each partition is known to be read: the `low` of rule W4."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from stream.consuming.batches import Partition

#: How many marks a partition keeps while it lags; beyond, every second one is forgotten.
MARKS_MAX = 64


class Mark(NamedTuple):
    """At this instant, or after it, the partition ended at this offset."""

    asked_at: datetime
    end: int


class Watermark:
    """For each partition, the instants at which its end was asked and that are not yet reached.

    `low` = the newest instant whose end offset was consumed and committed. Whatever stood in the
    log at that instant has then been applied, so a timeout up to it may be judged. Timestamps of
    records are never used: producers forge them, and a silent partition has none.

    Ends are asked under `read_committed`, so they are the last stable offset: what a transaction
    still open has written is not published, and neither it nor one that hangs holds the timers.
    """

    def __init__(self) -> None:
        self._marks: dict[Partition, deque[Mark]] = {}

    def asked(self, asked_at: datetime, ends: Mapping[Partition, int]) -> None:
        """Note the ends; `asked_at` must have been read BEFORE they were asked."""
        for partition, end in ends.items():
            marks = self._marks.setdefault(partition, deque())
            if marks and marks[-1].end == end:
                marks.pop()
            elif len(marks) == MARKS_MAX:
                # Fewer instants make `low` coarser while it catches up, never wrong. The oldest
                # stays: a consumer that keeps a steady distance must still reach one.
                self._marks[partition] = marks = deque(list(marks)[::2])
            marks.append(Mark(asked_at, end))

    def low(self, partition: Partition, position: int) -> datetime | None:
        """Return what `low` becomes once this position is committed; None: it does not move."""
        reached = None
        for mark in self._marks.get(partition, ()):
            if mark.end > position:
                break
            reached = mark.asked_at
        return reached

    def stored(self, partition: Partition, low: datetime | None) -> None:
        """Forget the marks that a stored `low` covers; those asked since then still count."""
        marks = self._marks.get(partition)
        while marks and low is not None and marks[0].asked_at <= low:
            marks.popleft()

    def forget(self, partition: Partition) -> None:
        """Forget a partition that is no longer ours: its next owner asks for itself."""
        self._marks.pop(partition, None)
