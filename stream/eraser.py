"""Erases what the turn of a deletion leaves: bytes that name the person, files of messages (I5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

import structlog

from state.postgres.erasing import Leftover
from state.turn import Moved, Unavailable, Unknown
from stream.clock import Clock
from stream.senders.sender import Senders
from stream.telemetry import Counters

#: How often an idle eraser looks, in seconds.
IDLE_SECONDS = 5.0

log = structlog.get_logger()


class ErasingStore(Protocol):
    """What the eraser needs of the store."""

    async def erase_leftover(
        self, forget: Callable[[Sequence[UUID]], Awaitable[None]]
    ) -> Leftover | None:
        """Erase the last traces of one deletion; None if there is none to do now."""
        ...


class Eraser:
    """Any number may run side by side: each takes deletions that nobody else has."""

    def __init__(
        self, store: ErasingStore, senders: Senders, clock: Clock, counters: Counters
    ) -> None:
        self._store = store
        self._senders = senders
        self._clock = clock
        self._counters = counters

    async def run(self) -> None:
        """Erase until cancelled; one that is cut short is done again."""
        while True:
            if not await self.sweep():
                await self._clock.sleep(self._clock.jittered(IDLE_SECONDS))

    async def sweep(self) -> bool:
        """Erase the traces of one deletion; tell whether there was one."""
        try:
            done = await self._store.erase_leftover(self._forget)
        except (Moved, Unavailable, Unknown, OSError) as fault:
            log.warning("eraser.retried", reason=str(fault))
            return False
        if done is None:
            return False
        self._counters.count("people_erased")
        log.info("person.erased", erasure_id=done.erasure_id)
        return True

    async def _forget(self, messages: Sequence[UUID]) -> None:
        for sender in set(self._senders.values()):
            await sender.forget(messages)
