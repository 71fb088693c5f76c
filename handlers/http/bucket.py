"""A token bucket for each key: so many requests at once, so many a second after that."""

from __future__ import annotations

import math

from msgspec import Struct


class Allowance(Struct, frozen=True):
    """What a key may still do: `limit` requests in `window_seconds`, `remaining` of them now.

    `reset_seconds` is how long until all are there again, `retry_seconds` until there is one.
    """

    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int
    retry_seconds: int
    is_granted: bool


class Buckets:
    """The buckets of this process, one for each key that came.

    `rate` is tokens a second, `burst` how many a bucket holds. A key that does not exist gets no
    bucket, so there are no more of them than keys.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str, now: float) -> Allowance:
        """Take a token if there is one; `now` is seconds that never go back."""
        level, at = self._levels.get(key_id, (float(self._burst), now))
        level = min(float(self._burst), level + (now - at) * self._rate)
        is_granted = level >= 1
        if is_granted:
            level -= 1
        self._levels[key_id] = (level, now)
        return Allowance(
            limit=self._burst,
            window_seconds=self._whole(self._burst),
            remaining=int(level),
            reset_seconds=self._whole(self._burst - level),
            retry_seconds=0 if is_granted else self._whole(1 - level),
            is_granted=is_granted,
        )

    def _whole(self, tokens: float) -> int:
        """Return in how many whole seconds so many tokens come, at least one."""
        return max(1, math.ceil(tokens / self._rate))
