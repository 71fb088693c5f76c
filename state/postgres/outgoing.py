"""What is to be published to Kafka: one row a turn and topic, at least once, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from state.postgres.codec import json_text, parsed
from state.postgres.session import MAY_BE_FORGOTTEN, Session
from state.turn import Emitted, Quarantined

#: The role of an output topic; the configuration knows its name.
Role = Literal["receipts", "dead-letters", "events", "contacts"]

#: How long a worker may take to publish what it took before another does.
LEASE = timedelta(seconds=30)

ADD = """
insert into kafka_outbox (created_at, topic, keys, "values", headers) values ($1, $2, $3, $4, $5)
"""

#: Of one topic, by the index of topics: what another does not take is not walked over.
TAKE = f"""
update kafka_outbox set claimed_until = statement_timestamp() + $3
where {MAY_BE_FORGOTTEN} and topic = $1 and id = any(array(
  select id from kafka_outbox
  where topic = $1 and (claimed_until is null or claimed_until <= statement_timestamp())
  order by topic, id limit $2 for update skip locked))
returning id, topic, keys, "values", headers
"""  # noqa: S608 - of constants

#: Forgotten, it is published once more: that happens at least once.
DONE = f"""
delete from kafka_outbox where {MAY_BE_FORGOTTEN} and topic = $1 and id = any($2::bigint[])
"""  # noqa: S608 - of constants


class OutgoingRecord(NamedTuple):
    """One Kafka record to publish."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class Outgoing(NamedTuple):
    """The records of one turn for one topic, to be published together."""

    id: int
    topic: Role
    records: list[OutgoingRecord]


async def save_outgoing(
    session: Session,
    quarantined: Sequence[Quarantined],
    emitted: Sequence[Emitted],
    now: datetime,
) -> None:
    """Keep what a turn publishes besides its receipts: dead letters as they came.

    Emitted events (rule S6) are keyed by their contact, as an event is whose producer is careful.
    """
    if quarantined:
        values = [one.rejected.raw for one in quarantined]
        headers = json_text([dead_letter_headers(one) for one in quarantined])
        await session.run(ADD, now, "dead-letters", [None] * len(values), values, headers)
    for role in dict.fromkeys(one.role for one in emitted):
        documents = [one.document for one in emitted if one.role == role]
        keys = [str(document["contact_id"]).encode() for document in documents]
        values = [json_text(document).encode() for document in documents]
        await session.run(ADD, now, role, keys, values, None)


def receipt_columns(receipts: Sequence[Mapping[str, object]]) -> tuple[list[bytes], list[bytes]]:
    """Return keys and values of the records that tell receipts: keyed by their event's id."""
    keys = [str(one["event_id"]).encode() for one in receipts]
    return keys, [json_text(one).encode() for one in receipts]


def dead_letter_headers(letter: Quarantined) -> list[tuple[str, str]]:
    """Return a dead letter's headers: its own, then where it lay and why it was set aside (E5)."""
    rejected = letter.rejected
    at = rejected.coordinates
    return [
        *rejected.headers,
        ("waitline-reason", rejected.reason),
        ("waitline-topic", at.topic),
        ("waitline-partition", str(at.partition)),
        ("waitline-offset", str(at.offset)),
        ("waitline-sha256", rejected.sha256.hex()),
    ]


async def take_outgoing(session: Session, role: Role, limit: int) -> list[Outgoing]:
    """Take the oldest rows for a topic that nobody is publishing."""
    rows = await session.rows(TAKE, role, limit, LEASE)
    return [
        Outgoing(row_id, topic, _records(keys, values, parsed(headers)))
        for row_id, topic, keys, values, headers in sorted(rows, key=lambda row: row["id"])
    ]


def _records(
    keys: list[bytes | None], values: list[bytes], headers: list[list[list[str]]] | None
) -> list[OutgoingRecord]:
    texts = headers if headers is not None else [[] for _ in values]
    return [
        OutgoingRecord(key, value, [(name, text.encode()) for name, text in pairs])
        for key, value, pairs in zip(keys, values, texts, strict=True)
    ]


async def outgoing_done(session: Session, role: Role, ids: Sequence[int]) -> None:
    """Forget rows of a topic that were published."""
    if ids:
        await session.run(DONE, role, list(ids))
