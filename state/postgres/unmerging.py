"""Merges read back from their log, and taken back (rule I3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from state.contact import Link
from state.event import Coordinates, Identifier
from state.merge import LoggedMerge, MergeRecord, Undo, Unmerge
from state.postgres.codec import columns_of, instant, parsed, profile_in
from state.postgres.session import Record, Session

#: A merge, with the first sign of each kind that its survivor's history went on: events and ended
#: runs stand under the survivor's own number from the merge on. Each is an index probe.
RECORDS = """
select merges.*, later.merge_id as later, since.event_id as event, ended.run_id as run
from unnest($1::uuid[]) as asked (merge_id)
cross join lateral (select * from merges where merge_id = asked.merge_id offset 0) as merges
cross join lateral (
  select coalesce(merged_into, contact_id) as contact_id from contacts
  where contact_id = merges.survivor offset 0
) as home
left join lateral (
  select merge_id from merges as other
  where other.survivor = home.contact_id and other.undone_at is null
    and (other.merged_at > merges.merged_at or home.contact_id <> merges.survivor)
  order by other.merged_at desc limit 1
) as later on true
left join lateral (
  select event_id from events
  where contact_id = merges.survivor and processed_at >= merges.merged_at
    and (topic, partition, "offset") <> (merges.topic, merges.partition, merges."offset")
  limit 1
) as since on true
left join lateral (
  select run_id from runs_done
  where contact_id = merges.survivor and completed_at >= merges.merged_at
  limit 1
) as ended on true
"""

#: As REDIRECT in merges.py: the merged contact is its own again, and those it had follow it.
PART = """
insert into contacts (contact_id, created_at, merged_into)
select contact_id, $3, home from unnest($1::bigint[], $2::bigint[]) as parted (contact_id, home)
on conflict (contact_id) do update set merged_into = excluded.merged_into
"""

UNDONE = """
update merges set undone_at = $3, undone_by = done.who
from unnest($1::uuid[], $2::text[]) as done (merge_id, who)
where merges.merge_id = done.merge_id
"""


async def load_records(session: Session, merge_ids: Collection[UUID]) -> dict[UUID, MergeRecord]:
    """Return merges with what has happened since; unknown ones are left out."""
    rows = await session.rows(RECORDS, list(merge_ids))
    return {
        row["merge_id"]: MergeRecord(read_merge(row), row["later"], row["event"], row["run"])
        for row in rows
    }


async def save_unmerges(session: Session, unmerges: Sequence[Unmerge], now: datetime) -> None:
    """Make merged contacts themselves again, and note in the log who took the merge back."""
    if not unmerges:
        return
    homes: dict[int, int | None] = {}
    for one in unmerges:
        homes[one.merged] = None
        homes.update(dict.fromkeys(one.absorbed, one.merged))
    await session.run(PART, list(homes), list(homes.values()), now)
    done = columns_of((one.merge_id, one.who) for one in unmerges)
    await session.run(UNDONE, *done, now)


def read_merge(row: Record) -> LoggedMerge:
    """Return the merge that a row of the log holds."""
    return LoggedMerge(
        merge_id=row["merge_id"],
        survivor=row["survivor"],
        merged=row["merged"],
        merged_at=row["merged_at"],
        event_id=row["event_id"],
        coordinates=Coordinates(row["topic"], row["partition"], row["offset"]),
        undo=_undo(parsed(row["undo"])),
        undone_at=row["undone_at"],
        undone_by=row["undone_by"],
    )


def _undo(read: Any) -> Undo | None:
    """Return what `undo_text` wrote."""
    if read is None:
        return None
    return Undo(
        absorbed=tuple(read["absorbed"]),
        links=tuple(
            Link(Identifier(one["kind"], one["value"]), instant(one["linked_at"]), one["linked_by"])
            for one in read["links"]
        ),
        profile_kept=profile_in(read["profile_kept"]),
        profile_gone=profile_in(read["profile_gone"]),
        moved_runs=tuple(map(UUID, read["moved_runs"])),
        decided_runs=tuple(map(UUID, read["decided_runs"])),
    )
