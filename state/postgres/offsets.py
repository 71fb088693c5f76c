"""Offsets with their fence, and how far each input partition is (rules E3, W4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from state.postgres.codec import columns_of
from state.postgres.session import MAY_BE_FORGOTTEN, Session
from state.turn import PartitionState

#: An owner that refreshed nothing for so long counts as gone: it refreshes every 5 s.
SILENT_AFTER = timedelta(seconds=20)

REGISTER = """
insert into partitions (topic, partition, stream_epoch)
select topic, partition, $3 from unnest($1::text[], $2::integer[]) as input (topic, partition)
order by topic, partition
on conflict do nothing
"""

#: The epoch is minted here, not taken from Kafka, whose generations can begin again.
TAKE = """
insert into partitions as held (topic, partition, stream_epoch, owner, epoch, seen_at)
select topic, partition, $3, $4, 1, statement_timestamp()
from unnest($1::text[], $2::integer[]) as taken (topic, partition)
order by topic, partition
on conflict (topic, partition, stream_epoch) do update set
  owner = excluded.owner, epoch = held.epoch + 1, seen_at = excluded.seen_at, resumed_since = null
returning topic, partition, next_offset, epoch
"""

RELEASE = """
update partitions as held set owner = null, resumed_since = null
from unnest($1::text[], $2::integer[], $3::bigint[]) as given (topic, partition, epoch)
where held.topic = given.topic and held.partition = given.partition and held.stream_epoch = $4
  and held.epoch = given.epoch
"""

#: `greatest` passes over null. Progress is an offset or a `low` that moved on. Forgotten, an older
#: `low` holds timers a little longer, and an older offset is met by the fence and taken anew.
TOUCH = f"""
update partitions as held set
  next_offset = greatest(held.next_offset, now.next_offset),
  low = greatest(held.low, now.low),
  seen_at = statement_timestamp(),
  resumed_since =
    case when now.is_resumed then coalesce(held.resumed_since, statement_timestamp()) end,
  advanced_at = case
    when now.next_offset > coalesce(held.next_offset, -1) then statement_timestamp()
    when now.low > coalesce(held.low, '-infinity') then statement_timestamp()
    else held.advanced_at end
from unnest($1::text[], $2::integer[], $3::bigint[], $4::timestamptz[], $5::boolean[], $6::bigint[])
  as now (topic, partition, epoch, low, is_resumed, next_offset)
where {MAY_BE_FORGOTTEN} and held.topic = now.topic and held.partition = now.partition
  and held.stream_epoch = $7 and held.epoch = now.epoch
returning held.topic, held.partition
"""  # noqa: S608 - of constants

WATERMARK = """
select topic, partition, low,
  case when owner is not null and seen_at > statement_timestamp() - $2::interval
    then resumed_since end as resumed_since,
  advanced_at
from partitions where stream_epoch = $1 and ($3::text[] is null or topic = any($3))
order by topic, partition
"""


class Stream(NamedTuple):
    """What is consumed: a life of the topics, and their names; None: all that were ever input."""

    epoch: str
    topics: list[str] | None = None


class Held(NamedTuple):
    """A partition as its new owner finds it; `next_offset` is None if it was never consumed."""

    next_offset: int | None
    epoch: int


class Touch(NamedTuple):
    """What an owner says of a partition between turns.

    `next_offset` may only be given while no turn of the partition is under way: it moves the
    offset over what holds no records (control records, compacted ones), and sets the first one.
    """

    topic: str
    partition: int
    epoch: int
    low: datetime | None
    is_resumed: bool
    next_offset: int | None = None


async def register(session: Session, partitions: Sequence[tuple[str, int]], epoch: str) -> None:
    """Make every input partition known: one that was never consumed holds timers (rule W4)."""
    if partitions:
        await session.run(REGISTER, *columns_of(partitions), epoch)


async def take(
    session: Session, partitions: Sequence[tuple[str, int]], stream_epoch: str, owner: str
) -> dict[tuple[str, int], Held]:
    """Own partitions from now on; whoever owned them before can write for them no more (E3)."""
    if not partitions:
        return {}
    rows = await session.rows(TAKE, *columns_of(partitions), stream_epoch, owner)
    return {
        (topic, partition): Held(next_offset, epoch)
        for topic, partition, next_offset, epoch in rows
    }


async def release(
    session: Session, held: Mapping[tuple[str, int], Held], stream_epoch: str
) -> None:
    """Give partitions back; those that another has taken meanwhile are left alone."""
    if held:
        rows = [(*key, one.epoch) for key, one in held.items()]
        await session.run(RELEASE, *columns_of(rows), stream_epoch)


async def touch(session: Session, rows: Sequence[Touch], stream_epoch: str) -> set[tuple[str, int]]:
    """Refresh what is known of partitions between turns; return those that are fenced."""
    if not rows:
        return set()
    mine = await session.rows(TOUCH, *columns_of(rows), stream_epoch)
    return {(one.topic, one.partition) for one in rows} - {tuple(one) for one in mine}


async def load_watermark(session: Session, stream: Stream) -> list[PartitionState]:
    """Return how far every input partition is; a topic that is no input any more holds nothing."""
    rows = await session.rows(WATERMARK, stream.epoch, SILENT_AFTER, stream.topics)
    return [PartitionState(*row) for row in rows]
