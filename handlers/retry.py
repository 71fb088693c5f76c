"""A failed run is tried again: a new one that begins at the step that failed (rule R3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from handlers.admit import ACTIVE_RUNS_MAX
from handlers.advance import begin, begin_at
from handlers.decision import Settled
from handlers.exits import early_exit
from handlers.guard import Guard
from handlers.world import World
from state.automation import Catalogue, Reentry, Version
from state.effect import Settlement
from state.history import exit_entry, history_of
from state.moment import moment
from state.run import Run, retry_id_of
from state.turn import Audited, Finished

#: What a message is settled as that the provider has, or may have: it is never sent again (F3).
_GONE: Mapping[str, Settlement] = {"sent": "sent", "unknown": "unknown"}


class Retry(NamedTuple):
    """An operator's word that this failed run shall be tried again; `why` is for the audit log."""

    contact_id: int
    run_id: UUID
    who: str
    why: str | None = None


class Refusal(NamedTuple):
    """Why a run is not tried again: a code, and a text that says what to do instead."""

    code: str
    text: str


class Around(NamedTuple):
    """What stands around a retry: its contact's active runs, and its automation's policy of today.

    `is_paused`: its automation is on hold or frozen (T3). `is_deleted`: its contact was (I5).
    """

    active: tuple[Run, ...]
    reentry: Reentry
    is_paused: bool = False
    is_deleted: bool = False


def apply_retry(world: World, retry: Retry) -> None:
    """Start the run that tries a failed one again, unless something speaks against it."""
    finished = world.snapshot.finished.get(retry.run_id)
    if finished is None:
        return
    source = finished.run
    version = world.catalogue.versions.get((source.automation_id, source.version))
    if version is None:
        world.changes.tally["retries_without_version"] += 1
        return
    home = world.people.home_of(retry.contact_id)
    around = Around(
        active=tuple(world.active_runs(home).values()),
        reentry=reentry_of(world.catalogue, version),
        is_paused=world.is_paused(source),
        is_deleted=world.people.contact(home).deleted_at is not None,
    )
    if refusal(finished, around) is not None:
        return
    step_key = failed_step(source, version)
    run = _renewed(finished, step_key, home, world.now)
    exited = early_exit(world, run)
    if exited is not None:
        # Its contact has fulfilled an exit rule since, when nothing was there to end (rule S3).
        ended = run.noting(exit_entry(exited.event)).end("exited_before_start", world.now)
        world.put_run(ended)
        world.changes.tally["retries_exited"] += 1
    else:
        with Guard(world, run):
            world.put_run(_walk(world, run, finished, version))
    _name_step(world, world.touched_runs[run.run_id], step_key)
    world.changes.tally["runs_retried"] += 1
    _make_room(world, finished)
    before = {"status": source.status, "reason": source.reason, "step_key": step_key}
    after = {"retried_as": run.run_id, "why": retry.why}
    audited = Audited(retry.who, "run.retry", str(source.run_id), before, after)
    world.changes.audited.append(audited)


def _name_step(world: World, run: Run, step_key: str) -> None:
    """Let a retry that the engine failed in turn say at which step, so that it can be retried."""
    if run.failure is not None and run.failure.step_key is None:
        world.put_run(replace(run, failure=replace(run.failure, step_key=step_key)))


def _make_room(world: World, finished: Finished) -> None:
    """Set the message aside that failed, if the same one is asked for again under its key."""
    effect_id = finished.effect_id
    asked = any(effect.effect_id == effect_id for effect in world.changes.effects)
    if effect_id is not None and finished.message is not None and asked:
        world.changes.resent.append((effect_id, finished.run.run_id))


def refusal(finished: Finished, around: Around) -> Refusal | None:
    """Return what speaks against trying this run again, None if nothing does (rules R3, S2)."""
    return _refused_run(finished) or _refused_entry(finished.run, around)


