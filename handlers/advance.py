"""A run's walk from step to step, until it parks or ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from handlers.decision import (
    Cause,
    Delete,
    Elapsed,
    Fail,
    GoTo,
    Matched,
    Outcome,
    Send,
    Settled,
    Sleep,
    TimedOut,
    Turn,
    Wait,
)
from handlers.emission import emit
from handlers.paused import hold_start, keep_match
from handlers.profile import change_by_step
from handlers.receipt import add_deferred_receipt
from handlers.steps import KINDS
from handlers.waits import Match, arms_of, floor_of, look_back, meet, scope_of
from handlers.world import World
from state.automation import DEFAULT_BRANCH, STEPS_MAX, Step, Version
from state.contact import Stamp
from state.effect import Effect, effect_id_of
from state.history import StepEnd, WaitEnd, step_entry, wait_entry
from state.run import (
    Failure,
    HeldStart,
    KeptAnswer,
    Parked,
    Reason,
    Run,
    Sending,
    Sleeping,
    Waiting,
)


def begin(world: World, run: Run) -> Run:
    """Return a new run after its walk from the trigger; one that is paused parks there (T3)."""
    version = world.version_of(run)
    if world.is_paused(run):
        return hold_start(world, run, version.trigger_key)
    walk = _Walk(world, version, run, version.trigger_key, world.now)
    return walk.enter(version.trigger_key, previous_at=run.trigger.v)


def begin_at(
    world: World, run: Run, step_key: str, previous_at: datetime, settled: Settled | None
) -> Run:
    """Return a new run after its walk from a step further on (rule R3).

    `settled`: what was asked for there, by the run that is tried again, has its answer already.
    """
    walk = _Walk(world, world.version_of(run), run, step_key, world.now)
    return walk.enter_again(step_key, previous_at, settled)


def resume(world: World, run: Run, cause: Cause) -> Run:
    """Return the run after its parked step was answered and the walk went on."""
    parked = run.parked
    assert parked is not None, "only a parked run resumes"
    walk = _Walk(world, world.version_of(run), run, parked.step_key, parked.entered_at)
    return walk.resume(parked, cause)


def resume_by_event(world: World, run: Run, match: Match) -> Run:
    """Return the run whose open wait this event closed, or will once released (W1, W8, T3)."""
    assert isinstance(run.parked, Waiting), "only a wait is closed by an event"
    return resume_closed(world, run, meet(run.parked, match), match)


def resume_closed(world: World, run: Run, waiting: Waiting, match: Match) -> Run:
    """Return the run after its wait, with all arms met that ever will be, was closed (W1, W8).

    Where its automation is paused, the wait stays, and keeps what closes it (rule T3).
    """
    if world.is_paused(run):
        return keep_match(world, run, waiting)
    return resume(world, _close_wait(world, run, waiting, match), _matched(waiting, match))


def note_arm(world: World, run: Run, match: Match) -> Run:
    """Return the run, still waiting, with one arm of its wait met by this event (rule W7)."""
    assert isinstance(run.parked, Waiting), "only a wait has arms"
    return replace(run, parked=meet(run.parked, match), updated_at=world.now)


def elapse(world: World, run: Run, *, is_under_lag: bool = False) -> Run:
    """Return the run that goes on because what it is parked for is due (rules W8, T2).

    What was kept during a pause comes first: a start, an answer, or the event that closes a wait
    although its deadline has passed since (rule T3).
    """
    match run.parked:
        case HeldStart():
            return begin(world, replace(run, parked=None))
        case Sleeping():
            return resume(world, run, Elapsed())
        case Sending(kept=KeptAnswer(settlement, code, text, provider_id)):
            return resume(world, run, Settled(settlement, code, text, provider_id))
        case Waiting(kept_at=datetime()) as waiting:
            return _take_up(world, run, waiting)
        case Waiting() as waiting:
            end = WaitEnd(branch="timeout", is_under_lag=is_under_lag)
            return resume(world, _note_wait(world, run, waiting, "timed_out", end), TimedOut())
        case parked:
            raise AssertionError(f"nothing of {parked!r:.40} can be due")


def _take_up(world: World, run: Run, waiting: Waiting) -> Run:
    """Return the run resumed by what its wait has kept: the last arm met, which closes it (T3)."""
    closing = waiting.met[-1]
    match = Match(closing, arms_of(world.version_of(run), waiting.step_key)[closing.place])
    add_deferred_receipt(world, run, waiting.step_key, closing, "kept")
    return resume_closed(world, run, waiting, match)


def end_early(world: World, run: Run, reason: Reason, failure: Failure | None = None) -> Run:
    """Return the run ended where it stands, for a reason that is not its own (rule R2).

    An open wait is cancelled; a message that it asked for is called back when the run is put into
    the world.
    """
    used = run.used
    if isinstance(run.parked, Waiting):
        run = _note_wait(world, run, run.parked, "cancelled", WaitEnd())
    # What had met its arms counts for a wait that a retry opens again (rule R3).
    return replace(run, used=used).end(reason, world.now, failure)


def end_by_engine_error(world: World, run: Run, why: str) -> Run:
    """Return the run ended by a fault of the engine itself, so that others can go on (rule E5).

    `why` names the kind of fault, never a value: it is shown and logged.
    """
    step_key = None if run.parked is None else run.parked.step_key
    failure = Failure(step_key, "engine_error", f"the engine failed with {why}")
    return end_early(world, run, "engine_error", failure)


class _Walk(Struct):
    """One run's cursor in its graph while it moves (rule F1: a run has one cursor)."""

    world: World
    version: Version
    run: Run
    step_key: str
    entered_at: datetime

    @property
    def step(self) -> Step:
        return self.version.steps[self.step_key]

    def enter(self, step_key: str, previous_at: datetime) -> Run:
        """Enter a step and walk on as far as it goes without waiting."""
        return self._go(self._enter(step_key, previous_at))

    def enter_again(self, step_key: str, previous_at: datetime, settled: Settled | None) -> Run:
        """Enter a step whose message, if it sends one, may have been settled before."""
        outcome = self._enter(step_key, previous_at)
        if isinstance(outcome, Send) and settled is not None:
            outcome = self._answer(self._sending(outcome), settled)
        return self._go(outcome)

    def resume(self, parked: Parked, cause: Cause) -> Run:
        """Answer the parked step and walk on from it."""
        self.run = replace(self.run, parked=None)
        return self._go(self._answer(parked, cause))

    def _go(self, outcome: Outcome | Waiting) -> Run:
        while isinstance(outcome, GoTo):
            self._complete(outcome)
            following = self.version.successors.get((self.step_key, outcome.branch))
            if following is None:
                return self._end(outcome.branch)
            if self.run.steps_done >= STEPS_MAX:
                outcome = Fail("too_many_steps", f"the run executed {STEPS_MAX} steps")
            else:
                outcome = self._enter(following, previous_at=self._stood_at())
        return self._stop(outcome)

    def _stood_at(self) -> datetime:
        """Return since when the run stood at this step; its trigger happened at V (rule W2)."""
        is_trigger = self.step_key == self.version.trigger_key
        return self.run.trigger.v if is_trigger else self.entered_at

    def _end(self, branch: str) -> Run:
        """Complete the run where no connection leads on (rules W8, R2)."""
        if branch == DEFAULT_BRANCH:
            return self.run.end("completed_end", self.world.now)
        return self.run.end("completed_no_branch", self.world.now)

    def _enter(self, step_key: str, previous_at: datetime) -> Outcome | Waiting:
        self.step_key, self.entered_at = step_key, self.world.now
        outcome = KINDS[self.step.type].enter(self._turn(previous_at))
        if isinstance(outcome, Wait):
            return self._look_back(outcome)
        if isinstance(outcome, Sleep) and outcome.past_due:
            return self._answer(self._sleeping(outcome), Elapsed())
        return outcome

    def _look_back(self, wait: Wait) -> Outcome | Waiting:
        """Meet a wait's arms, and close it at once, by what came before it was parked (W2, W7)."""
        waiting, match = look_back(self.world, self.run, self._waiting(wait))
        if match is None:
            return waiting
        self.run = _close_wait(self.world, self.run, waiting, match)
        add_deferred_receipt(self.world, self.run, self.step_key, match.event, "look_back")
        return self._answer(waiting, _matched(waiting, match))

    def _answer(self, parked: Parked, cause: Cause) -> Outcome:
        outcome = KINDS[self.step.type].resume(self._turn(parked.entered_at), cause)
        if isinstance(outcome, GoTo):
            return replace(outcome, input=parked.input, output=_joined(parked, outcome.output))
        return replace(outcome, input=parked.input) if isinstance(outcome, Fail) else outcome

    def _turn(self, previous_at: datetime) -> Turn:
        world, run = self.world, self.run
        return Turn(
            step=self.step,
            version=self.version,
            read_contact=lambda: world.contact(run.contact_id),
            read_scope=lambda: scope_of(world, run, run.trigger.payload),
            now=world.now,
            run=run,
            previous_at=previous_at,
            audiences=world.catalogue.audiences,
        )

    def _complete(self, outcome: GoTo) -> None:
        """Note a finished step, keep its output, apply what it changes of the contact (F2)."""
        run, now = self.run, self.world.now
        if outcome.change is not None:
            stamp = Stamp(now, f"~{run.run_id}/{self.step_key}")
            change_by_step(self.world, run.contact_id, outcome.change, stamp)
        if outcome.emits is not None:
            emit(self.world, run, self.step_key, outcome.emits)
        entry = step_entry(
            self.step,
            "skipped" if outcome.is_skipped else "completed",
            self.entered_at,
            now,
            StepEnd(branch=outcome.branch, input=outcome.input, output=outcome.output),
        )
        outputs = run.outputs
        if outcome.output is not None:
            outputs = {**outputs, self.step_key: outcome.output}
        self.run = replace(
            run,
            outputs=outputs,
            steps_done=run.steps_done + 1,
            fresh=(*run.fresh, entry),
            updated_at=now,
        )

    def _stop(self, outcome: Outcome | Waiting) -> Run:
        match outcome:
            case Waiting():
                return self._park(outcome)
            case Sleep():
                return self._park(self._sleeping(outcome))
            case Send():
                return self._park(self._send(outcome))
            case Fail():
                return self._fail(outcome)
            case Delete():
                return self._delete()
            case GoTo() | Wait():
                raise AssertionError("a walk stops where it cannot go on")
            case _:
                assert_never(outcome)

    def _park(self, parked: Parked) -> Run:
        return replace(self.run, parked=parked, updated_at=self.world.now)

    def _waiting(self, wait: Wait) -> Waiting:
        floor, is_truncated = floor_of(self.world, self.version, self.step_key, wait.floor)
        due_at = None if wait.deadline is None else wait.deadline + self.world.rules.grace
        return Waiting(
            self.step_key,
            self.world.now,
            floor,
            wait.deadline,
            due_at,
            input=wait.input,
            is_truncated=is_truncated,
            output=wait.output,
        )

    def _sleeping(self, sleep: Sleep) -> Sleeping:
        return Sleeping(
            self.step_key,
            self.world.now,
            sleep.until,
            holds_for_lag=bool(self.version.exits),
            is_past_due=sleep.past_due,
            input=sleep.input,
            output=sleep.output,
        )

    def _send(self, send: Send) -> Sending:
        """Write the message to the outbox with the run, which goes on when it is settled (F3)."""
        sending = self._sending(send)
        effect = Effect(
            effect_id=sending.effect_id,
            key=self.run.effect_key(self.step_key),
            run_id=self.run.run_id,
            contact_id=self.run.contact_id,
            step_key=self.step_key,
            channel=send.channel,
            message=send.message,
            created_at=self.world.now,
            category=send.category,
            topic=send.topic,
        )
        self.world.changes.effects.append(effect)
        return sending

    def _sending(self, send: Send) -> Sending:
        effect_id = effect_id_of(self.run.effect_key(self.step_key))
        return Sending(self.step_key, self.world.now, effect_id, send.output, send.input)

    def _delete(self) -> Run:
        """End the run; its contact is deleted when all that this input causes has been done."""
        self._complete(GoTo())
        self.world.to_delete.append(self.run.contact_id)
        return self.run.end("contact_deleted", self.world.now)

    def _fail(self, fail: Fail) -> Run:
        """End the run at a step that failed: its key, a code and a text (rule F5)."""
        failure = Failure(self.step_key, fail.code, fail.text)
        now = self.world.now
        end = StepEnd(input=fail.input, error=failure)
        entry = step_entry(self.step, "failed", self.entered_at, now, end)
        return self.run.noting(entry).end("failed_step", now, failure)


