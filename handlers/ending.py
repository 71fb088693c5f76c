"""What ends a run from outside, wherever it stands: an operator's word, or its age (rule R2)."""

from __future__ import annotations

from typing import Literal, NamedTuple
from uuid import UUID

from handlers.advance import end_early
from handlers.world import World
from state.run import Run, Sending
from state.turn import Audited

#: The endings that an operator may cause.
Cancellation = Literal["cancelled_operator", "cancelled_automation_deleted"]


class Cancel(NamedTuple):
    """An operator's word that this run shall go no further; `why` is for the audit log (S4)."""

    contact_id: int
    run_id: UUID
    who: str
    why: str | None = None
    reason: Cancellation = "cancelled_operator"


class Expire(NamedTuple):
    """This run may be too old to go on (rule R2)."""

    contact_id: int
    run_id: UUID


def apply_cancel(world: World, cancel: Cancel) -> None:
    """End a run that is still active, and keep who ended it and where it stood (rules S4, O4)."""
    run = world.active_runs(cancel.contact_id).get(cancel.run_id)
    if run is None:
        return
    ended = end_early(world, run, cancel.reason)
    world.put_run(ended)
    world.changes.tally["runs_cancelled"] += 1
    after = {"status": ended.status, "reason": ended.reason, "why": cancel.why}
    audited = Audited(cancel.who, "run.cancel", str(run.run_id), _stood(run), after)
    world.changes.audited.append(audited)


def apply_expiry(world: World, expire: Expire) -> None:
    """End a run that has been active for longer than runs may last."""
    run = world.active_runs(expire.contact_id).get(expire.run_id)
    if run is not None and world.now - run.created_at >= world.rules.run_age_max:
        world.put_run(end_early(world, run, "expired"))
        world.changes.tally["runs_expired"] += 1


def _stood(run: Run) -> dict[str, object]:
    """Return where a run stood; at a send, with the message that was asked for."""
    stood: dict[str, object] = {"status": run.status, "activity": run.activity}
    if run.parked is not None:
        stood["step_key"] = run.parked.step_key
    if isinstance(run.parked, Sending):
        stood["message"] = run.parked.effect_id
    return stood
