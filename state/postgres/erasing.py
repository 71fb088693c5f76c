"""Deletion: what a turn erases of a person, and what is left for afterwards (rule I5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from state.erasure import Erasure
from state.event import Identifier
from state.postgres.codec import json_text, parsed
from state.postgres.hashing import keyed_hash
from state.postgres.runs import rewrite_done
from state.postgres.session import Session
from state.redaction import redacted

REMEMBER = """
insert into erased_identifiers as known (hash, before)
select hash, max(before) from unnest($1::bytea[], $2::timestamptz[]) as new (hash, before)
group by hash order by hash
on conflict (hash) do update set before = greatest(known.before, excluded.before)
"""

#: An update by way of ON CONFLICT, as in contacts.py.
MARK_CONTACTS = """
insert into contacts (contact_id, created_at, deleted_at)
select contact_id, $3, before
from unnest($1::bigint[], $2::timestamptz[]) as gone (contact_id, before)
on conflict (contact_id) do update set deleted_at = excluded.deleted_at, profile = null
"""

#: The key stays: it is the memory of deduplication. The body's hash would tell who said what.
ERASE_EVENTS = """
update events set payload = '{}', identifiers = '[]', headers = null, findings = null,
  body_hash = event_key, resolved_value = 'erased', resolved_path = 'erased'
where contact_id = any($1::bigint[])
"""

FORGET_WAITS = "delete from closed_waits where contact_id = any($1::bigint[])"

FORGET_ENTRIES = "delete from enrolments where contact_id = any($1::bigint[])"

ERASE_MESSAGES = """
update messages set recipient = 'erased', title = null,
  error = case when error is not null
    then json_build_object('code', error ->> 'code', 'message', 'erased') end
where contact_id = any($1::bigint[])
"""

#: A worker may be sending one of these right now: it answers for it, and nobody tries it again,
#: because its run has ended.
ERASE_OUTBOX = """
update outbox set recipient = 'erased', title = null, message = '{}',
  last_error = json_build_object('is_unsure', coalesce(last_error ->> 'is_unsure', 'false'))
where contact_id = any($1::bigint[])
"""

#: By either side: one that was undone still says who the merged contact was.
ERASE_MERGES = """
update merges set undo = null
where (survivor = any($1::bigint[]) or merged = any($1::bigint[])) and undo is not null
"""

FORGETTING = (
    ERASE_EVENTS, FORGET_WAITS, FORGET_ENTRIES, ERASE_MESSAGES, ERASE_OUTBOX, ERASE_MERGES,
)  # fmt: skip

ASK = """
insert into erasures (asked_at, before, contact_ids, identifiers) values ($1, $2, $3, $4)
"""

#: A worker that is sending to the person has not answered yet; afterwards there may be a file more.
#: That may last, and holds up nobody else's.
NEXT = """
select erasure_id, contact_ids, identifiers from erasures
where done_at is null
  and not exists (select from outbox where contact_id = any(erasures.contact_ids))
order by erasure_id limit 1 for update skip locked
"""

MESSAGE_IDS = "select message_id from messages where contact_id = any($1::bigint[])"

DONE = """
update erasures set done_at = statement_timestamp(), identifiers = null where erasure_id = $1
"""


class Leftover(NamedTuple):
    """A deletion whose last traces are still to be looked for."""

    erasure_id: int
    contact_ids: list[int]
    identifiers: list[Identifier]


async def save_erasures(
    session: Session, erasures: Sequence[Erasure], secret: bytes, now: datetime
) -> None:
    """Erase what the tables hold of deleted people, what this very turn wrote of them too."""
    if not erasures:
        return
    hashes = [
        (keyed_hash(secret, *name), one.before) for one in erasures for name in one.identifiers
    ]
    await session.run(REMEMBER, [one for one, _ in hashes], [before for _, before in hashes])
    gone = {number: one.before for one in erasures for number in one.numbers}
    if gone:
        await session.run(MARK_CONTACTS, list(gone), list(gone.values()), now)
        for statement in FORGETTING:
            await session.run(statement, list(gone))
        await rewrite_done(session, list(gone), redacted)
    for one in erasures:
        names = json_text(one.identifiers)
        await session.run(ASK, now, one.before, list(one.numbers), names)


async def next_leftover(session: Session) -> Leftover | None:
    """Take the oldest deletion that leaves traces, until the transaction ends; None without one."""
    for erasure_id, contact_ids, identifiers in await session.rows(NEXT):
        names = [Identifier(*one) for one in parsed(identifiers)]
        return Leftover(erasure_id, contact_ids, names)
    return None


async def erase_answers(session: Session, contact_ids: Sequence[int]) -> None:
    """Erase what providers have answered since the deletion: they quote the address."""
    await session.run(ERASE_MESSAGES, list(contact_ids))


async def message_ids(session: Session, contact_ids: Sequence[int]) -> list[UUID]:
    """Return the messages that were ever sent to these contacts."""
    return [one for (one,) in await session.rows(MESSAGE_IDS, list(contact_ids))]


async def finish(session: Session, leftover: Leftover) -> None:
    """Note that nothing is left of a deletion; its names leave."""
    await session.run(DONE, leftover.erasure_id)
