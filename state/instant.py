"""How instants are written in events: RFC 3339, always with an offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

#: What `parse_instant` accepts, for messages.
EXPECTED = "an RFC 3339 time with an offset, such as 2026-11-22T10:00:00Z"

_RFC3339 = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|(60))"
    r"(?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
#: Days that no clock shows; at their ends, databases keep infinity in place of the instant.
FIRST = datetime(1, 1, 2, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)

_SECONDS = slice(17, 19)


class InstantError(ValueError):
    """A text that names no instant; the error's text says what was expected."""


def parse_instant(text: str) -> datetime:
    """Return the instant in UTC; digits beyond microseconds are cut, a leap second is the next one.

    Raises:
        InstantError: if the text is not RFC 3339, has no offset, or lies outside the years 1-9999.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise InstantError(EXPECTED)
    try:
        if match[1] is not None:
            return _leap_second(text)
        read = datetime.fromisoformat(text.upper())
        meant = read if read.tzinfo is UTC else read.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InstantError(EXPECTED) from None
    if not FIRST <= meant < LAST:
        raise InstantError(f"{EXPECTED}; this one stands for no time at all: leave it out")
    return meant


def _leap_second(text: str) -> datetime:
    before = datetime.fromisoformat(f"{text[: _SECONDS.start]}59{text[_SECONDS.stop :]}".upper())
    after = before.astimezone(UTC) + timedelta(seconds=1)
    if (after.hour, after.minute) != (0, 0):
        raise InstantError(EXPECTED)
    return after
