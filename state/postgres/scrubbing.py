"""What nobody understood, and what operators wrote, may name a person who was deleted (I5).

So may what is to be published, where Kafka or a topic of it has not taken it yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from state.erasure import mentions
from state.event import Identifier
from state.postgres.codec import columns_of, json_text, parsed
from state.postgres.session import Session

#: Rows looked through at once: a record in quarantine may have 64 KiB.
PAGE = 200

LETTERS = """
select topic, partition, "offset", stream_epoch, raw, event_id, headers from quarantine
where (topic, partition, "offset", stream_epoch) > ($1, $2, $3, $4)
order by topic, partition, "offset", stream_epoch limit $5
"""

#: The reason, the place and the hash of the bytes stay.
ERASE_LETTERS = """
insert into quarantine (topic, partition, "offset", stream_epoch, recorded_at, quarantined_at,
  reason, detail, fingerprint, raw, sha256)
select topic, partition, "offset", stream_epoch, recorded_at, quarantined_at,
  reason, detail, fingerprint, raw, sha256
from unnest($1::text[], $2::integer[], $3::bigint[], $4::text[])
  as found (topic, partition, "offset", stream_epoch)
cross join lateral (
  select recorded_at, quarantined_at, reason, detail, fingerprint, raw, sha256 from quarantine
  where topic = found.topic and partition = found.partition and "offset" = found."offset"
    and stream_epoch = found.stream_epoch
  offset 0
) as held
on conflict (topic, partition, "offset", stream_epoch) do update set
  raw = '', headers = null, event_id = null, detail = 'erased'
"""

ACTIONS = """
select id, concat_ws(' ', target, before::text, after::text) as said from audit
where id > $1 order by id limit $2
"""

ERASE_ACTIONS = """
update audit set target = 'erased', before = null, after = null where id = any($1::bigint[])
"""

UNTOLD = """
select id, keys, "values", headers from kafka_outbox where id > $1 order by id limit $2
"""

KEEP_UNTOLD = """
update kafka_outbox set keys = $2, "values" = $3, headers = $4 where id = $1
"""


async def scrub_outgoing(session: Session, names: Sequence[Identifier]) -> int:
    """Take records out of what is to be published that name these; return how many there were."""
    gone, after = 0, 0
    while rows := await session.rows(UNTOLD, after, PAGE):
        after = rows[-1]["id"]
        for number, keys, values, text in rows:
            headers = parsed(text)
            kept = [
                at
                for at, (key, value) in enumerate(zip(keys, values, strict=True))
                if not mentions(b" ".join((key or b"", value, _said(headers, at))), names)
            ]
            if len(kept) < len(values):
                gone += len(values) - len(kept)
                left = [[each[at] for at in kept] for each in (keys, values)]
                heads = None if headers is None else json_text([headers[at] for at in kept])
                await session.run(KEEP_UNTOLD, number, *left, heads)
    return gone


def _said(headers: Sequence[object] | None, at: int) -> bytes:
    return b"" if headers is None else json_text(headers[at]).encode()


async def scrub_quarantine(session: Session, names: Sequence[Identifier]) -> int:
    """Erase the bytes of records in quarantine that name these; return how many there were."""
    found: list[tuple[object, ...]] = []
    after: tuple[object, ...] = ("", -1, -1, "")
    while rows := await session.rows(LETTERS, *after, PAGE):
        for *place, raw, event_id, headers in rows:
            said = b" ".join((raw, (event_id or "").encode(), (headers or "").encode()))
            if mentions(said, names):
                found.append(tuple(place))
        after = tuple(rows[-1][:4])
    if found:
        await session.run(ERASE_LETTERS, *columns_of(found))
    return len(found)


async def scrub_audit(session: Session, names: Sequence[Identifier]) -> int:
    """Erase what operators' actions were about, where they name these; who and when stay (O4)."""
    found: list[int] = []
    after = 0
    while rows := await session.rows(ACTIONS, after, PAGE):
        found += [number for number, said in rows if mentions(said.encode(), names)]
        after = rows[-1]["id"]
    if found:
        await session.run(ERASE_ACTIONS, found)
    return len(found)
