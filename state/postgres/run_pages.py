"""One automation's runs a page at a time, newest first, by keyset: any page costs the same."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from state.instant import LAST
from state.postgres.keyset import Page, UnknownCursor
from state.postgres.reading_runs import ENDED
from state.postgres.session import Session

_FIRST = (LAST, UUID(int=(1 << 128) - 1))

CURSOR = """
select created_at from runs_active where run_id = $1 and automation_id = $2
union all
select created_at from runs_done where run_id = $1 and automation_id = $2
limit 1
"""

#: One statement, so that a run which ends meanwhile is seen once. Runs of one turn share their
#: instant, so the walk goes on to the end of theirs, and sorts them.
_PAGE = """
(
  select run_id, 'running' as status, created_at,
    coalesce((state ->> 'started_at')::timestamptz, created_at) as started_at,
    null::timestamptz as completed_at
  from runs_active
  where $6 and automation_id = $1 and (created_at, run_id) {beyond} ($3, $4)
  order by created_at {order}, run_id {order} limit $2
)
union all
(
  select run.* from unnest($5::text[]) as wanted (status)
  cross join lateral (
    select run_id, status, created_at, started_at, completed_at from runs_done
    where automation_id = $1 and status = wanted.status
      and (created_at, run_id) {beyond} ($3, $4)
    order by created_at {order}, run_id {order} limit $2
  ) as run
  order by created_at {order}, run_id {order} limit $2
)
"""

OLDER = _PAGE.format(beyond="<", order="desc")
NEWER = _PAGE.format(beyond=">", order="asc")


class RunRow(NamedTuple):
    """A run as lists show it."""

    run_id: UUID
    status: str
    created_at: datetime
    started_at: datetime
    completed_at: datetime | None


async def runs_page(
    session: Session, automation_id: UUID, statuses: Collection[str], page: Page
) -> tuple[list[RunRow], bool]:
    """Return a page of an automation's runs in these states, and whether more lie beyond it.

    Raises:
        UnknownCursor: the automation has no run of the id that the page lies beside.
    """
    is_older = page.before is None
    at = await _beside(session, automation_id, page)
    ended = [status for status in ENDED if status in statuses]
    rows = await session.rows(
        OLDER if is_older else NEWER,
        automation_id,
        page.limit + 1,
        *at,
        ended,
        "running" in statuses,
    )
    nearest = sorted((RunRow(*row) for row in rows), key=_place, reverse=is_older)
    shown = nearest[: page.limit]
    return shown if is_older else shown[::-1], len(nearest) > page.limit


async def _beside(session: Session, automation_id: UUID, page: Page) -> tuple[datetime, UUID]:
    """Return the place in the list that the page begins or ends at."""
    for field, run_id in (("after", page.after), ("before", page.before)):
        if run_id is not None:
            created_at = await session.value(CURSOR, run_id, automation_id)
            if created_at is None:
                raise UnknownCursor(field, run_id)
            return created_at, run_id
    return _FIRST


def _place(run: RunRow) -> tuple[datetime, UUID]:
    return run.created_at, run.run_id
