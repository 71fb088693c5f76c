"""A merge taken back at an operator's word, or refused where the histories have mixed (rule I3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from handlers.merge import merged_profile
from handlers.world import World
from state.contact import Contact, Link, contact_uuid
from state.merge import LoggedMerge, MergeRecord, Undo, Unmerge
from state.moment import moment_text
from state.run import Run
from state.turn import Audited


class UndoMerge(NamedTuple):
    """An operator's word that the contacts of this merge are two people after all.

    `contact_id` is the survivor, `merged` the other one; both are locked.
    """

    contact_id: int
    merged: int
    merge_id: UUID
    who: str
    why: str


def apply_unmerge(world: World, asked: UndoMerge) -> None:
    """Make two of one again, all of it, or nothing where that would be guessing."""
    record = world.snapshot.undoing.get(asked.merge_id)
    if record is None or (record.merge.survivor, record.merge.merged) != asked[:2]:
        return
    survivor = world.contact(asked.contact_id)
    runs = world.active_runs(survivor.contact_id)
    undo = record.merge.undo
    since = world.now - world.rules.memory
    if undo is None or refuses_unmerge(record, survivor, runs.values(), since) is not None:
        return
    back = links_back(undo, survivor)
    world.people.part(asked.contact_id, asked.merged, back, undo.absorbed)
    world.people.set_profile(asked.contact_id, undo.profile_kept)
    world.people.set_profile(asked.merged, undo.profile_gone)
    moved = runs_back(undo, runs.values())
    world.hand_back(moved, asked.merged)
    world.changes.unmerges.append(
        Unmerge(asked.merge_id, asked.merged, undo.absorbed, asked.who),
    )
    world.changes.tally["merges_undone"] += 1
    _audit(world, asked, len(back), len(moved))


def refuses_unmerge(
    record: MergeRecord, survivor: Contact, active: Collection[Run], remembered_since: datetime
) -> str | None:
    """Return why a merge cannot be taken back, None if it can.

    `survivor` and its `active` runs are as of now. What came with the merge in its very turn counts
    as since, because nothing tells whether it came before. What happened before
    `remembered_since` may have been dropped (rule O5), and would be missed here.
    """
    over, undo = _is_over(record, survivor), record.merge.undo
    if over is not None:
        return over
    if undo is None:
        return "what it took to undo it has been erased"
    if record.merge.merged_at < remembered_since:
        at = moment_text(record.merge.merged_at)
        return f"what has happened since {at} may not be kept any more"
    return _has_mixed(record, undo, survivor, active)


def _is_over(record: MergeRecord, survivor: Contact) -> str | None:
    """Return what has become of the merge itself, or of its survivor as a whole."""
    merge = record.merge
    if merge.undone_at is not None:
        return f"it was undone already, at {moment_text(merge.undone_at)} by {merge.undone_by}"
    if survivor.deleted_at is not None:
        return "the person was deleted since"
    if record.later is not None:
        return f"merge {record.later} came later: undo that one first"
    if survivor.contact_id != merge.survivor:
        return f"its survivor has become {contact_uuid(survivor.contact_id)} by a merge since"
    return None


def _has_mixed(
    record: MergeRecord, undo: Undo, survivor: Contact, active: Collection[Run]
) -> str | None:
    """Return what may be either's of all that has happened to the one person."""
    merge = record.merge
    if undo.decided_runs:
        return f"the merge itself ended or moved run {undo.decided_runs[0]}"
    if record.event is not None:
        return f"event {record.event} has come since, and may be either's"
    run_id = record.run or next((run.run_id for run in active if _has_moved(merge, run)), None)
    if run_id is not None:
        return f"run {run_id} has started, moved or ended since"
    if survivor.profile != merged_profile(undo.profile_kept, undo.profile_gone):
        return "the profile has changed since"
    return None


def links_back(undo: Undo, survivor: Contact) -> tuple[Link, ...]:
    """Return the identifiers that the merge moved and that nothing has moved since."""
    taken = {(link.identifier, link.linked_by) for link in undo.links}
    return tuple(link for link in survivor.links if (link.identifier, link.linked_by) in taken)


def runs_back(undo: Undo, active: Iterable[Run]) -> list[Run]:
    """Return the active runs that the merge moved."""
    return [run for run in active if run.run_id in undo.moved_runs]


def _has_moved(merge: LoggedMerge, run: Run) -> bool:
    return max(run.created_at, run.updated_at) >= merge.merged_at


def _audit(world: World, asked: UndoMerge, names: int, runs: int) -> None:
    before = {"contact_id": contact_uuid(asked.contact_id)}
    after = {
        "contact_id": contact_uuid(asked.contact_id),
        "unmerged": contact_uuid(asked.merged),
        "identifiers": names,
        "runs": runs,
        "why": asked.why,
    }
    audited = Audited(asked.who, "contact.unmerge", str(asked.merge_id), before, after)
    world.changes.audited.append(audited)
