"""Instants moved by what calendars and wall clocks show, in one time zone (rule T1)."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

#: The lengths of the months of two leap years, from which the longest of any spans are cut.
_MONTHS = tuple(monthrange(2024, month)[1] for month in range(1, 13)) * 2


def moved(at: datetime, zone: ZoneInfo, months: int, days: int) -> datetime:
    """Return the instant whose wall clock is these months, then these days, from that of `at`.

    A day that its month lacks becomes the month's last one. A wall time that the clocks skip moves
    forward by what they skip; of one that they show twice the first is meant. Negative numbers go
    back, by the same rules. The answer is in UTC.
    """
    wall = at.astimezone(zone).replace(tzinfo=None)
    wanted = _plus_months(wall, months) + timedelta(days=days)
    # fold=0 means both (PEP 495): a skipped wall time has the offset from before the gap, which
    # leads behind it; a repeated one has the offset of its first pass.
    return wanted.replace(tzinfo=zone, fold=0).astimezone(UTC)


def longest_in_days(months: int) -> int:
    """Return how many days so many months last at most, wherever in the calendar they begin."""
    years, rest = divmod(months, 12)
    return 366 * years + max(sum(_MONTHS[first : first + rest]) for first in range(12))


def _plus_months(wall: datetime, months: int) -> datetime:
    year, index = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    last = monthrange(year, index + 1)[1]
    return wall.replace(year=year, month=index + 1, day=min(wall.day, last))
