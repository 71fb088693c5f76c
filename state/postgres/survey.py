"""What a turn asks first once its contacts are locked: the instant, and what there is to load.

Most people have absorbed nobody, have no wait that timed out lately and no entry to remember, and
most events are new. One statement asks for all of that; only what there is costs one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from state.postgres.codec import columns_of
from state.postgres.marks import NOW
from state.postgres.session import Session

#: `offset 0` keeps the planner from reading whole tables (trap 1); `exists` stops at the first row.
#: -1 stands for a partition of which nothing was ever applied.
SURVEY = f"""
select ({NOW}) as now,
  exists (
    select from unnest($1::bigint[]) as locked (contact_id)
    cross join lateral (
      select from contacts where merged_into = locked.contact_id offset 0
    ) as found
  ) as has_absorbed,
  exists (
    select from unnest($1::bigint[]) as locked (contact_id)
    cross join lateral (
      select from closed_waits where contact_id = locked.contact_id and late is null offset 0
    ) as found
  ) as has_closed_waits,
  exists (
    select from unnest($1::bigint[]) as locked (contact_id)
    cross join lateral (
      select from enrolments where contact_id = locked.contact_id offset 0
    ) as found
  ) as has_enrolments,
  exists (
    select from unnest($2::uuid[]) as asked (event_key)
    cross join lateral (
      select from events where event_key = asked.event_key offset 0
    ) as found
  ) as has_seen,
  array(
    select coalesce(high_offset, -1)
    from unnest($3::text[], $4::integer[]) with ordinality as asked (topic, partition, place)
    left join partitions as held on held.topic = asked.topic
      and held.partition = asked.partition and held.stream_epoch = $5
    order by place
  ) as applied,
  exists (
    select from unnest($6::bytea[]) as claimed (hash)
    cross join lateral (
      select from erased_identifiers where hash = claimed.hash offset 0
    ) as found
  ) as has_erased
"""  # noqa: S608 - of constants


class Survey(NamedTuple):
    """The turn's one instant (rule D3), and of what there is anything to load.

    `applied` is the highest offset of each asked partition that was ever applied (rule E4).
    """

    now: datetime
    has_absorbed: bool
    has_closed_waits: bool
    has_enrolments: bool
    has_seen: bool
    applied: dict[tuple[str, int], int]
    has_erased: bool


async def survey(
    session: Session,
    contact_ids: Sequence[int],
    event_keys: Sequence[UUID],
    partitions: Sequence[tuple[str, int]],
    stream_epoch: str,
    claimed: Sequence[bytes],
) -> Survey:
    """Ask, in a statement after the locks, what a decision about these contacts will need.

    `claimed` are the hashes of the identifiers that this turn has claimed (rule I5).
    """
    topics, numbers = columns_of(partitions) if partitions else ([], [])
    asked = contact_ids, list(event_keys), topics, numbers, stream_epoch, claimed
    (row,) = await session.rows(SURVEY, *asked)
    applied = zip(partitions, row["applied"], strict=True)
    return Survey(**row)._replace(applied={key: offset for key, offset in applied if offset >= 0})
