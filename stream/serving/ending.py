"""Ends runs that a request wants ended, through the door like everything that moves one."""

from __future__ import annotations

import asyncio
from uuid import UUID

from handlers.ending import Cancel
from state.postgres.reading import ReadingPool
from state.postgres.reading_live import live_pages
from stream.cancelling import CANCELLED_MAX
from stream.processor import Processor


class RunEnder:
    """The door, for requests: one after the other, as turns of a lane follow each other."""

    def __init__(self, reading: ReadingPool, processor: Processor) -> None:
        self._reading = reading
        self._processor = processor
        self._turn = asyncio.Lock()

    async def cancel_runs_of(self, automation_id: UUID, who: str) -> int:
        """End every live run of a deleted automation; return how many that were (rule R2).

        What was done when it is interrupted stays done.
        """
        ended = 0
        async with self._turn, self._reading.session() as session:
            async for page in live_pages(session, [automation_id], CANCELLED_MAX):
                commands = [
                    Cancel(run.contact_id, run.run_id, who, None, "cancelled_automation_deleted")
                    for run in page
                ]
                tally = await self._processor.apply_commands("cancels", commands)
                ended += tally["runs_cancelled"]
        return ended
