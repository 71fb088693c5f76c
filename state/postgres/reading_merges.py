"""Merges, read for people (rule I3)."""

from __future__ import annotations

from collections.abc import Sequence

from state.merge import LoggedMerge
from state.postgres.session import Session
from state.postgres.unmerging import read_merge

NEWEST = "select * from merges order by merged_at desc, merge_id limit $1"

OF_PERSON = """
select * from merges where survivor = any($1::bigint[])
order by merged_at desc, merge_id limit $2
"""


async def list_merges(
    session: Session, survivors: Sequence[int] | None, limit: int
) -> list[LoggedMerge]:
    """Return the newest merges, of these survivors or of everybody."""
    if survivors is None:
        rows = await session.rows(NEWEST, limit)
    else:
        rows = await session.rows(OF_PERSON, survivors, limit)
    return [read_merge(row) for row in rows]
