"""Records that could not be understood: kept with the bytes, the reason and the place (rule E5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from state.event import trusted
from state.postgres.codec import columns_of, optional_json
from state.postgres.session import Session
from state.turn import Quarantined

ADD = """
insert into quarantine (topic, partition, "offset", stream_epoch, recorded_at, quarantined_at,
  reason, detail, fingerprint, event_id, winner, raw, sha256, headers)
select topic, partition, "offset", $13, recorded_at, $14,
  reason, detail, fingerprint, event_id, winner, raw, sha256, headers
from unnest($1::text[], $2::integer[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[],
    $7::text[], $8::text[], $9::text[], $10::bytea[], $11::bytea[], $12::json[])
  as new (topic, partition, "offset", recorded_at, reason, detail,
    fingerprint, event_id, winner, raw, sha256, headers)
on conflict do nothing
returning topic, partition, "offset"
"""


async def save_quarantined(
    session: Session, letters: Sequence[Quarantined], stream_epoch: str, now: datetime
) -> list[Quarantined]:
    """Set records aside and return the new ones; the same record again changes nothing."""
    if not letters:
        return []
    rows = await session.rows(
        ADD, *columns_of(_row(one, now) for one in letters), stream_epoch, now
    )
    added = {tuple(row) for row in rows}
    return [one for one in letters if tuple(one.rejected.coordinates) in added]


def _row(letter: Quarantined, now: datetime) -> tuple[object, ...]:
    rejected = letter.rejected
    return (
        *rejected.coordinates, trusted(rejected.recorded_at, now), rejected.reason, rejected.detail,
        rejected.fingerprint, rejected.event_id, letter.winner, rejected.raw, rejected.sha256,
        optional_json(rejected.headers),
    )  # fmt: skip
