"""Finished runs as a retry must know them: their end, their last message, an earlier retry (R3)."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from state.effect import effect_id_of
from state.postgres.runs import read_done
from state.postgres.session import Session
from state.run import Run, retry_id_of
from state.turn import Finished

DONE = "select * from runs_done where run_id = any($1::uuid[])"

EXISTING = """
select run_id from runs_active where run_id = any($1::uuid[])
union all
select run_id from runs_done where run_id = any($1::uuid[])
"""

STATUSES = """
select message_id, status from messages where message_id = any($1::uuid[])
union all
select effect_id, case when claimed_by is null then 'queued' else 'sending' end
from outbox where effect_id = any($1::uuid[])
"""


async def load_finished(session: Session, run_ids: Collection[UUID]) -> dict[UUID, Finished]:
    """Return the runs of these ids that have ended; nothing is asked where there are no ids."""
    if not run_ids:
        return {}
    runs = [read_done(row) for row in await session.rows(DONE, list(run_ids))]
    retries = [retry_id_of(run) for run in runs]
    existing = await existing_runs(session, retries)
    effects = {run.run_id: _last_effect(run) for run in runs}
    asked = [effect_id for effect_id in effects.values() if effect_id is not None]
    statuses: dict[UUID | None, str] = {}
    for row in await session.rows(STATUSES, asked):
        statuses[row["message_id"]] = row["status"]
    return {
        run.run_id: Finished(
            run,
            effects[run.run_id],
            statuses.get(effects[run.run_id]),
            retry if retry in existing else None,
        )
        for run, retry in zip(runs, retries, strict=True)
    }


async def existing_runs(session: Session, run_ids: Collection[UUID]) -> set[UUID]:
    """Return which of these runs there are, active or done."""
    if not run_ids:
        return set()
    return {run_id for (run_id,) in await session.rows(EXISTING, list(run_ids))}


def _last_effect(run: Run) -> UUID | None:
    """Return under which id the step that failed asked for a message, if it was one that sends."""
    if run.failure is None or run.failure.step_key is None:
        return None
    return effect_id_of(run.effect_key(run.failure.step_key))
