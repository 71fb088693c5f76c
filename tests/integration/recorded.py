"""Run records as `waitline runs show --json` would give them, read from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from handlers.record import run_record
from state.postgres.reading import reading
from state.postgres.reading_runs import find_runs
from stream.inquiry import view_of
from tests.stored import rows

RUN_IDS = "select run_id from runs_active union all select run_id from runs_done"


async def record_of(database: str, run_id: UUID) -> dict[str, Any]:
    """Return the record of one run."""
    (found,) = await _records(database, [run_id])
    return found


async def records_of(database: str) -> dict[str, dict[str, Any]]:
    """Return every run's record by the id of its trigger."""
    run_ids = [run_id for (run_id,) in await rows(database, RUN_IDS)]
    return {one["trigger_event"]["id"]: one for one in await _records(database, run_ids)}


async def _records(database: str, run_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    async with reading(database) as session:
        return [dict(run_record(*view_of(one))) for one in await find_runs(session, run_ids)]
