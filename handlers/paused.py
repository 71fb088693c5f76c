"""What is put by while an automation is paused: starts, matches, answers (rule T3).

Each waits on its run, due at once; a sweep may see it as soon as the automation is released, and
`advance.elapse` takes it up.
"""

from __future__ import annotations

from msgspec.structs import replace

from handlers.world import World
from state.effect import Answer
from state.run import HeldStart, KeptAnswer, Run, Sending, Waiting


def hold_start(world: World, run: Run, step_key: str) -> Run:
    """Return a new run parked before this step; like a delay, lag holds it if it has exits (T2)."""
    has_exits = bool(world.version_of(run).exits)
    parked = HeldStart(step_key, world.now, world.now, holds_for_lag=has_exits)
    return replace(run, parked=parked, updated_at=world.now)


def keep_match(world: World, run: Run, waiting: Waiting) -> Run:
    """Return the run with its wait as it will be closed: by the last of the arms that are met."""
    assert waiting.kept_at is None, "a wait is closed once"
    assert waiting.met, "some event has met an arm"
    parked = replace(waiting, kept_at=world.now, due_at=world.now, is_held=False)
    return replace(run, parked=parked, updated_at=world.now)


def keep_answer(world: World, run: Run, answer: Answer) -> Run:
    """Return the run with the answer to what it sent kept on it (rule F3)."""
    sending = run.parked
    assert isinstance(sending, Sending), "only what was sent is answered"
    kept = KeptAnswer(answer.settlement, answer.code, answer.text, answer.provider_id, world.now)
    return replace(run, parked=replace(sending, kept=kept), updated_at=world.now)
