"""Instants as text: RFC 3339 in UTC with microseconds, the one form that records are written in."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=4096)  # a turn writes its own instant thousands of times
def moment_text(at: datetime) -> str:
    """Return an aware instant as `2026-11-22T10:00:00.000000Z`."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def optional_moment_text(at: datetime | None) -> str | None:
    """Return an instant as `moment_text` does, and none as None."""
    return None if at is None else moment_text(at)


def moment(text: str) -> datetime:
    """Return the instant that `moment_text` wrote."""
    return datetime.fromisoformat(text)
