"""What a merge does to runs: they move, once-only ones are resolved, waits look back again (I3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

from msgspec.structs import replace

from handlers.advance import end_early, resume_closed
from handlers.exits import exit_by_history, exit_needs
from handlers.guard import Guard
from handlers.match import parked_order
from handlers.merge import Joined
from handlers.receipt import add_deferred_receipt
from handlers.sighting import Sighting
from handlers.waits import look_back, names_of, needs_of
from handlers.world import World
from state.contact import Contact
from state.merge import Merge, merge_id_of
from state.run import Run, Waiting
from state.turn import Need


def follow_merges(sighting: Sighting) -> None:
    """Move the runs of those whom this event has merged, and let history find them (rule I3).

    Merged history starts nothing: triggers are not judged again. What the other side's events end
    or resume is as if they had come by this contact from the beginning. One event may bring
    several together, and even a survivor to another one: its merges follow one upon the other.
    """
    if not sighting.joined:
        return
    world = sighting.world
    parts = _moved_home(world, sighting.joined)
    world.require(_needs(world, [run for part in parts.values() for run in part]))
    for joined in sighting.joined:
        kept, gone = joined.survivor.contact_id, joined.merged.contact_id
        ours, theirs = _active(world, parts[kept]), _active(world, parts[gone])
        decided = _decide(world, joined, ours, theirs)
        parts[kept] = [*ours, *theirs]
        moved = tuple(sorted(run.run_id for run in theirs))
        world.changes.merges.append(_logged(sighting, joined, moved, tuple(sorted(decided))))
    sighting.joined.clear()


def _moved_home(world: World, merges: Sequence[Joined]) -> dict[int, list[Run]]:
    """Let whom all of them have become have their active runs; return these by whose they were."""
    home = world.people.home_of(merges[0].survivor.contact_id)
    parts = {home: list(world.active_runs(home).values())}
    for joined in merges:
        for contact in (joined.survivor, joined.merged):
            if contact.contact_id not in parts:
                parts[contact.contact_id] = world.move_runs(contact.contact_id, home)
    return parts


def _active(world: World, runs: Sequence[Run]) -> list[Run]:
    """Return those of these runs that are still active, as they stand now."""
    active = [world.active_runs(run.contact_id).get(run.run_id) for run in runs]
    return [run for run in active if run is not None]


def _decide(world: World, joined: Joined, ours: Sequence[Run], theirs: Sequence[Run]) -> list[UUID]:
    """Return the runs of either side that this merge ends or resumes.

    Exits come first: they beat waits (rule D2), and what they end excludes no other run any more.
    """
    sides = (ours, _numbers(joined.merged)), (theirs, _numbers(joined.survivor))
    exited = [
        run.run_id for runs, others in sides for run in runs if exit_by_history(world, run, others)
    ]
    duplicates = _end_duplicates(world, _active(world, ours), _active(world, theirs))
    resumed = (run_id for runs, others in sides for run_id in _look_back(world, runs, others))
    return [*exited, *duplicates, *resumed]


def _numbers(contact: Contact) -> frozenset[int]:
    return frozenset((contact.contact_id, *contact.absorbed))


def _logged(
    sighting: Sighting, joined: Joined, moved: tuple[UUID, ...], decided: tuple[UUID, ...]
) -> Merge:
    return Merge(
        merge_id=merge_id_of(sighting.event.key, joined.merged.contact_id),
        survivor=joined.survivor.contact_id,
        merged=joined.merged,
        survivor_profile=joined.survivor.profile,
        merged_at=sighting.world.now,
        event_id=sighting.event.id,
        coordinates=sighting.event.coordinates,
        moved_runs=moved,
        decided_runs=decided,
    )


# --- runs that exclude each other -----------------------------------------------------------------


def _end_duplicates(world: World, ours: Sequence[Run], theirs: Sequence[Run]) -> Iterator[UUID]:
    """End the younger of two active runs that may not be active at once (rules I3, S2)."""
    for key in dict.fromkeys(_exclusion(world, run) for run in theirs):
        sides = [[run for run in side if _exclusion(world, run) == key] for side in (ours, theirs)]
        if key is None or not all(sides):
            continue
        oldest = min((run for side in sides for run in side), key=_age)
        for run in sides[0] if oldest in sides[1] else sides[1]:
            world.put_run(end_early(world, run, "merged_duplicate"))
            yield run.run_id


def _exclusion(world: World, run: Run) -> tuple[UUID, str | None] | None:
    """Return what only one active run of a contact may have; None: it excludes no other."""
    automation = world.catalogue.automations.get(run.automation_id)
    version = world.version_of(run) if automation is None else automation.current
    match version.reentry.policy:
        case "once" | "one_active":
            return run.automation_id, None
        case "key" if run.business_key is not None:
            return run.automation_id, run.business_key
        case _:
            return None


def _age(run: Run) -> tuple[object, ...]:
    return run.created_at, run.trigger.recorded_at, run.trigger.coordinates, run.run_id


# --- events of the other side ---------------------------------------------------------------------


def _look_back(world: World, runs: Sequence[Run], others: Collection[int]) -> Iterator[UUID]:
    """Let waits see what came under the other side's numbers; yield the runs that it moved."""
    for run in sorted(runs, key=parked_order):
        current = world.active_runs(run.contact_id).get(run.run_id)
        if current is None or not isinstance(current.parked, Waiting):
            continue
        waiting, match = look_back(world, current, current.parked, others)
        if match is not None:
            add_deferred_receipt(world, current, waiting.step_key, match.event, "look_back")
            with Guard(world, current):
                world.put_run(resume_closed(world, current, waiting, match))
        elif waiting is not current.parked:
            world.put_run(replace(current, parked=waiting, updated_at=world.now))
        else:
            continue
        yield run.run_id


def _needs(world: World, runs: Sequence[Run]) -> list[Need]:
    """Return every look-back of these runs' waits and exits, so that all are read in one round."""
    waits = [
        need
        for run in runs
        if isinstance(run.parked, Waiting)
        for name in names_of(world.version_of(run), run.parked.step_key)
        for need in needs_of(world, run, run.parked, name)
    ]
    return [*waits, *(need for run in runs for need in exit_needs(world, run))]
