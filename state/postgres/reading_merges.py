"""Merges, read for people (rule I3)."""

from __future__ import annotations

from collections.abc import Sequence

from state.merge import LoggedMerge
from state.postgres.session import Session
from state.postgres.unmerging import read_merge

NEWEST = "select * from merges order by merged_at desc, merge_id limit $1"

#: `offset 0` keeps the planner from reading the newest merges of everybody until some are theirs.
OF_PERSON = """
select * from (
  select * from merges where survivor = any($1::bigint[])
  union all
  select * from merges where merged = any($1::bigint[]) and survivor <> all($1::bigint[])
  offset 0
) as theirs
order by merged_at desc, merge_id limit $2
"""


async def list_merges(
    session: Session, person: Sequence[int] | None, limit: int
) -> list[LoggedMerge]:
    """Return the newest merges, of everybody or of whoever has one of these numbers on a side."""
    if person is None:
        rows = await session.rows(NEWEST, limit)
    else:
        rows = await session.rows(OF_PERSON, person, limit)
    return [read_merge(row) for row in rows]
