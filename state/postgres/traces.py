"""What is kept of events besides themselves: duplicates, and notes on identity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from state.postgres.codec import columns_of
from state.postgres.session import Session
from state.turn import Duplicate, IdentityNote

ADD_DUPLICATES = """
insert into duplicates (event_key, topic, partition, "offset", stream_epoch, event_id, recorded_at,
  dropped_at, winner_topic, winner_partition, winner_offset)
select event_key, topic, partition, "offset", $10, event_id, recorded_at,
  $11, winner_topic, winner_partition, winner_offset
from unnest($1::uuid[], $2::text[], $3::integer[], $4::bigint[], $5::text[], $6::timestamptz[],
    $7::text[], $8::integer[], $9::bigint[])
  as dropped (event_key, topic, partition, "offset", event_id, recorded_at,
    winner_topic, winner_partition, winner_offset)
on conflict do nothing
"""

ADD_NOTES = """
insert into identity_notes (contact_id, event_id, topic, partition, "offset", verdict, reason,
  stream_epoch, noted_at)
select note.*, $8, $9
from unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::bigint[], $6::text[],
  $7::text[]) as note
on conflict do nothing
"""


async def save_duplicates(
    session: Session, duplicates: Sequence[Duplicate], stream_epoch: str, now: datetime
) -> None:
    """Record the events that were dropped because their key and body are known (rule E4)."""
    if not duplicates:
        return
    rows = [
        (one.key, *one.coordinates, one.event_id, one.recorded_at, *one.winner)
        for one in duplicates
    ]
    await session.run(ADD_DUPLICATES, *columns_of(rows), stream_epoch, now)


async def save_notes(
    session: Session, notes: Sequence[IdentityNote], stream_epoch: str, now: datetime
) -> None:
    """Record what events did to who is who; the same event again adds nothing (rule I2)."""
    if not notes:
        return
    rows = [
        (one.contact_id, one.event_id, *one.coordinates, one.verdict, one.reason) for one in notes
    ]
    await session.run(ADD_NOTES, *columns_of(rows), stream_epoch, now)
