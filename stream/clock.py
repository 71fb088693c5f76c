"""The only place that reads the clock, draws random numbers or makes fresh ids."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4


class Clock(Protocol):
    """Time and chance as the moving parts see them; the simulation has one of its own."""

    def utc_now(self) -> datetime:
        """Return the wall clock's instant."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring spans."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""
        ...

    def new_id(self) -> UUID:
        """Return an id that nobody has seen before."""
        ...

    def jittered(self, seconds: float) -> float:
        """Return a random span between half of `seconds` and all of it, so that crowds disperse."""
        ...


class SystemClock:
    """The machine's own time and chance."""

    def utc_now(self) -> datetime:
        """Return the wall clock's instant."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring spans."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""
        await asyncio.sleep(seconds)

    def new_id(self) -> UUID:
        """Return an id that nobody has seen before."""
        return uuid4()

    def jittered(self, seconds: float) -> float:
        """Return a random span between half of `seconds` and all of it, so that crowds disperse."""
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it


def fresh_hex(size: int) -> str:
    """Return that many random bytes that nobody can guess, as hexadecimal digits."""
    return secrets.token_hex(size)
