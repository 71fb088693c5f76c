"""The last statement of a turn: names counted, receipts to publish, its mark, its offsets (E3)."""

from __future__ import annotations

from collections.abc import Sequence

from state.postgres.codec import columns_of
from state.postgres.marks import MARK, Mark
from state.postgres.outgoing import receipt_columns
from state.postgres.session import Session
from state.turn import Changes, Fenced

#: The update is the fence. `from_offset` is where the owner's last turn ended, not the first
#: record's offset: compaction and aborted transactions leave gaps between the two, a lost turn
#: would leave one here. An update that waited for another owner sees its epoch, as one by itself
#: would. The other rows are nobody else's: the mark is the lane's, the names are the partitions'.
CLOSE = f"""
with marked as ({MARK}),
counted as (
  insert into name_counts as known
    (name, topic, partition, count, first_at, last_at, last_offset)
  select * from unnest($4::text[], $5::text[], $6::integer[], $7::bigint[], $8::timestamptz[],
    $9::timestamptz[], $10::bigint[])
  on conflict (name, topic, partition) do update set
    count = known.count + excluded.count,
    first_at = least(known.first_at, excluded.first_at),
    last_at = greatest(known.last_at, excluded.last_at),
    last_offset = greatest(known.last_offset, excluded.last_offset)
), told as (
  insert into kafka_outbox (created_at, topic, keys, "values")
  select $3, 'receipts', $11::bytea[], $12::bytea[] where cardinality($12::bytea[]) > 0
)
update partitions as held set
  next_offset = moved.to_offset,
  high_offset = greatest(held.high_offset, moved.to_offset - 1),
  low = greatest(held.low, moved.low),
  advanced_at = $3, seen_at = $3
from unnest($13::text[], $14::integer[], $15::bigint[], $16::bigint[], $17::bigint[],
    $18::timestamptz[])
  as moved (topic, partition, epoch, from_offset, to_offset, low)
where held.topic = moved.topic and held.partition = moved.partition and held.stream_epoch = $19
  and held.epoch = moved.epoch
  and (held.next_offset is null or held.next_offset = moved.from_offset)
returning held.topic, held.partition
"""  # noqa: S608 - of constants


async def close_turn(session: Session, changes: Changes, stream_epoch: str, mark: Mark) -> None:
    """Count the names of a turn, leave its receipts and its mark, and move its offsets.

    It is the last thing before the commit, so that the rows which other workers may want are held
    shortest.

    Raises:
        Fenced: some of the partitions belong to somebody else, or stand elsewhere.
    """
    positions = changes.positions
    moved = await session.rows(
        CLOSE,
        *mark,
        *_columns(changes.names, 7),
        *receipt_columns(changes.receipts),
        *_columns(positions, 6),
        stream_epoch,
    )
    lost = {(one.topic, one.partition) for one in positions} - {tuple(one) for one in moved}
    if lost:
        raise Fenced(frozenset(lost))


def _columns(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    return columns_of(rows) if rows else [[] for _ in range(width)]
