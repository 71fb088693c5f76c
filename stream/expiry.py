"""Ends runs that are older than runs may be: a sweep that hands them to the door (rule R2)."""

from __future__ import annotations

from datetime import timedelta

from handlers.ending import Expire
from stream.processor import Processor
from stream.seam import ExpiryStore

#: How many runs one turn ends at most.
EXPIRED_MAX = 500


class Expiry:
    """Sweeps runs that are too old. Any number may run beside each other, like the timers'."""

    def __init__(self, store: ExpiryStore, processor: Processor, age_max: timedelta) -> None:
        self._store = store
        self._processor = processor
        self._age_max = age_max

    async def sweep(self) -> int:
        """End all runs that are too old, some at a time; return how many there were.

        Raises:
            Moved, Unavailable: the store cannot be asked now.
        """
        ended = 0
        while expired := await self._store.expired(self._age_max, EXPIRED_MAX):
            tally = await self._processor.apply_commands(
                "expiry", [Expire(*each) for each in expired]
            )
            ended += tally["runs_expired"]
            if len(expired) < EXPIRED_MAX or not tally["runs_expired"]:
                break
        return ended
