"""Events that users have defined, each with the schema of its payload (rule O4).

No turn reads them: they bind those who send events, not what Kafka brings. Call what changes them
in `store.session()`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from state.postgres import audit
from state.postgres.audit import Action
from state.postgres.codec import json_text, parsed
from state.postgres.keyset import Listing, Page, read_page
from state.postgres.marks import database_now
from state.postgres.refusals import NameTaken, NotFound, id_in
from state.postgres.session import Record, Session

Schema = Mapping[str, str]

CREATE = """
insert into event_definitions (name, schema, created_at) values ($1, $2, $3)
on conflict (name) do nothing
returning event_id, name, schema, created_at, updated_at
"""

BY_ID = """
select event_id, name, schema, created_at, updated_at from event_definitions where event_id = $1
"""

HOLD = """
select event_id, name, schema, created_at, updated_at from event_definitions
where event_id = $1 for update
"""

BY_NAME = """
select event_id, name, schema, created_at, updated_at from event_definitions where name = $1
"""

SCHEMAS = """
select name, schema from event_definitions where name = any($1::text[]) and schema is not null
"""

UPDATE = """
update event_definitions set schema = $2, updated_at = $3 where event_id = $1
returning event_id, name, schema, created_at, updated_at
"""

DELETE = "delete from event_definitions where event_id = $1"

CURSOR = "select created_at from event_definitions where event_id = $1"

OLDER = """
select event_id, name, schema, created_at, updated_at from event_definitions
where (created_at, event_id) < ($2, $3)
order by created_at desc, event_id desc limit $1
"""

NEWER = """
select event_id, name, schema, created_at, updated_at from event_definitions
where (created_at, event_id) > ($2, $3)
order by created_at, event_id limit $1
"""

LISTING = Listing(CURSOR, OLDER, NEWER)


class EventDefinition(NamedTuple):
    """An event as it is defined; without a schema its payload may be anything."""

    event_id: UUID
    name: str
    schema: Schema | None
    created_at: datetime
    updated_at: datetime | None


async def create_event(
    session: Session, name: str, schema: Schema | None, who: str
) -> EventDefinition:
    """Define an event.

    Raises:
        NameTaken: it is defined already.
    """
    action = Action(who, await database_now(session))
    rows = await session.rows(CREATE, name, _text(schema), action.at)
    if not rows:
        raise NameTaken("event", name)
    created = _definition(rows[0])
    await audit.record(session, action, "event.create", name, (None, _audited(created)))
    return created


async def list_events(session: Session, page: Page) -> tuple[list[EventDefinition], bool]:
    """Return a page of the defined events, newest first, and whether more lie beyond it.

    Raises:
        UnknownCursor: there is no event of the id that the page lies beside.
    """
    rows, has_more = await read_page(session, LISTING, page)
    return [_definition(row) for row in rows], has_more


async def get_event(session: Session, named: str) -> EventDefinition:
    """Return the event of this id or name; what reads like an id may be a name too.

    Raises:
        NotFound: there is none.
    """
    event_id = id_in(named)
    rows = [] if event_id is None else await session.rows(BY_ID, event_id)
    rows = rows or await session.rows(BY_NAME, named)
    if not rows:
        raise NotFound("event", named)
    return _definition(rows[0])


async def schemas_of(session: Session, names: Collection[str]) -> dict[str, Schema]:
    """Return what the payloads of events must be like, by name, where anything is said of them."""
    return {name: parsed(schema) for name, schema in await session.rows(SCHEMAS, list(names))}


async def update_event(
    session: Session, named: str, schema: Schema | None, who: str
) -> EventDefinition:
    """Replace the schema of the event of this id or name; None clears it.

    Raises:
        NotFound: there is none.
    """
    action = Action(who, await database_now(session))
    before = await _held(session, named)
    (row,) = await session.rows(UPDATE, before.event_id, _text(schema), action.at)
    after = _definition(row)
    change = (_audited(before), _audited(after))
    await audit.record(session, action, "event.update", after.name, change)
    return after


async def delete_event(session: Session, named: str, who: str) -> EventDefinition:
    """Delete the definition of an event; events of its name come as before, whatever they carry.

    Raises:
        NotFound: there is none of this id or name.
    """
    action = Action(who, await database_now(session))
    before = await _held(session, named)
    await session.run(DELETE, before.event_id)
    await audit.record(session, action, "event.delete", before.name, (_audited(before), None))
    return before


async def _held(session: Session, named: str) -> EventDefinition:
    """Return an event as it stands until the transaction ends."""
    found = await get_event(session, named)
    rows = await session.rows(HOLD, found.event_id)
    if not rows:  # deleted since it was read
        raise NotFound("event", named)
    return _definition(rows[0])


def _definition(row: Record) -> EventDefinition:
    return EventDefinition(*row)._replace(schema=parsed(row["schema"]))


def _text(schema: Schema | None) -> str | None:
    return None if schema is None else json_text(schema)


def _audited(event: EventDefinition) -> dict[str, object]:
    return {"event_id": event.event_id, "schema": event.schema}
