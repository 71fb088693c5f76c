"""A bell: one part of a worker rings, another stops waiting."""

from __future__ import annotations

import asyncio


class Bell:
    """Rings once for any number of rings before somebody waits."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake whoever waits, or the next who does."""
        self._rung.set()

    async def wait_for(self, seconds: float) -> None:
        """Wait for a ring, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            pass
        self._rung.clear()
