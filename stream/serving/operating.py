"""What requests want of runs, done through the door like everything that moves one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from handlers.ending import Cancel
from handlers.explaining.explain import explain
from handlers.http.fault import Fault, unavailable
from state.postgres.reading import ReadingPool
from state.postgres.reading_live import live_pages
from state.postgres.store import PostgresStore
from stream.cancelling import CANCELLED_MAX
from stream.config import Settings
from stream.desk import Desk
from stream.inquiry import investigate
from stream.processor import Processor
from stream.retrying import retry_run
from stream.trouble import Trouble


class RunOperator:
    """Cancels, retries and explains for who asks over HTTP.

    The turns of a lane follow each other, so the door serves one request at a time.
    """

    def __init__(
        self,
        settings: Settings,
        reading: ReadingPool,
        store: PostgresStore,
        processor: Processor,
    ) -> None:
        self._settings = settings
        self._processor = processor
        self._turn = asyncio.Lock()
        self._desk = Desk(reading.session, store.session, self._door)

    async def cancel_runs_of(self, automation_id: UUID, who: str) -> int:
        """End every live run of a deleted automation; return how many that were (rule R2).

        What was done when it is interrupted stays done.
        """
        ended = 0
        async with self._desk.tables() as session:
            async for page in live_pages(session, [automation_id], CANCELLED_MAX):
                commands = [
                    Cancel(run.contact_id, run.run_id, who, None, "cancelled_automation_deleted")
                    for run in page
                ]
                async with self._door() as door:
                    tally = await door.apply_commands("cancels", commands)
                ended += tally["runs_cancelled"]
        return ended

    async def cancel_run(self, contact_id: int, run_id: UUID, who: str) -> bool:
        """End one run; tell whether it was still to be ended (rule S4)."""
        async with self._door() as door:
            tally = await door.apply_commands("cancels", [Cancel(contact_id, run_id, who)])
        return bool(tally["runs_cancelled"])

    async def retry_run(self, run_id: UUID, who: str) -> UUID:
        """Try a failed run again, and return the id of the new one (rule R3).

        Raises:
            Fault: it cannot be retried; says why.
        """
        trial = await retry_run(self._desk, run_id, who, None)
        if trial.refusal is not None or trial.retry_id is None:
            why = "it cannot be retried" if trial.refusal is None else trial.refusal.text
            raise Fault("conflict", f"The run was not retried: {why}")
        return trial.retry_id

    async def explain(self, event_id: str) -> Mapping[str, Any]:
        """Return what an event did, or why it did nothing, as `waitline explain --json` tells it.

        Raises:
            Fault: the tables cannot be read now.
        """
        try:
            return explain(await investigate(self._settings, event_id, None, lambda _: None))
        except Trouble as trouble:
            raise unavailable(str(trouble)) from None

    @asynccontextmanager
    async def _door(self) -> AsyncIterator[Processor]:
        async with self._turn:
            yield self._processor
