"""The live runs of automations, for what is done with all of them: counted, and page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from state.instant import FIRST
from state.postgres.marks import read_now
from state.postgres.session import Session

#: Deleted ones too: their runs go on (rule S4), and may be cancelled later.
NAMED = "select automation_id from automations where name = $1"

ACTIVITIES = """
select activity, count(*) from runs_active where automation_id = any($1::uuid[])
group by activity
order by activity
"""

#: What a worker has claimed, and may be sending.
UNDER_WAY = """
select count(*) from runs_active
cross join lateral (
  select from outbox where outbox.run_id = runs_active.run_id and claimed_by is not null
  offset 0
) as claimed
where automation_id = any($1::uuid[]) and activity = 'sending'
"""

#: Created before the question was asked, so that an automation that goes on starting ends too.
PAGE = """
select created_at, run_id, contact_id from runs_active
where automation_id = $1 and created_at <= $2 and (created_at, run_id) > ($3, $4)
order by created_at, run_id limit $5
"""


class LiveRun(NamedTuple):
    """A run that was active when it was listed, and whose contact it is."""

    created_at: datetime
    run_id: UUID
    contact_id: int


class Live(Struct, frozen=True):
    """How many runs are live, by what they do, and of how many a message is being sent."""

    by_activity: Mapping[str, int]
    under_way: int

    @property
    def total(self) -> int:
        """Return how many runs are live."""
        return sum(self.by_activity.values())


async def automations_named(session: Session, name: str) -> list[UUID]:
    """Return the automations that have, or had, this name."""
    return [automation_id for (automation_id,) in await session.rows(NAMED, name)]


async def count_live(session: Session, automation_ids: Sequence[UUID]) -> Live:
    """Return how many runs of these automations are live."""
    rows = await session.rows(ACTIVITIES, list(automation_ids))
    by_activity = {row["activity"]: row["count"] for row in rows}
    return Live(by_activity, await session.value(UNDER_WAY, list(automation_ids)))


async def live_pages(
    session: Session, automation_ids: Sequence[UUID], size: int
) -> AsyncIterator[list[LiveRun]]:
    """Yield the runs that are live now, the oldest first, some at a time."""
    until = await read_now(session)
    for automation_id in automation_ids:
        at, run_id = FIRST, UUID(int=0)
        while rows := await session.rows(PAGE, automation_id, until, at, run_id, size):
            yield [LiveRun(*row) for row in rows]
            at, run_id, _ = rows[-1]
