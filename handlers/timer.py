"""What a due timer does: a timeout or a delay's end, held back while the consumer lags (W4, T2)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from handlers.advance import elapse
from handlers.guard import Guard
from handlers.hold import LagVerdict, judge_lag
from handlers.waits import arms_of
from handlers.world import World
from state.run import Parked, Run, Sending, Waiting
from state.turn import HOLD_NOTICE, Audited, ClosedWait


class TimerDue(NamedTuple):
    """The wait or the delay of this run may be over."""

    contact_id: int
    run_id: UUID


class Release(NamedTuple):
    """An operator's word that this run's held timer shall fire although lag holds it (rule W4)."""

    contact_id: int
    run_id: UUID
    who: str
    why: str


def apply_timer(world: World, timer: TimerDue) -> None:
    """Fire a timer if it still stands, is due, and neither a pause nor lag holds it (W4, T3)."""
    run = world.active_runs(timer.contact_id).get(timer.run_id)
    if run is None or world.is_paused(run):
        return
    parked = _due(run, world.now)
    if parked is None:
        _park_later(world, run)
        return
    verdict = _judge(world, parked)
    if verdict == "hold":
        _hold(world, run, parked)
        return
    with Guard(world, run):
        _fire(world, run, parked, is_under_lag=verdict == "fire_under_lag")


def apply_release(world: World, release: Release) -> None:
    """Fire a timer that is due and held, and keep who released it; one not due stays (rule W4)."""
    run = world.active_runs(release.contact_id).get(release.run_id)
    if run is None or world.is_paused(run):
        return
    parked = _due(run, world.now)
    if parked is None:
        return
    before: dict[str, object] = {"activity": run.activity, "step_key": parked.step_key}
    with Guard(world, run):
        _fire(world, run, parked, is_under_lag=True)
    audited = Audited(release.who, "timer.release", str(run.run_id), before, {"why": release.why})
    world.changes.audited.append(audited)


def _due(run: Run, now: datetime) -> Parked | None:
    """Return what a run is parked on if its instant has come, else None."""
    parked = run.parked
    is_due = parked is not None and parked.due_at is not None and parked.due_at <= now
    return parked if is_due else None


def _park_later(world: World, run: Run) -> None:
    """Park a timer anew that was due as it is stored, and that a freeze has moved since (T3)."""
    stored = world.loaded_runs.get(run.run_id)
    if stored is not None and _due(stored, world.now) is not None:
        world.put_run(run)
        world.changes.tally["timers_moved"] += 1


def _judge(world: World, parked: Parked) -> LagVerdict:
    """Return whether lag holds a due timer; a delay without exit rules waits for no event (T2)."""
    if not parked.holds_for_lag:
        return "fire"
    assert parked.due_at is not None, "only what is due is judged"
    return judge_lag(world.snapshot.partitions, parked.due_at, world.now, world.rules.cap)


def _hold(world: World, run: Run, parked: Parked) -> None:
    """Leave a timer due; what is held for longer than a moment says so on its run (rule W4)."""
    world.changes.tally["timers_held"] += 1
    assert not isinstance(parked, Sending), "an answer is not held for lag"
    assert parked.due_at is not None, "only what is due is held"
    if not parked.is_held and world.now - parked.due_at >= HOLD_NOTICE:
        world.put_run(replace(run, parked=replace(parked, is_held=True)))


def _fire(world: World, run: Run, parked: Parked, *, is_under_lag: bool) -> None:
    if isinstance(parked, Waiting) and parked.kept_at is None:
        _remember_closed(world, run, parked)
    world.put_run(elapse(world, run, is_under_lag=is_under_lag))
    world.changes.tally["timers_fired"] += 1
    if is_under_lag:
        world.changes.tally["timers_fired_under_lag"] += 1


def _remember_closed(world: World, run: Run, waiting: Waiting) -> None:
    """Keep what tells a late arrival for 24 h, unless a late event is shown already (rule W5)."""
    if waiting.late is not None or waiting.deadline is None:
        return
    arms = arms_of(world.version_of(run), waiting.step_key)
    is_filtered = any(arm.filter is not None for arm in arms)
    closed = ClosedWait(
        contact_id=run.contact_id,
        run_id=run.run_id,
        automation_id=run.automation_id,
        version=run.version,
        step_key=waiting.step_key,
        floor=waiting.floor,
        deadline=waiting.deadline,
        closed_at=world.now,
        used=run.used | {run.trigger.key, *(one.key for one in waiting.met)},
        trigger_payload=run.trigger.payload if is_filtered else {},
        outputs=run.outputs if is_filtered else {},
        met=frozenset(one.place for one in waiting.met),
    )
    world.changes.closed_waits.append(closed)
    world.closed_waits(run.contact_id).append(closed)
