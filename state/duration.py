"""Durations: exact ones, the same on every calendar, and calendar ones, which are not (T1)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from state.problem import Problem, ProblemsError, choose, spelled
from state.wall_clock import longest_in_days, moved

#: The longest duration that may be written (rule T1).
DURATION_MAX = timedelta(days=366)

_UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_BY_CALENDAR = {"month": "P1M", "quarter": "P3M", "year": "P1Y"}
_DAY = 86_400
_EXAMPLE = "write a whole number and a unit, such as `30 minutes`, `1 day` or `PT24H`, or `P1D`"
_DIGITS_MAX = 10  # far beyond DURATION_MAX in seconds, and no work to convert
_WORDS = re.compile(r"(-?[0-9]+) +([a-z]+)", re.IGNORECASE)
_ISO = re.compile(
    r"P(?=[0-9T])(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)W)?(?:([0-9]+)D)?"
    r"(?:T(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?"
)
_NEGATIVE_ISO = re.compile(r"-P[0-9T].*|P.*-[0-9].*")
_FRACTION = re.compile(r"[0-9][.,][0-9]")


class DurationError(ProblemsError):
    """What was given is not a duration that can be used."""


class Duration(Struct, frozen=True):
    """A length of time: months, then days, as a calendar counts them, then an exact rest."""

    exact: timedelta = timedelta()
    months: int = 0
    days: int = 0

    @property
    def is_exact(self) -> bool:
        """Tell whether it is the same everywhere, so that no time zone is needed."""
        return not (self.months or self.days)

    def add(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the instant that lies this long after `at`, by the calendar of `zone`."""
        if self.is_exact:
            return at + self.exact
        return moved(at, zone, self.months, self.days) + self.exact

    def before(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the instant whose wall clock is this much earlier, then earlier by the rest."""
        if self.is_exact:
            return at - self.exact
        return moved(at, zone, -self.months, -self.days) - self.exact


def parse_duration(text: object) -> Duration:
    """Return a duration written in words (`30 minutes`) or in ISO 8601 (`PT1H30M`, `P1D`).

    In words and in ISO's time part (`PT24H`) a day is 24 hours and a week 7 days, whatever clocks
    do. ISO's date part (`P1D`, `P1M`) is counted by the calendar of a time zone.

    Raises:
        DurationError: not a duration, not positive, or longer than 366 days at its longest.
    """
    if not isinstance(text, str):
        raise _refused(f"{spelled(text)} is not a duration", _EXAMPLE)
    written = text.strip()
    if in_words := _WORDS.fullmatch(written):
        return _limited(written, 0, 0, _amount(in_words[1]) * _unit(in_words[2]))
    if iso := _ISO.fullmatch(written):
        years, months, weeks, days, *time = (_amount(part or "0") for part in iso.groups())
        seconds = time[0] * 3600 + time[1] * 60 + time[2]
        return _limited(written, years * 12 + months, weeks * 7 + days, seconds)
    if _NEGATIVE_ISO.fullmatch(written):
        raise _not_positive(written)
    if _FRACTION.search(written):
        raise _refused(f"`{written:.40}` is not in whole numbers", _EXAMPLE)
    raise _refused(f"`{written:.40}` is not a duration", _EXAMPLE)


def _amount(digits: str) -> int:
    """Return the number; one with too many digits counts as one that is merely far too long."""
    return int(digits[: _DIGITS_MAX + 1])


def _unit(word: str) -> int:
    """Return the seconds of a unit, named in the singular or the plural."""
    singular = word.lower().removesuffix("s")
    if written := _BY_CALENDAR.get(singular):
        fix = f"write `{written}` to count by the calendar, or a number of days"
        raise _refused(f"a {singular} has no fixed length", fix)
    unit = _UNITS.get(singular)
    if unit is None:
        fix = choose(word, (f"{name}s" for name in _UNITS))
        raise _refused(f"`{word:.40}` is not a unit of time", fix)
    return unit


def _limited(written: str, months: int, days: int, seconds: int) -> Duration:
    """Return the duration, its calendar parts judged at their longest."""
    longest = (longest_in_days(months) + days) * _DAY + seconds
    if longest <= 0:
        raise _not_positive(written)
    if longest > DURATION_MAX.total_seconds():
        message = f"`{written:.40}` is too long: it can take {-(-longest // _DAY)} days"
        raise _refused(message, f"the longest is {DURATION_MAX.days} days, or `P1Y`")
    return Duration(timedelta(seconds=seconds), months, days)


def _not_positive(written: str) -> DurationError:
    return _refused(f"`{written:.40}` is not longer than nothing", "write a positive duration")


def _refused(message: str, fix: str) -> DurationError:
    return DurationError([Problem("", message, fix)])
