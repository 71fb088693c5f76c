"""Calendar durations by brute force, word by word from rule T1.

Only the way from an instant to its wall clock is used; the way back is found by trying.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from state.duration import Duration

#: No offset is larger, and no wall clock was ever moved by more than a day.
_REACH = timedelta(hours=52)
_STEP = timedelta(hours=1)


def expected(at: datetime, zone: ZoneInfo, span: Duration, sign: int = 1) -> datetime:
    """Return the instant that lies a duration after `at`, or before it if `sign` is -1."""
    wanted = _counted(_wall(at, zone), sign * span.months, sign * span.days)
    shown = [instant for instant in _candidates(wanted, zone) if _wall(instant, zone) == wanted]
    landed = min(shown) if shown else _behind_the_gap(wanted, zone)
    return landed + sign * span.exact


@cache
def transitions(zone: ZoneInfo) -> list[datetime]:
    """Return the instants from 1970 to 2037 at which a zone's clocks were moved."""
    first = datetime(1970, 1, 1, tzinfo=UTC)
    walked = [first + timedelta(days=n) for n in range(0, 68 * 365, 5)]
    return [
        _moved_between(a, b, zone)
        for a, b in pairwise(walked)
        if _offset(a, zone) != _offset(b, zone)
    ]


def _counted(wall: datetime, months: int, days: int) -> datetime:
    """Return a wall time moved month by month, on the month's last day if it is too short."""
    year, month = wall.year, wall.month
    for _ in range(abs(months)):
        month += 1 if months > 0 else -1
        year, month = (
            (year + 1, 1) if month == 13 else (year - 1, 12) if month == 0 else (year, month)
        )
    day = next(day for day in range(wall.day, 0, -1) if _exists(year, month, day))
    return wall.replace(year=year, month=month, day=day) + timedelta(days=days)


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _candidates(wanted: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants that would show this wall time under the offsets in force about then."""
    for offset in {_offset(instant, zone) for instant in _about(wanted)}:
        yield wanted.replace(tzinfo=UTC) - offset


def _behind_the_gap(wanted: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant that shows a skipped wall time plus what was skipped."""
    for a, b in pairwise(_about(wanted)):
        if _wall(a, zone) < wanted < _wall(b, zone) and _offset(a, zone) != _offset(b, zone):
            gap = _offset(b, zone) - _offset(a, zone)
            landed = wanted.replace(tzinfo=UTC) + gap - _offset(b, zone)
            assert _wall(landed, zone) == wanted + gap
            return landed
    raise AssertionError(f"{zone.key} neither shows nor skips {wanted}")


def _about(wanted: datetime) -> list[datetime]:
    first = wanted.replace(tzinfo=UTC) - _REACH
    return [first + n * _STEP for n in range(2 * _REACH // _STEP)]


def _moved_between(a: datetime, b: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second after `a` at which the offset is no longer that of `a`."""
    while b - a > timedelta(seconds=1):
        middle = a + timedelta(seconds=(b - a) // timedelta(seconds=2))
        a, b = (middle, b) if _offset(middle, zone) == _offset(a, zone) else (a, middle)
    return b


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)
