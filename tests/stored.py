"""Things to store, made by hand, and short ways to store them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from state.effect import Effect, effect_id_of
from state.event import Coordinates, Event, Identifier, Rejected
from state.evidence import Finding
from state.postgres.store import SETTINGS, PostgresStore
from state.run import Resolved, Run, Trigger, Waiting, run_id_of
from state.turn import Changes, Claim, EventRecord, LockRequest, Snapshot

AT = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)
AUTOMATION = UUID(int=0xA)
TOPIC = "waitline.events"


def email(number: int) -> Identifier:
    return Identifier("email", f"person{number}@example.com")


def uuid(*parts: object) -> UUID:
    return uuid5(UUID(int=0), ":".join(map(str, parts)))


def event(
    number: int, *, name: str = "order.completed", at: datetime = AT, **changes: Any
) -> Event:
    fields: dict[str, Any] = {
        "key": uuid("event", number),
        "source": TOPIC,
        "id": f"evt_{number}",
        "name": name,
        "occurred_at": at,
        "recorded_at": at + timedelta(seconds=1),
        "coordinates": Coordinates(TOPIC, 0, number),
        "identifiers": (email(number),),
        "payload": {"order_id": f"o-{number}", "total": 30.5},
        "payload_text": f'{{"order_id": "o-{number}", "total": 30.5}}',
        "body_hash": uuid("body", number),
        "claims_time": True,
        "is_contact_event": False,
    }
    return Event(**fields | changes)


def record(of: Event, contact_id: int, v: datetime | None = None) -> EventRecord:
    resolved = Resolved("email", of.identifiers[0].value, f"first seen in {of.id}")
    finding = Finding("automation", "started", automation_id=AUTOMATION)
    return EventRecord(of, contact_id, v or of.occurred_at, False, resolved, (finding,))


def run(number: int, contact_id: int, **changes: Any) -> Run:
    """Return a run that waits for an event, or whatever `changes` make of it."""
    cause = event(number)
    fields: dict[str, Any] = {
        "run_id": run_id_of(AUTOMATION, cause.key),
        "contact_id": contact_id,
        "automation_id": AUTOMATION,
        "version": 3,
        "trigger": Trigger(
            cause.key, cause.id, cause.name, cause.occurred_at, cause.recorded_at,
            cause.coordinates, cause.payload, cause.occurred_at,
        ),
        "resolved": Resolved("email", email(number).value, "linked by evt_0"),
        "created_at": AT,
        "started_at": AT,
        "updated_at": AT,
        "parked": waiting(),
    }  # fmt: skip
    return Run(**fields | changes)


def waiting(**changes: Any) -> Waiting:
    fields: dict[str, Any] = {
        "step_key": "opened",
        "entered_at": AT,
        "floor": AT - timedelta(seconds=5),
        "deadline": AT + timedelta(minutes=30),
        "due_at": AT + timedelta(minutes=30, seconds=30),
    }
    return Waiting(**fields | changes)


def effect(number: int, contact_id: int, at: datetime) -> Effect:
    key = f"{AUTOMATION}:{uuid('event', number)}:0:receipt"
    return Effect(
        effect_id=effect_id_of(key),
        key=key,
        run_id=run_id_of(AUTOMATION, uuid("event", number)),
        contact_id=contact_id,
        step_key="receipt",
        channel="email",
        message={"to": email(number).value, "subject": "Thanks", "text": "Your receipt."},
        created_at=at,
    )


def rejected(number: int) -> Rejected:
    raw = b"\x00\xff not JSON"
    return Rejected(
        reason="not_json",
        detail="expected an object",
        coordinates=Coordinates(TOPIC, 0, number),
        recorded_at=AT,
        raw=raw,
        sha256=hashlib.sha256(raw).digest(),
        headers=(("traceparent", "00-é"),),
    )


async def new_contact(store: PostgresStore, *identifiers: Identifier, lane: str = "setup") -> int:
    """Make a contact that holds these identifiers."""
    (contact_id,) = await store.contact_ids(1)
    async with store.transaction(lane) as transaction:
        await transaction.claim([Claim(each, contact_id, AT, "evt_0") for each in identifiers])
        snapshot = await transaction.lock(LockRequest())
        await transaction.save(Changes(now=snapshot.now))
    return contact_id


async def save(
    store: PostgresStore, contact_ids: list[int], lane: str = "setup", **changes: Any
) -> Snapshot:
    """Lock contacts and write changes in one turn; return what the lock showed."""
    async with store.transaction(lane) as transaction:
        snapshot = await transaction.lock(LockRequest(contact_ids=contact_ids))
        await transaction.save(Changes(now=snapshot.now, **changes))
    return snapshot


async def look(store: PostgresStore, request: LockRequest, lane: str = "look") -> Snapshot:
    """Return what a turn would see, and write nothing."""
    async with store.transaction(lane) as transaction:
        return await transaction.lock(request)


@asynccontextmanager
async def connected(dsn: str, **settings: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect past the store, with its settings."""
    connection = await asyncpg.connect(dsn, server_settings=SETTINGS | settings)
    try:
        yield connection
    finally:
        await connection.close()


async def rows(dsn: str, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    async with connected(dsn) as connection:
        return [tuple(row) for row in await connection.fetch(sql, *arguments)]


WAITING = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""


async def until_blocked(database: str, count: int = 1) -> None:
    """Wait until that many sessions wait for a lock."""
    async with asyncio.timeout(10), connected(database) as connection:
        while await connection.fetchval(WAITING) < count:  # noqa: ASYNC110 - only Postgres knows
            await asyncio.sleep(0.005)
