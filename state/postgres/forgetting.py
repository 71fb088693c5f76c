"""Rows of tables without leaves whose time is over, deleted a page at a time by an index (O5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from state.postgres.codec import columns_of
from state.postgres.session import Session

#: Rows deleted, or looked at, in one transaction.
PAGE = 5_000

COUNT_QUARANTINE = "select count(*) from quarantine where quarantined_at < $1"

FORGET_QUARANTINE = """
delete from quarantine where ctid = any(array(
  select ctid from quarantine where quarantined_at < $1 order by quarantined_at limit $2))
"""

COUNT_DUPLICATES = "select count(*) from duplicates where dropped_at < $1"

FORGET_DUPLICATES = """
delete from duplicates where ctid = any(array(
  select ctid from duplicates where dropped_at < $1 order by dropped_at limit $2))
"""

COUNT_NOTES = "select count(*) from identity_notes where noted_at < $1"

FORGET_NOTES = """
delete from identity_notes where ctid = any(array(
  select ctid from identity_notes where noted_at < $1 order by noted_at limit $2))
"""

#: `once` is for ever, but only while its automation lives (rule S2).
COUNT_ENROLMENTS = """
select count(*) from enrolments
where automation_id = any(array(select automation_id from automations where deleted_at < $1))
"""

FORGET_ENROLMENTS = """
delete from enrolments where ctid = any(array(
  select ctid from enrolments
  where automation_id = any(array(select automation_id from automations where deleted_at < $1))
  limit $2))
"""

#: Of what was refused or dropped there are notes, by table; each has an index on its instant.
NOTES = {
    "quarantine": (COUNT_QUARANTINE, FORGET_QUARANTINE),
    "duplicates": (COUNT_DUPLICATES, FORGET_DUPLICATES),
    "identity_notes": (COUNT_NOTES, FORGET_NOTES),
}

ENROLMENTS = "enrolments"

_STATEMENTS = NOTES | {ENROLMENTS: (COUNT_ENROLMENTS, FORGET_ENROLMENTS)}

NAMES = "name_counts"

#: Counts of names are updated all the time and have no index on when: they are walked by their key.
NAMES_AFTER = """
select name, topic, partition, last_at from name_counts
where (name, topic, partition) > ($1, $2, $3)
order by name, topic, partition limit $4
"""

FORGET_NAMES = """
delete from name_counts using unnest($1::text[], $2::text[], $3::integer[])
  as old (name, topic, partition)
where name_counts.name = old.name and name_counts.topic = old.topic
  and name_counts.partition = old.partition and last_at < $4
"""

#: A chore is begun by whoever comes first after a while; the others leave it.
BEGIN_CHORE = """
insert into chores (name, begun_at) values ($1, $2)
on conflict (name) do update set begun_at = excluded.begun_at
where chores.begun_at <= $2::timestamptz - $3::interval
"""


class NameKey(NamedTuple):
    """The key of a name's count, the place of a walk over them."""

    name: str = ""
    topic: str = ""
    partition: int = -1


async def begin_chore(session: Session, name: str, now: datetime, every: timedelta) -> bool:
    """Tell whether this chore is to be done now, by whoever asks; then it counts as begun."""
    return await session.run(BEGIN_CHORE, name, now, every) == 1


async def count_old(session: Session, table: str, cutoff: datetime) -> int:
    """Return how many rows of a table are from before `cutoff`; counts of names are not counted."""
    found: int = await session.value(_STATEMENTS[table][0], cutoff)
    return found


async def forget_old(session: Session, table: str, cutoff: datetime) -> int:
    """Delete a page of a table's rows from before `cutoff`; return how many."""
    return await session.run(_STATEMENTS[table][1], cutoff, PAGE)


async def old_names(
    session: Session, after: NameKey, cutoff: datetime
) -> tuple[NameKey | None, list[NameKey]]:
    """Look at a page of counts of names; return where it ends, and those not seen since `cutoff`.

    The end is None when there is nothing behind it.
    """
    rows = await session.rows(NAMES_AFTER, *after, PAGE)
    keys = [NameKey(name, topic, partition) for name, topic, partition, _ in rows]
    old = [key for key, row in zip(keys, rows, strict=True) if row["last_at"] < cutoff]
    return (keys[-1] if len(rows) == PAGE else None), old


async def forget_names(session: Session, names: list[NameKey], cutoff: datetime) -> int:
    """Delete counts of names, unless one was seen again meanwhile; return how many."""
    return await session.run(FORGET_NAMES, *columns_of(names), cutoff) if names else 0
