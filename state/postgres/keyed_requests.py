"""Requests with an idempotency key: who answers one, and what it was answered, for a day."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from state.postgres.codec import json_text
from state.postgres.marks import database_now
from state.postgres.session import Session

#: How long a key is known, from its first use.
KEPT = timedelta(hours=24)

#: How long a request is believed to be under way: longer than any takes. Beyond, whoever answered
#: it died over it, and the next one that comes with the key answers.
HELD = timedelta(minutes=1)

#: Takes a key that is new or forgotten, that nobody answers any more, or whose answer was given up.
#: It is the same occasion only while the same is asked for within its day.
CLAIM = """
insert into keyed_requests as known (scope, body, occasion, begun_at, held_until)
values ($1, $2, $3, $4, $4::timestamptz + $5::interval)
on conflict (scope) do update set
  body = excluded.body, held_until = excluded.held_until,
  status = null, headers = null, answer = null,
  (occasion, begun_at) = (
    select
      case when is_same then known.occasion else excluded.occasion end,
      case when is_same then known.begun_at else excluded.begun_at end
    from (
      values (known.body = excluded.body and known.begun_at > $4::timestamptz - $6::interval)
    ) as found (is_same))
where known.begun_at <= $4::timestamptz - $6::interval
  or (known.status is null and known.held_until <= $4::timestamptz)
returning occasion
"""

FIND = "select body, status, headers, answer from keyed_requests where scope = $1"

ANSWER = """
update keyed_requests set status = $3, headers = $4, answer = $5, held_until = null
where scope = $1 and occasion = $2 and status is null
"""

GIVE_UP = """
update keyed_requests set held_until = begun_at
where scope = $1 and occasion = $2 and status is null
"""

FORGET = """
delete from keyed_requests where ctid = any(array(
  select ctid from keyed_requests where begun_at <= $1 order by begun_at limit $2))
"""


class Claim(NamedTuple):
    """That a request is this one's to answer; what it causes is named by `occasion`."""

    scope: bytes
    occasion: UUID


class Answer(NamedTuple):
    """What a request was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AskedOtherwise(Exception):
    """The key was used within a day with another body."""


class StillAnswered(Exception):
    """The first request with the key is under way."""


async def claim_request(session: Session, scope: bytes, body: bytes, fresh: UUID) -> Claim | Answer:
    """Take a request to answer it, or return what it was answered before.

    `scope` and `body` are SHA-256 of what the key counts for and of what is asked, `fresh` names
    the occasion if it is a new one. Commit before you answer.

    Raises:
        AskedOtherwise: something else was asked with the key. StillAnswered: another answers it.
    """
    now = await database_now(session)
    occasion = await session.value(CLAIM, scope, body, fresh, now, HELD, KEPT)
    if occasion is not None:
        return Claim(scope, occasion)
    for known, status, headers, answer in await session.rows(FIND, scope):
        if known != body:
            raise AskedOtherwise
        if status is not None:
            return Answer(status, json.loads(headers), answer)
    raise StillAnswered


async def keep_answer(session: Session, claim: Claim, answer: Answer) -> None:
    """Keep what a request was answered; what another kept of the same occasion stands."""
    headers = json_text(answer.headers)
    await session.run(ANSWER, *claim, answer.status, headers, answer.body)


async def give_up(session: Session, claim: Claim) -> None:
    """Let the next one that comes with the key answer the request: nothing was done."""
    await session.run(GIVE_UP, *claim)


async def forget_requests(session: Session, now: datetime, limit: int) -> int:
    """Delete requests whose day is over; return how many, `limit` at most."""
    return await session.run(FORGET, now - KEPT, limit)
