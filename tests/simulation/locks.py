"""Row locks of the simulated database."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable

from state.turn import Moved

#: How long a lock is waited for.
LOCK_SECONDS = 10.0


class Locks:
    """Locks with queues: who comes first has it first, and whoever ends gives all of its own up."""

    def __init__(self) -> None:
        self._holders: dict[Hashable, object] = {}
        self._queues: dict[Hashable, deque[asyncio.Future[None]]] = {}

    def is_free(self, key: Hashable, owner: object) -> bool:
        return self._holders.get(key, owner) is owner

    async def acquire(self, key: Hashable, owner: object) -> None:
        while not self.is_free(key, owner):
            waiter = asyncio.get_running_loop().create_future()
            queue = self._queues.setdefault(key, deque())
            queue.append(waiter)
            try:
                async with asyncio.timeout(LOCK_SECONDS):
                    await waiter
            except TimeoutError:
                raise Moved(f"lock timeout: {key}") from None
            finally:
                if waiter in queue:
                    queue.remove(waiter)
        self._holders[key] = owner

    def release(self, owner: object) -> None:
        for key in [key for key, holder in self._holders.items() if holder is owner]:
            del self._holders[key]
            for waiter in self._queues.pop(key, ()):
                if not waiter.done():
                    waiter.set_result(None)
