"""Idempotency keys of events: one that was sent before is told as it was then accepted.

The key is the event's id, so it counts once whatever is told (rule E4). For a day the answer itself
is kept; after that the event tells, where somebody used it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from handlers.http.rendering import milliseconds
from handlers.http.sendrealm.events import deduplicated
from handlers.http.services import Services
from state.moment import moment_text
from state.postgres.keyed_requests import (
    Answer,
    Claim,
    StillAnswered,
    claim_request,
    give_up,
    keep_answer,
)
from state.postgres.reading_events import events_of_keys

#: A key is told of whatever is sent with it again: the first event counts.
_ANY_BODY = hashlib.sha256(b"").digest()


class Sending(NamedTuple):
    """An event on its way: `known` is what is told of it where it was sent before."""

    claim: Claim | None = None
    known: dict[str, Any] | None = None


@asynccontextmanager
async def sending(given: Services, key: str | None) -> AsyncIterator[Sending]:
    """Take an event's key for as long as it is being sent; two at once send the same event."""
    found = Sending() if key is None else await _taken(given, key)
    try:
        yield found
    except Exception:
        if found.claim is not None:
            async with given.writing() as session:
                await give_up(session, found.claim)
        raise


async def keep(given: Services, sent: Sending, answer: Mapping[str, Any]) -> None:
    """Keep what is told of an event from now on: nothing of whom it is about."""
    if sent.claim is not None:
        said = {name: answer[name] for name in ("event", "occurred_at")}
        async with given.writing() as session:
            await keep_answer(session, sent.claim, Answer(202, {}, json.dumps(said).encode()))


async def _taken(given: Services, key: str) -> Sending:
    scope = hashlib.sha256(json.dumps(("sendrealm", "events", key)).encode()).digest()
    try:
        async with given.writing() as session:
            found = await claim_request(session, scope, _ANY_BODY, given.new_id())
    except StillAnswered:
        return Sending()
    if isinstance(found, Answer):
        said = json.loads(found.body)
        return Sending(known=deduplicated(key, said["event"], said["occurred_at"]))
    async with given.reading() as session:
        stored = await events_of_keys(session, [given.event_key(key)])
    if not stored:
        return Sending(found)
    known = deduplicated(key, stored[0].name, milliseconds(moment_text(stored[0].occurred_at)))
    sent = Sending(found, known)
    await keep(given, sent, known)
    return sent
