"""What a wait accepts, and what stands for it already: windows, filters, look-back (W1, W2, W3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from handlers.evaluate import Scope, evaluate
from handlers.world import LOOK_BACK_MAX, World
from state.automation import Arm, Version
from state.evidence import Check
from state.run import Run, Waiting
from state.turn import Need, StoredEvent


class Match(NamedTuple):
    """An event that closes a wait, and by which of its arms."""

    event: StoredEvent
    arm: Arm


class Judgement(NamedTuple):
    """What a wait says of an event, with the comparisons that decided.

    The verdict is `resumed` (then `arm` is the one that holds), `used`, `before_window`,
    `after_deadline` or `filter_false`.
    """

    verdict: str
    values: tuple[Check, ...] = ()
    arm: Arm | None = None


def arms_of(version: Version, step_key: str) -> tuple[Arm, ...]:
    """Return what a step of a version waits for, in declared order; nothing if it does not wait."""
    return version.arms.get(step_key, ())


def names_of(version: Version, step_key: str) -> list[str]:
    """Return the event names that a step of a version waits for, sorted."""
    return sorted({arm.event_name for arm in arms_of(version, step_key)})


def judge(world: World, run: Run, waiting: Waiting, event: StoredEvent) -> Judgement:
    """Judge one event of the right contact and name against one wait of a run."""
    if event.key in run.used or event.key == run.trigger.key:
        return Judgement("used")
    if event.v < waiting.floor:
        return Judgement("before_window")
    arms = [
        arm
        for arm in arms_of(world.version_of(run), waiting.step_key)
        if arm.event_name == event.name
    ]
    found = choose_arm(arms, lambda: scope_of(world, run, event.payload))
    is_late = waiting.deadline is not None and event.v > waiting.deadline
    if found.arm is not None and is_late:
        return Judgement("after_deadline", found.values)
    return found


def choose_arm(arms: Sequence[Arm], scope: Callable[[], Scope]) -> Judgement:
    """Return the first arm whose filter holds; the scope is only built if there is a filter."""
    values: tuple[Check, ...] = ()
    for arm in arms:
        if arm.filter is None:
            return Judgement("resumed", values, arm)
        verdict = evaluate(arm.filter, scope())
        values += verdict.checks
        if verdict.holds:
            return Judgement("resumed", values, arm)
    return Judgement("filter_false", values)


def oldest_match(
    world: World, run: Run, waiting: Waiting, among: Collection[int] | None = None
) -> Match | None:
    """Return the stored event with the oldest V that closes a wait at once, if any (rule W2).

    `among` are the only contacts' numbers whose events count, where a merge brought them (I3).

    Raises:
        NeedsLookBack: the stored events were not read yet.
    """
    version = world.version_of(run)
    candidates = [
        event
        for name in names_of(version, waiting.step_key)
        for event in world.stored_events(needs_of(world, run, waiting, name))
        if among is None or event.contact_id in among
    ]
    candidates.sort(key=lambda event: (event.v, event.coordinates))
    for event in candidates:
        arm = judge(world, run, waiting, event).arm
        if arm is not None:
            return Match(event, arm)
    return None


def floor_of(
    world: World, version: Version, step_key: str, wanted: datetime
) -> tuple[datetime, bool]:
    """Return from which V on a wait sees events, and whether that was cut (rule W2).

    The slack goes below the wanted floor; 35 days and the age of the interest bound it.
    """
    since = [
        world.catalogue.interest_since[name]
        for name in names_of(version, step_key)
        if name in world.catalogue.interest_since
    ]
    bound = max([world.now - LOOK_BACK_MAX, *since])
    return max(wanted - world.rules.slack, bound), wanted < bound


def scope_of(world: World, run: Run, event: Mapping[str, object] | None) -> Scope:
    """Return what a run's rules and variables read; `event` is the arriving payload (rule W1)."""
    return Scope(
        event=event,
        trigger=run.trigger.payload,
        contact=world.contact_scope(run.contact_id),
        steps=run.outputs,
        wait_events=run.wait_events,
    )


def needs_of(world: World, run: Run, waiting: Waiting, name: str) -> list[Need]:
    """Return the look-back for one name, and those its version's other waits may ask for.

    All from one floor a contact and turn, so that no later wait has to ask from further back; only
    a wait whose `since` is a longer span does.
    """
    floor = min(waiting.floor, world.look_back_floor(run.contact_id))
    arms = [arm for of_step in world.version_of(run).arms.values() for arm in of_step]
    others = {arm.event_name for arm in arms} - {name}
    return [Need(run.contact_id, each, floor) for each in (name, *sorted(others))]
