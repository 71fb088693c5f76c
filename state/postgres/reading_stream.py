"""The stream, read for people: how far each input partition is, and who holds it."""

from __future__ import annotations

from datetime import datetime

from state.event import Coordinates
from state.postgres.offsets import SILENT_AFTER
from state.postgres.session import Session
from state.reading import PartitionRow

#: An owner that is silent is none: the same judgement by which timers are held (rule W4).
PARTITIONS = """
select topic, partition, next_offset, low,
  case when seen_at > statement_timestamp() - $2::interval then resumed_since end as resumed_since,
  advanced_at, seen_at,
  case when seen_at > statement_timestamp() - $2::interval then owner end as owner
from partitions where stream_epoch = $1
order by topic, partition
"""

#: What a pause keeps is not held for lag (rule T3).
HELD = """
select count(*) from runs_active
where is_held and due_at is not null
  and automation_id not in (select automation_id from automations where pause is not null)
"""

OLDEST_DUE = """
select min(theirs.due_at) from automations
cross join lateral (
  (select due_at from runs_active
   where automation_id = automations.automation_id and is_held and due_at is not null
   order by due_at limit 1)
  union all
  (select due_at from runs_active
   where automation_id = automations.automation_id and not is_held
     and due_at <= statement_timestamp() and holds_for_lag
   order by due_at limit 1)
) as theirs
where pause is null
"""

PAUSED_DUE = """
select count(*) from automations join runs_active using (automation_id)
where pause is not null and due_at <= statement_timestamp()
"""

APPLIED = """
select next_offset > $3 from partitions
where topic = $1 and partition = $2 and stream_epoch = $4
"""


async def partition_rows(session: Session, stream_epoch: str) -> list[PartitionRow]:
    """Return how far each input partition is."""
    return [
        PartitionRow(*row) for row in await session.rows(PARTITIONS, stream_epoch, SILENT_AFTER)
    ]


async def held_timers(session: Session) -> int:
    """Return how many timers wait for the consumer to catch up (rule W4)."""
    count: int = await session.value(HELD)
    return count


async def paused_timers(session: Session) -> int:
    """Return how much of paused automations is due, or was before a freeze moved it (rule T3)."""
    count: int = await session.value(PAUSED_DUE)
    return count


async def oldest_due(session: Session) -> datetime | None:
    """Return since when the oldest timer is due that lag may hold; None: none is due (rule W4)."""
    found: datetime | None = await session.value(OLDEST_DUE)
    return found


async def is_applied(session: Session, place: Coordinates, epoch: str) -> bool:
    """Tell whether the record at a place was processed, and what came of it is committed."""
    return bool(await session.value(APPLIED, *place, epoch))
