"""How many runs an automation has, counted as far as anybody wants to know."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from state.postgres.reading_runs import ENDED
from state.postgres.session import Session

ACTIVE = """
select count(*) from (select from runs_active where automation_id = $1 limit $2) as counted
"""

DONE = """
select count(*) from (
  select from unnest($3::text[]) as wanted (status)
  cross join lateral (
    select from runs_done where automation_id = $1 and status = wanted.status limit $2
  ) as run
  limit $2
) as counted
"""


async def count_runs(
    session: Session, automation_id: UUID, statuses: Collection[str], most: int
) -> int:
    """Return how many runs of an automation are in these states, `most` if there are as many."""
    counted = 0
    if "running" in statuses:
        counted += await session.value(ACTIVE, automation_id, most)
    if ended := [status for status in ENDED if status in statuses]:
        counted += await session.value(DONE, automation_id, most, ended)
    return min(counted, most)
