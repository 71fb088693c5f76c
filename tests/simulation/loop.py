"""An event loop whose time is virtual: it never sleeps, it moves its clock to the next timer."""

from __future__ import annotations

import asyncio
from asyncio import base_events
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

#: A simulation that needs more turns of the loop than this goes in circles.
TURNS_MAX = 3_000_000


class DeadlockError(Exception):
    """Everybody waits and no timer is set: nothing can happen any more."""


class LivelockError(Exception):
    """The loop turns and turns, and the simulation comes to no end."""


class VirtualLoop(base_events.BaseEventLoop):
    """The base loop, with itself as the selector: where others would sleep, time passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self._instant = 0.0
        self._turns = 0
        self._shown = (0.0, EPOCH)
        self._selector = self

    def time(self) -> float:
        return self._instant

    def select(self, timeout: float | None) -> tuple[()]:
        self._turns += 1
        if self._turns > TURNS_MAX:
            raise LivelockError
        if timeout is None:
            raise DeadlockError
        if timeout > 0:
            self._instant = max(self._instant, self._scheduled[0].when())
        return ()

    def now(self) -> datetime:
        """Return the instant that every clock of the simulation begins from."""
        if self._shown[0] != self._instant:
            shown = EPOCH + timedelta(seconds=round(self._instant, 6))
            self._shown = (self._instant, shown)
        return self._shown[1]

    def _process_events(self, event_list: object) -> None:
        """There is no input or output, so there are no events of it."""

    def _write_to_self(self) -> None:
        """Nobody has to be woken: no other thread is there."""


def run(main: Coroutine[Any, Any, Any], loop: VirtualLoop) -> Any:
    """Run a coroutine to its end on this loop, and leave nothing behind."""
    try:
        return loop.run_until_complete(main)
    finally:
        for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
            task.cancel()
        loop.run_until_complete(_settle(loop))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _settle(loop: VirtualLoop) -> None:
    rest = asyncio.all_tasks(loop) - {asyncio.current_task()}
    await asyncio.gather(*rest, return_exceptions=True)
