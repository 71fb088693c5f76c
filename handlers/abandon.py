"""A run whose next state the database refuses for good ends here (rule E5)."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from handlers.advance import end_by_engine_error
from handlers.world import World
from state.turn import Fault


class Abandon(NamedTuple):
    """End this run with `engine_error`; `why` names the kind of fault, never a value."""

    contact_id: int
    run_id: UUID
    why: str


def apply_abandon(world: World, abandon: Abandon) -> None:
    """End the run if it is still active."""
    run = world.active_runs(abandon.contact_id).get(abandon.run_id)
    if run is not None:
        world.put_run(end_by_engine_error(world, run, abandon.why))
        world.changes.faults.append(Fault(run.run_id, abandon.why, ""))