def _matched(waiting: Waiting, match: Match) -> Matched:
    """Return the cause that the step is told; `waiting` has all its arms met that ever will be."""
    events: tuple[Mapping[str, object], ...] = ()
    if match.arm.group == "all_of":
        declared = sorted(waiting.met, key=lambda one: one.place)
        events = tuple({"event": one.name, "payload": one.payload} for one in declared)
    return Matched(match.event.name, match.event.payload, match.arm.branch, events)


def _close_wait(world: World, run: Run, waiting: Waiting, match: Match) -> Run:
    """Note the wait as received, with what came for it, for the steps that follow (rule W8)."""
    end = WaitEnd(branch=match.arm.branch, event=match.event)
    came = {one.name: one.payload for one in waiting.met}
    noted = _note_wait(world, run, waiting, "received", end)
    return replace(noted, wait_events={**run.wait_events, **came})


def _note_wait(world: World, run: Run, waiting: Waiting, status: str, end: WaitEnd) -> Run:
    """Note how a wait ended; the events that met its arms are used up for this run (rule W1)."""
    arms = arms_of(world.version_of(run), waiting.step_key)
    noted = run.noting(wait_entry(waiting, arms, status, world.now, end))
    return replace(noted, used=run.used | {one.key for one in waiting.met})


def _joined(parked: Parked, answered: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Join what was known when the step parked with what its answer added."""
    past_due = {"past_due": True} if isinstance(parked, Sleeping) and parked.is_past_due else {}
    joined = {**(parked.output or {}), **(answered or {}), **past_due}
    return joined or None
