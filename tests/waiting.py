"""Waiting for conditions, never for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(condition: Callable[[], T], seconds: float = 20.0) -> T:
    """Wait until this is true, and return it; TimeoutError if it is not in time."""
    async with asyncio.timeout(seconds):
        while not (found := condition()):  # noqa: ASYNC110 - any condition, not an event
            await asyncio.sleep(0.01)
        return found


async def until_so(condition: Callable[[], Awaitable[T]], seconds: float = 20.0) -> T:
    """Wait until what is asked for each time is true, and return it."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
        return found
