"""What operators do while people and faults are at work: cancel, hold, freeze, release."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from handlers.ending import Cancel
from handlers.world import Rules
from state.pausing import Mode
from stream.processor import Processor
from stream.telemetry import Counters
from tests.simulation.facts import Cancelled, Pause
from tests.simulation.faults import Faults
from tests.simulation.process import Process, SimClock
from tests.simulation.store import Database, SimStore

#: Faults that may strike an operator's commands; nobody kills an operator.
STRIKING = ("unavailable", "moved", "unknown", "slow")

#: How long automations stand still, in seconds.
PAUSES = (1.0, 8.0, 30.0)


class Operator:
    """Somebody at a terminal, and the log of what they did."""

    def __init__(self, database: Database, faults: Faults) -> None:
        self._database = database
        self._tables = database.tables
        self._random = faults.random
        chances = {name: faults.chances[name] for name in STRIKING if name in faults.chances}
        #: The faults of this seed as far as they strike operators.
        self.faults = Faults(faults.random, faults.enabled, chances, faults.seen)
        process = Process("operator", database.loop, self.faults)
        store, clock = SimStore(database, process), SimClock(process)
        self.counters = Counters()
        self._processor = Processor(store, Rules(), clock, self.counters)
        self._is_cancelling = False
        self._is_over = asyncio.Event()
        self._paused: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.cancelled: list[Cancelled] = []
        self.pauses: list[Pause] = []

    def heal(self) -> None:
        """Do nothing any more, and let go on what stands still."""
        self.faults.is_healed = True
        self._is_over.set()

    # --- cancel -----------------------------------------------------------------------------------

    def cancel(self) -> bool:
        """Cancel some run, unless one is just being cancelled."""
        active = self._tables.runs
        sending = [one for one in active if active[one].activity == "sending"]
        wanted = sorted(sending if sending and self._random.random() < 0.5 else active)
        if not wanted or self._is_cancelling:
            return False
        self._is_cancelling = True
        run = active[self._random.choice(wanted)]
        order = Cancel(run.contact_id, run.run_id, "the operator")
        self._spawn(self._cancel(order), "cancel")
        return True

    async def _cancel(self, order: Cancel) -> None:
        said_at = self._database.loop.now()
        await self._processor.apply_commands("cancels", [order])
        self.cancelled.append(Cancelled(order.run_id, said_at, self._database.loop.now()))
        self._is_cancelling = False

    # --- pauses -----------------------------------------------------------------------------------

    def pause(self, mode: Mode) -> bool:
        """Hold or freeze some automation for a while, unless it stands still."""
        names = {row.name for row in self._tables.definitions}
        free = sorted(names - self._paused)
        if not free:
            return False
        name = self._random.choice(free)
        self._paused.add(name)
        self._spawn(self._pause(name, mode), f"pause {name}")
        return True

    async def _pause(self, name: str, mode: Mode) -> None:
        """Let it stand still, for some of the time perhaps in the other way, then release it."""
        modes: list[Mode] = [mode]
        if self._random.random() < 0.25:
            modes.append("freeze" if mode == "hold" else "hold")
        began = await self._set(name, modes[0])
        for place, current in enumerate(modes):
            await self._rest(self._random.choice(PAUSES))
            ended = await self._set(name, modes[place + 1] if place + 1 < len(modes) else None)
            self.pauses.append(Pause(name, current, began, ended))
            began = ended
        self._paused.discard(name)

    async def _set(self, name: str, mode: Mode | None) -> datetime:
        """Change the catalogue when no turn holds it; return the instant of the change."""
        while self._database.catalogue_readers:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.003)
        now = self._database.now()
        self._tables.pause(name, mode, now)
        return now

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._is_over.wait()
        except TimeoutError:
            pass

    def _spawn(self, what: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(self._database.loop.create_task(what, name=f"operator/{name}"))

    def failed(self) -> list[str]:
        """Return what went wrong at the terminal itself."""
        ended = (task for task in self._tasks if task.done() and not task.cancelled())
        return [f"{task.get_name()}: {task.exception()!r}" for task in ended if task.exception()]
