"""What merges and deletions do to the simulated tables."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec.structs import replace

from state.contact import Profile
from state.erasure import Erasure
from state.merge import LoggedMerge, Merge, MergeRecord, Undo, Unmerge
from state.redaction import redacted
from tests.simulation.histories import with_history

if TYPE_CHECKING:
    from tests.simulation.tables import Tables


def follow_merge(tables: Tables, merge: Merge) -> None:
    """Redirect a merged contact, and all that were merged into it, to its survivor (rule I3)."""
    is_undone = merge.merge_id in tables.unmerged
    assert is_undone or merge.merge_id not in tables.merges, "a merge takes place once"
    tables.unmerged.pop(merge.merge_id, None)
    tables.merges[merge.merge_id] = merge
    gone = merge.merged.contact_id
    tables.merged[gone] = merge.survivor
    tables.merged.update(
        {one: merge.survivor for one, home in tables.merged.items() if home == gone}
    )
    tables.contacts[gone] = replace(tables.contacts[gone], profile=Profile())
    assert not tables.contacts[gone].links, "identifiers have moved to the survivor"


def follow_unmerge(tables: Tables, unmerge: Unmerge, now: datetime) -> None:
    """Make a merged contact itself again, with whom it had absorbed (rule I3)."""
    assert unmerge.merge_id not in tables.unmerged, "a merge is undone once"
    tables.unmerged[unmerge.merge_id] = (now, unmerge.who)
    del tables.merged[unmerge.merged]
    tables.merged.update(dict.fromkeys(unmerge.absorbed, unmerge.merged))


def merge_record(tables: Tables, merge_id: UUID) -> MergeRecord:
    """Return a merge with what has happened to its survivor since."""
    merge = tables.merges[merge_id]
    survivor, since = merge.survivor, merge.merged_at
    home = tables.merged.get(survivor, survivor)
    later = [
        one
        for one in tables.merges.values()
        if one.survivor == home
        and one.merge_id not in tables.unmerged
        and (one.merged_at > since or home != survivor)
    ]
    events = (
        record.event.id
        for record in tables.events.values()
        if record.contact_id == survivor
        and tables.event_stored_at[record.event.key] >= since
        and record.event.coordinates != merge.coordinates
    )
    ended = (
        run.run_id
        for run in tables.done.values()
        if run.contact_id == survivor and run.completed_at >= since
    )
    newest = max(later, key=lambda one: one.merged_at, default=None)
    return MergeRecord(
        _logged(tables, merge),
        None if newest is None else newest.merge_id,
        next(events, None),
        next(ended, None),
    )


def _logged(tables: Tables, merge: Merge) -> LoggedMerge:
    survivor, gone = tables.contacts[merge.survivor], merge.merged
    undo = Undo(
        absorbed=gone.absorbed,
        links=gone.links,
        profile_kept=merge.survivor_profile,
        profile_gone=gone.profile,
        moved_runs=merge.moved_runs,
        decided_runs=merge.decided_runs,
    )
    undone = tables.unmerged.get(merge.merge_id, (None, None))
    return LoggedMerge(
        merge.merge_id,
        merge.survivor,
        gone.contact_id,
        merge.merged_at,
        merge.event_id,
        merge.coordinates,
        undo if survivor.deleted_at is None else None,
        *undone,
    )


def erase(tables: Tables, erasure: Erasure) -> None:
    """Take away what is a person's, what this very turn wrote too (rule I5)."""
    gone = set(erasure.numbers)
    for name in erasure.identifiers:
        assert tables.owners.get(name) not in gone, "a deleted person holds no name"
        tables.erased[name] = max(erasure.before, tables.erased.get(name, erasure.before))
    for number in gone:
        contact = tables.contacts[number]
        tables.contacts[number] = replace(contact, profile=Profile(), deleted_at=erasure.before)
    for key, record in tables.events.items():
        if record.contact_id in gone:
            event = replace(record.event, payload={}, payload_text="", identifiers=(), raw=b"")
            tables.events[key] = replace(record, event=event, findings=())
    for key, run in tables.done.items():
        if run.contact_id in gone:
            tables.done[key] = with_history(redacted(run))
    for key in [key for key, wait in tables.closed_waits.items() if wait.contact_id in gone]:
        del tables.closed_waits[key]
    for entry in [key for key in tables.enrolments if key[0] in gone]:
        del tables.enrolments[entry]
