"""How a long-running process is told to end."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Protocol


class Stoppable(Protocol):
    """What can be asked for an orderly end."""

    def stop(self) -> None:
        """Ask for it."""
        ...


class Stop:
    """What signals say: the first ends in order, whatever is under way; a second at once."""

    def __init__(self) -> None:
        self.is_asked = False
        self._task = asyncio.current_task()
        self._work: Stoppable | None = None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._hear)

    def ends(self, work: Stoppable) -> None:
        """Let the signal drain this work; before, it only cancels the start."""
        self._work = work

    def _hear(self) -> None:
        if self.is_asked:
            os._exit(1)
        self.is_asked = True
        if self._work is not None:
            self._work.stop()
        elif self._task is not None:
            self._task.cancel()
