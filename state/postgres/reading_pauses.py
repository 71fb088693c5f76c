"""What a pause keeps, and what its release would set in motion: counted, never loaded (rule T3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from state.pausing import Freeze
from state.postgres.pauses import Paused
from state.postgres.session import Session

#: How many runs are named of each kind.
EXAMPLES = 5

PARKED = """
select activity, count(*) from runs_active where automation_id = $1 group by activity
"""

#: What a worker has claimed may be going out; what is not due is tried again later.
UNSENT = """
select count(*) filter (where claimed_by is null) as unsent,
  count(*) filter (where claimed_by is null and due_at <= $2) as due,
  count(claimed_by) as under_way
from outbox where split_part(key, ':', 1) = $1::text and withdrawn_at is null
"""

#: Everything that is due as it is stored, moved by the freezes since: `frozen` is the shift that is
#: in the stored instants. All spans are microseconds, because intervals count days. Freezes apply
#: one after the other, as state/pausing.py has it; where there were none, no document is read.
GOING_ON = """
with moved as materialized (
  select run_id, version, step_key, due_at,
    case activity when 'held' then 'starts' when 'sending' then 'answers'
      when 'delayed' then 'delays'
      else case when holds_for_lag then 'timeouts' else 'matches' end end as kind,
    case activity when 'sending' then state #>> '{parked,kept,settlement}'
      when 'waiting' then
        case when not holds_for_lag then state #>> '{parked,met,-1,place}' end end as how,
    case when cardinality($3::bigint[]) > 0
      and (activity = 'delayed' or activity = 'waiting' and holds_for_lag)
    then (
      with recursive read as (
        select coalesce((state #>> '{parked,frozen}')::bigint, 0) as frozen,
          (extract(epoch from (state #>> '{parked,entered_at}')::timestamptz) * 1000000)::bigint
            as entered,
          (extract(epoch from coalesce(deadline, due_at)) * 1000000)::bigint as until
      ),
      step (n, total) as (
        select 1, 0::bigint
        union all
        select n + 1, total + case
          when ($3::bigint[])[n] < until - frozen + total and ($4::bigint[])[n] > entered
            then ($4::bigint[])[n] - greatest(($3::bigint[])[n], entered)
          else 0 end
        from step cross join read where n <= cardinality($3::bigint[])
      )
      select max(total) - min(frozen) from step cross join read
    ) else 0 end as more
  from runs_active
  where automation_id = $1 and due_at is not null and due_at <= $2
),
going as materialized (
  select * from moved
  where more = 0 or due_at + make_interval(secs => more / 1000000.0) <= $2
)
select kind, version, step_key, how, number, run_ids
from (
  select kind, version, step_key, how, count(*) as number from going
  group by kind, version, step_key, how
) as counted
join (
  select kind, array(
    select run_id from going where going.kind = kinds.kind order by due_at, run_id limit $5
  ) as run_ids
  from (select distinct kind from going) as kinds
) as examples using (kind)
order by kind, version, step_key, how
"""


class Standing(NamedTuple):
    """What a pause keeps of an automation: runs by what they are parked for, messages not sent.

    `due` are those of the unsent that a release would send at once; what is `under_way`, a worker
    had taken before, and no pause calls it back.
    """

    runs: dict[str, int]
    unsent: int
    due: int
    under_way: int


class GoingOn(NamedTuple):
    """Runs of one kind that would go on from one step of one version.

    `kind` is `starts`, `matches`, `answers`, `timeouts` or `delays`; `how` the place of the arm
    that closes a wait, or the settlement of an answer. `examples` are the first that are due of
    all of their kind.
    """

    kind: str
    version: int
    step_key: str
    how: str | None
    number: int
    examples: list[UUID]


async def standing(session: Session, automation_id: UUID, now: datetime) -> Standing:
    """Return what stands still, or would, while an automation is paused."""
    rows = await session.rows(PARKED, automation_id)
    runs = {row["activity"]: row["count"] for row in rows}
    (unsent,) = await session.rows(UNSENT, str(automation_id), now)
    return Standing(runs, *unsent)


async def going_on(session: Session, paused: Paused, now: datetime) -> list[GoingOn]:
    """Return what would go on at once if an automation were released now.

    Lag may hold timers even then (rule W4).
    """
    freezes = paused.pausing.frozen(now)
    rows = await session.rows(GOING_ON, paused.automation_id, now, *_columns(freezes), EXAMPLES)
    return [GoingOn(*row) for row in rows]


def _columns(freezes: Sequence[Freeze]) -> tuple[list[int], list[int]]:
    return [_microseconds(one.since) for one in freezes], [
        _microseconds(one.until) for one in freezes
    ]


def _microseconds(at: datetime) -> int:
    return (at - datetime.fromtimestamp(0, at.tzinfo)) // timedelta(microseconds=1)
