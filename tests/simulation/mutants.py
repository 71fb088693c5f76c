"""Named bugs, each put into the engine or its store for a while: the simulation must find them all.

A mutant that survives says that an invariant or a fault is missing, not that the engine is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from handlers import admit, advance, arrival, match, timer, waits, world
from state.run import Run
from state.turn import Moved
from stream.processor import Processor
from stream.relay import Relay
from stream.turn import Work
from tests.simulation.store import SimTransaction

Patch = pytest.MonkeyPatch
Install = Callable[[Patch], None]


def collector(into: dict[str, Install]) -> Callable[[Install], Install]:
    """Return a decorator that keeps mutants by their names."""

    def mutant(install: Install) -> Install:
        into[install.__name__] = install
        return install

    return mutant


MUTANTS: dict[str, Install] = {}

mutant = collector(MUTANTS)


# --- waits ----------------------------------------------------------------------------------------


@mutant
def no_look_back(patch: Patch) -> None:
    """W2: a wait sees only what comes after it was parked."""
    patch.setattr(advance, "look_back", lambda _world, _run, waiting: (waiting, None))


@mutant
def look_back_takes_the_newest(patch: Patch) -> None:
    """W2: the newest of the stored events wins."""

    def newest(world: Any, run: Any, waiting: Any) -> object:
        found = [
            waits.Match(event, arm)
            for event in waits._candidates(world, run, waiting, None)
            if (arm := waits.judge(world, run, waiting, event).arm)
        ]
        match = max(found, key=lambda each: each.event.v, default=None)
        return (waiting if match is None else waits.meet(waiting, match), match)

    patch.setattr(advance, "look_back", newest)


@mutant
def look_back_ignores_the_floor(patch: Patch) -> None:
    """W2: what happened before the run began resumes it."""
    real = advance.floor_of
    patch.setattr(
        advance, "floor_of", lambda *given: (real(*given)[0] - world.LOOK_BACK_MAX, False)
    )


@mutant
def a_resume_is_deduplicated_by_its_run(patch: Patch) -> None:
    """E4: a run is resumed once, whatever it waits for next."""
    real = waits.judge

    def judge(world: Any, run: Any, waiting: Any, event: Any) -> object:
        return waits.Judgement("used") if run.used else real(world, run, waiting, event)

    patch.setattr(waits, "judge", judge)
    patch.setattr(match, "judge", judge)


@mutant
def deadlines_by_processing_time(patch: Patch) -> None:
    """W3: an event processed after the deadline is late, whenever it happened."""
    real = match.judge

    def judge(world: Any, run: Any, waiting: Any, event: Any) -> object:
        if waiting.deadline is not None and world.now > waiting.deadline:
            return waits.Judgement("after_deadline")
        return real(world, run, waiting, event)

    patch.setattr(match, "judge", judge)


@mutant
def timers_are_not_held(patch: Patch) -> None:
    """W4: a timeout fires though answers wait in the topic."""
    patch.setattr(timer, "judge_lag", lambda *_: "fire")


@mutant
def an_unowned_partition_holds_nothing(patch: Patch) -> None:
    """W4: only partitions that somebody reads are asked how far they are."""
    real = timer.judge_lag

    def judge_lag(partitions: Any, *given: Any) -> object:
        owned = [each for each in partitions if each.resumed_since is not None]
        return real(owned or partitions, *given)

    patch.setattr(timer, "judge_lag", judge_lag)


@mutant
def late_events_are_not_shown(patch: Patch) -> None:
    """W5: what came too late leaves no trace on the run."""
    patch.setattr(arrival, "note_late_arrivals", lambda *_: None)


# --- order and re-entry ---------------------------------------------------------------------------


@mutant
def exits_are_forgotten(patch: Patch) -> None:
    """S3: no event ends a run by its exit rules."""
    patch.setattr(arrival, "exit_runs", lambda *_: None)


@mutant
def exits_that_came_first_are_forgotten(patch: Patch) -> None:
    """S3: a run begins although its exit was processed before its trigger."""
    patch.setattr(arrival, "early_exit", lambda *_: None)


@mutant
def once_forgets_runs_that_ended(patch: Patch) -> None:
    """S2: only active runs stand in the way."""
    assert admit.remember_entry is arrival.remember_entry
    patch.setattr(arrival, "remember_entry", lambda *_: None)


@mutant
def filters_are_ignored(patch: Patch) -> None:
    """W1: an event of another order resumes."""

    def choose_arm(arms: Any, _scope: Any) -> object:
        return waits.Judgement("resumed", (), arms[0])

    patch.setattr(waits, "choose_arm", choose_arm)


# --- transactions ---------------------------------------------------------------------------------


@mutant
def no_deduplication(patch: Patch) -> None:
    """E4: the second sight of a key is applied like the first, and stored over it."""
    patch.setattr(arrival, "is_dropped", lambda *_: False)
    real = SimTransaction.save

    async def save(self: Any, changes: Any) -> None:
        for record in changes.events:
            self._tables.events.pop(record.event.key, None)
        await real(self, changes)

    patch.setattr(SimTransaction, "save", save)


@mutant
def no_fence(patch: Patch) -> None:
    """E3: whoever comes may move a partition, from wherever to wherever."""
    patch.setattr(SimTransaction, "_is_mine", lambda *_: True)


@mutant
def a_blind_retry_under_an_epoch_alone(patch: Patch) -> None:
    """E3: after a lost commit the batch is done again; the fence does not compare offsets."""

    async def never(*_: Any) -> bool:
        return False

    def is_mine(self: Any, position: Any) -> bool:
        return self._tables.partitions[position[:2]].epoch == position.epoch

    patch.setattr(Processor, "_has_landed", never)
    patch.setattr(SimTransaction, "_is_mine", is_mine)


@mutant
def offsets_commit_alone(patch: Patch) -> None:
    """E3: a transaction that fails has moved its offsets already."""
    real = SimTransaction._advance

    async def advance_at_once(self: Any, positions: Any) -> None:
        await real(self, positions)
        for position in positions:
            self._tables.partitions[position[:2]].next_offset = position.to_offset

    patch.setattr(SimTransaction, "_advance", advance_at_once)


@mutant
def the_snapshot_is_read_before_the_lock(patch: Patch) -> None:
    """House: a statement that locks and reads sees the world from before the lock."""

    async def lock(self: Any, request: Any) -> object:
        await self._statement()
        known = [each for each in request.contact_ids if each in self._tables.contacts]
        if len(known) < len(request.contact_ids):
            raise Moved("a contact is gone")
        self._own.update(request.contact_ids)
        snapshot = self._read(request)
        for contact_id in sorted(set(request.contact_ids)):
            await self._lock(("contact", contact_id))
        return snapshot

    patch.setattr(SimTransaction, "lock", lock)


@mutant
def contacts_are_not_locked(patch: Patch) -> None:
    """House: two turns of one contact decide side by side."""

    async def lock(self: Any, request: Any) -> object:
        await self._statement()
        self._own.update(request.contact_ids)
        return self._read(request)

    patch.setattr(SimTransaction, "lock", lock)


# --- effects --------------------------------------------------------------------------------------


@mutant
def the_effect_key_counts_attempts(patch: Patch) -> None:
    """F2: each attempt has a key of its own, so the provider sends it again."""
    real = Relay._send

    async def send(self: Any, effect: Any, attempts: int) -> object:
        return await real(self, replace(effect, key=f"{effect.key}#{attempts}"), attempts)

    patch.setattr(Relay, "_send", send)


@mutant
def the_effect_key_forgets_the_trigger(patch: Patch) -> None:
    """F2: two runs of one automation share their keys."""
    patch.setattr(Run, "effect_key", lambda run, step: f"{run.automation_id}:{step}")


@mutant
def every_effect_counts_as_sent(patch: Patch) -> None:
    """F3: whatever the sender answered, unsure and declined too."""

    async def apply_answers(self: Any, answers: Any) -> None:
        sent = [replace(answer, settlement="sent", code=None) for answer in answers]
        await self._apply("answers", Work(commands=sent))

    patch.setattr(Processor, "apply_answers", apply_answers)
