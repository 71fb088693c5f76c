"""What a wait accepts, and what stands for it already: windows, filters, arms (W1, W2, W3, W7)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from heapq import merge
from typing import NamedTuple

from msgspec.structs import replace

from handlers.evaluate import Scope, evaluate
from handlers.world import LOOK_BACK_MAX, World, order_of
from state.automation import Arm, Version
from state.evidence import Check
from state.run import ArmMet, Run, Waiting
from state.turn import ClosedWait, Need, StoredEvent


class Match(NamedTuple):
    """An event that meets an arm of a wait, and which one."""

    event: StoredEvent | ArmMet
    arm: Arm


class Judgement(NamedTuple):
    """What a wait says of an event, with the comparisons that decided.

    The verdict is `resumed` (the event closes the wait), `arm_met` (it meets one of several arms
    that must all be met), `already_met` (its arms were met before), `already_kept` (another event
    will close it, T3), `used`, `before_window`, `after_deadline` or `filter_false`. `arm` is the
    one that holds, with the first two.
    """

    verdict: str
    values: tuple[Check, ...] = ()
    arm: Arm | None = None


def arms_of(version: Version, step_key: str) -> tuple[Arm, ...]:
    """Return what a step of a version waits for, in declared order; nothing if it does not wait."""
    return version.arms.get(step_key, ())


def names_of(version: Version, step_key: str) -> list[str]:
    """Return the event names that a step of a version waits for, sorted."""
    arms = arms_of(version, step_key)
    if len(arms) == 1:
        return [arms[0].event_name]
    return sorted({arm.event_name for arm in arms})


def judge(world: World, run: Run, waiting: Waiting, event: StoredEvent) -> Judgement:
    """Judge one event of the right contact and name against one wait of a run.

    It meets the first arm, in declared order, that is of its name, not met yet, and whose filter
    holds: at most one arm, and no event twice (rules W1, W7).
    """
    if event.key in run.used or event.key in (run.trigger.key, *(one.key for one in waiting.met)):
        return Judgement("used")
    if waiting.kept_at is not None:
        return Judgement("already_kept")
    if event.v < floor_for(world, waiting, event.name):
        return Judgement("before_window")
    arms = arms_of(world.version_of(run), waiting.step_key)
    unmet = unmet_arms(arms, {one.place for one in waiting.met}, event.name)
    if not unmet:
        return Judgement("already_met")
    found = choose_arm(unmet, lambda: scope_of(world, run, event.payload))
    is_late = waiting.deadline is not None and event.v > waiting.deadline
    if found.arm is not None and is_late:
        return Judgement("after_deadline", found.values)
    is_last = len(waiting.met) + 1 == len(arms)
    if found.arm is not None and found.arm.group == "all_of" and not is_last:
        return found._replace(verdict="arm_met")
    return found


def unmet_arms(arms: Sequence[Arm], met: Collection[int], name: str) -> list[Arm]:
    """Return the arms for an event of this name that are not among those met, by their places."""
    return [arm for arm in arms if arm.event_name == name and arm.place not in met]


def meet(waiting: Waiting, match: Match) -> Waiting:
    """Return the wait with one more arm met (rule W7)."""
    event = match.event
    met = ArmMet(
        place=match.arm.place,
        key=event.key,
        id=event.id,
        name=event.name,
        occurred_at=event.occurred_at,
        coordinates=event.coordinates,
        payload=event.payload,
    )
    return replace(waiting, met=(*waiting.met, met))


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


def look_back(
    world: World, run: Run, waiting: Waiting, among: Collection[int] | None = None
) -> tuple[Waiting, Match | None]:
    """Hold the stored events against a wait of a run, the oldest V first (rules W2, W7).

    The wait may be about to park, or be parked already. Return it with the arms that they meet, and
    the match that closes it, if any: then nothing that comes after it was looked at.

    `among` are the only contacts' numbers whose events count, where a merge brought them (I3).
    However long it has been parked, none is seen that is older than 35 days by now.

    Raises:
        NeedsLookBack: the stored events were not read yet.
    """
    for event in _candidates(world, run, waiting, among):
        judgement = judge(world, run, waiting, event)
        if judgement.arm is None:
            continue
        match = Match(event, judgement.arm)
        waiting = meet(waiting, match)
        if judgement.verdict == "resumed":
            return waiting, match
    return waiting, None


def floor_of(
    world: World, version: Version, step_key: str, wanted: datetime
) -> tuple[datetime, bool]:
    """Return from which V on a wait sees events, and whether that was cut (rule W2).

    The slack goes below the wanted floor; 35 days and the age of the interest bound it. Of several
    arms the oldest interest counts here: each one's own binds it when its events are judged.
    """
    since = [
        world.catalogue.interest_since[name]
        for name in names_of(version, step_key)
        if name in world.catalogue.interest_since
    ]
    farthest = world.now - LOOK_BACK_MAX
    bound = max([farthest, min(since)] if since else [farthest])
    return max(wanted - world.rules.slack, bound), wanted < max([farthest, *since])


def needs_for(
    world: World, contact_id: int, floor: datetime, name: str, others: frozenset[str]
) -> list[Need]:
    """Return the look-back for one name, and those for others that may be asked for next.

    All from one floor a contact and turn, so that no later wait has to ask from further back; only
    a wait whose `since` is a longer span does.
    """
    floor = min(floor, world.look_back_floor(contact_id))
    return [Need(contact_id, each, floor) for each in (name, *sorted(others - {name}))]


def floor_for(world: World, wait: Waiting | ClosedWait, name: str) -> datetime:
    """Return the wait's floor for an arm of this name, never before the name was of interest."""
    since = world.catalogue.interest_since.get(name)
    return wait.floor if since is None else max(wait.floor, since)


def scope_of(world: World, run: Run, event: Mapping[str, object] | None) -> Scope:
    """Return what a run's rules and variables read; `event` is the arriving payload (rule W1)."""
    return Scope(
        event=event,
        trigger=run.trigger.payload,
        contact=world.contact_scope(run.contact_id),
        steps=run.outputs,
        wait_events=run.wait_events,
    )


def _candidates(
    world: World, run: Run, waiting: Waiting, among: Collection[int] | None
) -> Iterator[StoredEvent]:
    """Go through the stored events of the wait's names, the oldest V first."""
    floor = max(waiting.floor, world.now - LOOK_BACK_MAX)
    needs = partial(needs_of, world, run, waiting)
    found = merge(
        *(
            world.stored_events(run.contact_id, name, floor, needs)
            for name in names_of(world.version_of(run), waiting.step_key)
        ),
        key=order_of,
    )
    return (event for event in found if among is None or event.contact_id in among)


def needs_of(world: World, run: Run, waiting: Waiting, name: str) -> list[Need]:
    """Return the look-back for one name of a wait, and those its version's waits may ask for."""
    awaited = world.version_of(run).awaited
    return needs_for(world, run.contact_id, waiting.floor, name, awaited)
