"""What the answer of the world to a send does: the run goes on, in another turn (rule F3)."""

from __future__ import annotations

from handlers.advance import resume
from handlers.decision import Settled
from handlers.guard import Guard
from handlers.paused import keep_answer
from handlers.world import World
from state.effect import Answer
from state.run import Sending


def apply_answer(world: World, answer: Answer) -> None:
    """Settle the effect, and resume the run that still waits for exactly this one.

    Where the automation is paused, the run stays and keeps the answer (rule T3).
    """
    world.changes.answers.append(answer)
    run = world.active_runs(answer.contact_id).get(answer.run_id)
    if run is None or not isinstance(run.parked, Sending):
        return
    if run.parked.effect_id != answer.effect_id:
        return
    if world.is_paused(run):
        world.put_run(keep_answer(world, run, answer))
        return
    cause = Settled(answer.settlement, answer.code, answer.text, answer.provider_id)
    with Guard(world, run):
        world.put_run(resume(world, run, cause))
