"""Finished runs as a retry must know them (rule R3)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from state.effect import effect_id_of
from state.run import Run, retry_id_of
from state.turn import Finished

if TYPE_CHECKING:
    from tests.simulation.tables import Tables


def load_finished(tables: Tables, run_ids: Collection[UUID]) -> dict[UUID, Finished]:
    done = (tables.done[run_id] for run_id in run_ids if run_id in tables.done)
    return {run.run_id: _finished(tables, run) for run in done}


def _finished(tables: Tables, run: Run) -> Finished:
    retry = retry_id_of(run)
    is_retried = retry in tables.runs or retry in tables.done
    effect_id = message = None
    if run.failure is not None and run.failure.step_key is not None:
        effect_id = effect_id_of(run.effect_key(run.failure.step_key))
        message = _status(tables, effect_id)
    return Finished(run, effect_id, message, retry if is_retried else None)


def _status(tables: Tables, effect_id: UUID) -> str | None:
    if effect_id in tables.messages:
        return tables.messages[effect_id].answer.settlement
    if effect_id in tables.outbox:
        return "sending" if tables.outbox[effect_id].claimed_by else "queued"
    return None
