"""A worker's process as the machine sees it: it lives, is stopped for a while, dies at an await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

from state.turn import Unavailable
from tests.simulation.faults import Faults
from tests.simulation.loop import VirtualLoop

#: A session that is idle in its transaction for so long is ended by the database.
IDLE_IN_TRANSACTION = 30.0


class Session(Protocol):
    """A transaction that the database can end."""

    def end(self) -> None: ...


class Process:
    """One incarnation of a worker; `name` is its own among all that ever lived."""

    def __init__(self, name: str, loop: VirtualLoop, faults: Faults) -> None:
        self.name = name
        self.loop = loop
        self.faults = faults
        self.is_alive = True
        self.error: BaseException | None = None
        self._resumed = asyncio.Event()
        self._resumed.set()
        self._tasks: list[asyncio.Task[None]] = []
        #: The transactions that it has open in the database.
        self.sessions: list[Session] = []

    def spawn(self, part: str, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self.loop.create_task(self._guard(main), name=f"{self.name}/{part}")
        self._tasks.append(task)

    async def _guard(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A part that fails takes its process with it, as a TaskGroup would; a bug is kept."""
        try:
            await main()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the audit will tell it
            self.error = self.error or error
            self.kill()

    def kill(self) -> None:
        """Let it die here and now: no part of it goes on after the await it stands at."""
        if self.is_alive:
            self.is_alive = False
            for task in self._tasks:
                task.cancel()

    def pause(self, seconds: float) -> None:
        """Stop it as SIGSTOP does; it does not know that time passes."""
        self._resumed.clear()
        self.loop.call_later(seconds, self._resumed.set)
        if seconds > IDLE_IN_TRANSACTION:
            self.loop.call_later(IDLE_IN_TRANSACTION, self._end_sessions)

    def resume(self) -> None:
        self._resumed.set()

    def _end_sessions(self) -> None:
        for session in list(self.sessions):
            session.end()

    @property
    def is_paused(self) -> bool:
        return not self._resumed.is_set()

    async def checkpoint(self, *, crashes: bool = True) -> None:
        """Pass an await of the worker: time goes by, and much may happen meanwhile."""
        if crashes and self.faults.strikes("crash"):
            self.kill()
        latency = self.faults.latency()
        if latency is not None:
            await asyncio.sleep(latency)
        await self.gate()

    async def gate(self) -> None:
        """Go on only while the process runs."""
        if self.is_paused:
            await self._resumed.wait()
        if not self.is_alive:
            await self.loop.create_future()

    async def ask(self) -> None:
        """Pass an await on the database, which may not answer."""
        await self.checkpoint()
        if self.loop.time() < self.faults.down_until or self.faults.strikes("unavailable"):
            raise Unavailable("simulated")


class SimClock:
    """A worker's clock: virtual time, and chance from the seed."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._ids = 0

    def utc_now(self) -> datetime:
        return self._process.loop.now()

    def monotonic(self) -> float:
        return self._process.loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
        await self._process.gate()

    def new_id(self) -> UUID:
        self._ids += 1
        return uuid5(NAMESPACE_URL, f"{self._process.name}/{self._ids}")

    def jittered(self, seconds: float) -> float:
        return seconds * self._process.faults.random.uniform(0.5, 1.0)
