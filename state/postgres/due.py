"""Which parked runs are due: timers, and what was kept while an automation was paused (T2, T3)."""

from __future__ import annotations

from uuid import UUID

from state.postgres.offsets import Stream
from state.postgres.session import Session
from state.share import Share
from state.turn import HOLD_NOTICE

#: A timer that lag may hold is due once every partition has been consumed up to it; before that
#: once, to be marked as held, and when the caller wants to see whether the cap fires it (rule W4).
#: `low` is null while one was never consumed. While an automation is paused, what is due is looked
#: for automation by automation: nobody walks over the overdue of the paused ones, however many they
#: are (rule T3).
DUE = """
with lag as materialized (
  select case when bool_and(low is not null) then min(low) end as low
  from partitions where stream_epoch = $2 and ($5::text[] is null or topic = any($5))
),
pauses as materialized (
  select exists (select from automations where pause is not null) as are_some
)
select contact_id, run_id from (
  (select contact_id, run_id, due_at from runs_active
   where not is_held and due_at <= statement_timestamp() - $8::interval
     and contact_id % $6 = any($7::bigint[]) and (not holds_for_lag
     or due_at <= statement_timestamp() - $4::interval or due_at <= (select low from lag))
     and not (select are_some from pauses)
   order by due_at limit $1)
  union all
  (select contact_id, run_id, due_at from runs_active
   where is_held and due_at <= statement_timestamp() - $8::interval
     and contact_id % $6 = any($7::bigint[])
     and due_at <= (select case when $3 then 'infinity' else low end from lag)
     and not (select are_some from pauses)
   order by due_at limit $1)
  union all
  select theirs.* from automations
  cross join lateral (
    (select contact_id, run_id, due_at from runs_active
     where automation_id = automations.automation_id
       and not is_held and due_at <= statement_timestamp() - $8::interval
       and contact_id % $6 = any($7::bigint[]) and (not holds_for_lag
         or due_at <= statement_timestamp() - $4::interval or due_at <= (select low from lag))
     order by due_at limit $1)
    union all
    (select contact_id, run_id, due_at from runs_active
     where automation_id = automations.automation_id
       and is_held and due_at <= statement_timestamp() - $8::interval
       and contact_id % $6 = any($7::bigint[])
       and due_at <= (select case when $3 then 'infinity' else low end from lag)
     order by due_at limit $1)
  ) as theirs
  where pause is null and (select are_some from pauses)
) as due
order by due_at, run_id
limit $1
"""

NEXT_DUE_IN = """
with pauses as materialized (
  select exists (select from automations where pause is not null) as are_some
)
select extract(epoch from least(
  (select due_at from runs_active
   where not is_held and due_at is not null and not (select are_some from pauses)
   order by due_at limit 1),
  (select due_at from runs_active
   where is_held and due_at is not null and not (select are_some from pauses)
   order by due_at limit 1),
  (select min(theirs.due_at) from automations
   cross join lateral (
     (select due_at from runs_active
      where automation_id = automations.automation_id and not is_held and due_at is not null
      order by due_at limit 1)
     union all
     (select due_at from runs_active
      where automation_id = automations.automation_id and is_held and due_at is not null
      order by due_at limit 1)
   ) as theirs
   where pause is null and (select are_some from pauses))
) - statement_timestamp())::double precision
"""


async def load_due(
    session: Session, limit: int, stream: Stream, *, include_held: bool, share: Share
) -> list[tuple[int, UUID]]:
    """Return contact and run of what is due by the database's clock, the oldest first."""
    asked = limit, stream.epoch, include_held, HOLD_NOTICE, stream.topics
    rows = await session.rows(DUE, *asked, share.of, share.own, share.late_by)
    return [(contact_id, run_id) for contact_id, run_id in rows]


async def next_due_in(session: Session) -> float | None:
    """Return in how many seconds the earliest timer is due; held and overdue ones are negative."""
    found: float | None = await session.value(NEXT_DUE_IN)
    return found
