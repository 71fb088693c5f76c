"""Exact durations: the lengths of time that are the same on every calendar (rule T1)."""

from __future__ import annotations

import re
from datetime import timedelta

from state.problem import Problem, ProblemsError, choose

#: The longest duration that may be written (rule T1).
DURATION_MAX = timedelta(days=366)

_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_EXAMPLE = "write a number and a unit, such as `30 minutes`, `1 day` or `PT24H`"
_DIGITS_MAX = 10  # far beyond DURATION_MAX in seconds, and no work to convert
_WORDS = re.compile(r"(-?[0-9]+) +([a-z]+)", re.IGNORECASE)
_EXACT_ISO = re.compile(r"PT(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?")
_CALENDAR_UNITS = ("month", "quarter", "year")
_CALENDAR_ISO = re.compile(r"P[0-9]+[YMWD].*")


class DurationError(ProblemsError):
    """What was given is not a duration that can be used."""


def parse_duration(text: object) -> timedelta:
    """Return an exact duration written in words (`30 minutes`) or in ISO 8601 (`PT1H30M`).

    A day is 24 hours and a week 7 days, whatever clocks do. ISO's calendar parts (`P1D`) mean a
    date in somebody's time zone, a different thing, and are refused here by name.

    Raises:
        DurationError: not a duration, not positive, or longer than 366 days.
    """
    if not isinstance(text, str):
        raise _refused(f"{text!r:.40} is not a duration", _EXAMPLE)
    written = text.strip()
    if in_words := _WORDS.fullmatch(written):
        return _within_limits(_amount(in_words[1]) * _unit(in_words[2]), written)
    if exact := _EXACT_ISO.fullmatch(written):
        hours, minutes, seconds = (_amount(part or "0") for part in exact.groups())
        return _within_limits(hours * 3600 + minutes * 60 + seconds, written)
    if _CALENDAR_ISO.fullmatch(written):
        raise _calendar(written)
    raise _refused(f"`{written:.40}` is not a duration", _EXAMPLE)


def _amount(digits: str) -> int:
    """Return the number; one with too many digits counts as one that is merely far too long."""
    return int(digits[: _DIGITS_MAX + 1])


def _unit(word: str) -> int:
    """Return the seconds of a unit, named in the singular or the plural."""
    singular = word.lower().removesuffix("s")
    if singular in _CALENDAR_UNITS:
        raise _calendar(word)
    unit = _UNITS.get(singular)
    if unit is None:
        fix = choose(word, (f"{name}s" for name in _UNITS))
        raise _refused(f"`{word:.40}` is not a unit of time", fix)
    return int(unit.total_seconds())


def _within_limits(seconds: int, written: str) -> timedelta:
    if seconds <= 0:
        raise _refused(f"`{written:.40}` is not longer than nothing", "write a positive duration")
    if seconds > DURATION_MAX.total_seconds():
        raise _refused(f"`{written:.40}` is too long", f"the longest is {DURATION_MAX.days} days")
    return timedelta(seconds=seconds)


def _calendar(written: str) -> DurationError:
    """Refuse a length of time that depends on the date and the time zone it is counted from."""
    return _refused(
        f"`{written:.40}` is a calendar duration, which is not supported yet",
        "write `1 day` for exactly 24 hours, `1 week` for 7 days",
    )


def _refused(message: str, fix: str) -> DurationError:
    return DurationError([Problem("", message, fix)])
