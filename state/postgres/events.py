"""Events as they were kept: the memory of deduplication, of look-back and of `explain` (E4, W2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from state.event import Coordinates
from state.postgres.codec import columns_of, json_text, optional_json, parsed
from state.postgres.session import Session
from state.turn import EventRecord, Need, Seen, StoredEvent

#: The newest first, so that the reader's last word is the oldest: the one that counted.
SEEN = """
select event_key, body_hash, topic, partition, "offset", event_id from events
where event_key = any($1::uuid[])
order by processed_at desc
"""

#: `offset 0` keeps the planner from joining the other way round, by reading the table (trap 1).
LOOK_BACK = """
select found.*
from unnest($1::bigint[], $2::text[], $3::timestamptz[]) as need (contact_id, name, floor)
cross join lateral (
  select event_key, contact_id, name, v, event_id, occurred_at, recorded_at,
    topic, partition, "offset", payload
  from events
  where contact_id = need.contact_id and name = need.name and v >= need.floor
  offset 0
) as found
order by found.v, found.event_key
"""

EVENT_COLUMNS = (
    "event_key", "body_hash", "contact_id", "v", "occurred_at", "recorded_at", "processed_at",
    "offset", "partition", "is_skewed", "topic", "name", "source", "event_id",
    "resolved_kind", "resolved_value", "resolved_path",
    "identifiers", "payload", "findings", "headers",
)  # fmt: skip


async def load_seen(session: Session, keys: Sequence[UUID]) -> dict[UUID, Seen]:
    """Return the stored events of these keys (rule E4)."""
    if not keys:
        return {}
    rows = await session.rows(SEEN, list(keys))
    return {
        key: Seen(body_hash, Coordinates(topic, partition, offset), event_id)
        for key, body_hash, topic, partition, offset, event_id in rows
    }


async def look_back(session: Session, needs: Sequence[Need]) -> list[StoredEvent]:
    """Return the stored events that meet any of these needs, by V and key (rule W2)."""
    if not needs:
        return []
    rows = await session.rows(LOOK_BACK, *columns_of(needs))
    return [
        StoredEvent(
            key=row["event_key"],
            contact_id=row["contact_id"],
            name=row["name"],
            v=row["v"],
            id=row["event_id"],
            occurred_at=row["occurred_at"],
            recorded_at=row["recorded_at"],
            coordinates=Coordinates(row["topic"], row["partition"], row["offset"]),
            payload=parsed(row["payload"]),
        )
        for row in rows
    ]


async def save_events(session: Session, events: Sequence[EventRecord], now: datetime) -> None:
    """Append the events of a turn; `now` is when they were processed (rule E1)."""
    if events:
        await session.copy("events", EVENT_COLUMNS, [_event_row(one, now) for one in events])


def _event_row(record: EventRecord, now: datetime) -> tuple[object, ...]:
    event, resolved = record.event, record.resolved
    return (
        event.key, event.body_hash, record.contact_id, record.v, event.occurred_at,
        event.recorded_by(now), now,
        event.coordinates.offset, event.coordinates.partition, record.is_skewed,
        event.coordinates.topic, event.name, event.source, event.id,
        resolved.kind, resolved.value, resolved.path,
        json_text(event.identifiers), event.payload_text,
        optional_json(record.findings),
        optional_json(event.headers),
    )  # fmt: skip