def _refused_run(finished: Finished) -> Refusal | None:
    run = finished.run
    if run.status != "failed":
        return Refusal(
            "not_failed",
            f"it is {run.status} ({run.reason}), and only a failed run is retried: to run it anew, "
            "publish its trigger again under a new id",
        )
    if finished.retried_as is not None:
        return Refusal(
            "retried", f"it was retried already, as {finished.retried_as}: look at that one"
        )
    if run.failure is not None and run.failure.code == "too_many_steps":
        return Refusal("too_many_steps", "it has executed as many steps as a run may")
    if finished.message in ("queued", "sending"):
        return Refusal("on_its_way", "its message is still on its way: wait until that is settled")
    return None


def _refused_entry(run: Run, around: Around) -> Refusal | None:
    reentry = around.reentry
    beside = [one for one in around.active if one.automation_id == run.automation_id]
    if around.is_deleted:
        return Refusal("contact_deleted", "its contact was deleted")
    if around.is_paused:
        text = (
            "its automation is paused: retry it when that is over (`waitline automations release`)"
        )
        return Refusal("paused", text)
    if reentry.policy in ("one_active", "once") and beside:
        # Under `once` a merge may have brought the other one (rule I3).
        text = f"its contact is in run {beside[0].run_id}, and re-entry is `{reentry.policy}`"
        return Refusal("one_active", text)
    if reentry.policy == "key" and run.business_key is not None:
        for one in beside:
            if one.business_key == run.business_key:
                text = f"run {one.run_id} of the same business key is under way"
                return Refusal("key_active", text)
    if len(beside) >= ACTIVE_RUNS_MAX:
        return Refusal("capped", f"its contact has {len(beside)} runs of it under way already")
    return None


def reentry_of(catalogue: Catalogue, version: Version) -> Reentry:
    """Return the policy by which a retry enters: its automation's, or its own if that is gone."""
    automation = catalogue.automations.get(version.automation_id)
    return version.reentry if automation is None else automation.current.reentry


def failed_step(run: Run, version: Version) -> str:
    """Return the step that failed: one that no run came to but at its trigger has no name."""
    failure = run.failure
    known = None if failure is None else failure.step_key
    return version.trigger_key if known is None else known


def _renewed(finished: Finished, step_key: str, contact_id: int, now: datetime) -> Run:
    """Return the new run before it walks: its cause and what was done are those of the old one."""
    source = finished.run
    kept = [entry for entry in history_of(source) if not _is_undone(entry, step_key)]
    return replace(
        source,
        run_id=retry_id_of(source),
        contact_id=contact_id,
        created_at=now,
        started_at=now,
        updated_at=now,
        completed_at=None,
        status="running",
        reason=None,
        failure=None,
        past="",
        fresh=tuple(kept),
        retry=source.retry + 1,
        retried_from=source.run_id,
    )


def _walk(world: World, run: Run, finished: Finished, version: Version) -> Run:
    """Walk on from the failed step; what its message was settled as is not asked for again."""
    step_key = failed_step(finished.run, version)
    if step_key == version.trigger_key:
        return begin(world, run)
    settlement = _GONE.get(finished.message or "")
    last = _last_finished(history_of(run))
    is_first = last is None or last["key"] == version.trigger_key
    previous_at = run.trigger.v if is_first or last is None else moment(last["started_at"])
    settled = None if settlement is None else Settled(settlement)
    return begin_at(world, run, step_key, previous_at, settled)


def _last_finished(entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    steps = [entry["step"] for entry in entries if "step" in entry]
    done = [step for step in steps if step["status"] != "failed"]
    return done[-1] if done else None


def _is_undone(entry: Mapping[str, Any], step_key: str) -> bool:
    """Tell whether a history entry is of the try that failed, which the new run makes again."""
    if "step" in entry:
        return bool(entry["step"]["status"] == "failed")
    wait = entry["wait"]
    return bool(wait["step_key"] == step_key and wait["status"] == "cancelled")
