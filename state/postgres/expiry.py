"""Runs that have been active for too long (rule R2)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from state.postgres.session import Session

#: A probe for each automation there ever was: an index by age alone would cost every run that
#: parks, and lure the planner away from the contact's (trap 1).
EXPIRED = """
select old.contact_id, old.run_id from automations
cross join lateral (
  select contact_id, run_id, created_at from runs_active
  where automation_id = automations.automation_id
    and created_at <= statement_timestamp() - $1::interval
  order by created_at limit $2
) as old
order by old.created_at limit $2
"""


async def load_expired(session: Session, age: timedelta, limit: int) -> list[tuple[int, UUID]]:
    """Return contact and run of active runs of at least this age, the oldest first."""
    rows = await session.rows(EXPIRED, age, limit)
    return [(contact_id, run_id) for contact_id, run_id in rows]
