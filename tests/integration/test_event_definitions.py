"""Events as users define them, in the tables."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from state.postgres.event_definitions import (
    create_event,
    delete_event,
    get_event,
    list_events,
    schemas_of,
    update_event,
)
from state.postgres.keyset import Page, UnknownCursor
from state.postgres.refusals import NameTaken, NotFound
from state.postgres.store import PostgresStore
from tests.integration.definitions import audited, do, walked

SCHEMA = {"plan": "string", "seats": "number"}


async def test_an_event_is_defined_read_changed_and_deleted(
    store: PostgresStore, database: str
) -> None:
    """O4: by its id or its name, each change with what stood before it."""
    made = await do(store, create_event, "user.created", SCHEMA, "ann")
    assert (made.name, made.schema, made.updated_at) == ("user.created", SCHEMA, None)
    assert await do(store, get_event, "user.created") == made
    assert await do(store, get_event, str(made.event_id)) == made
    assert await do(store, schemas_of, ["user.created", "other"]) == {"user.created": SCHEMA}

    changed = await do(store, update_event, "user.created", {}, "ben")
    assert (changed.event_id, changed.schema) == (made.event_id, {})
    assert changed.updated_at is not None
    cleared = await do(store, update_event, str(made.event_id), None, "ben")
    assert cleared.schema is None
    assert await do(store, schemas_of, ["user.created"]) == {}

    assert await do(store, delete_event, "user.created", "ann") == cleared
    with pytest.raises(NotFound) as caught:
        await do(store, get_event, "user.created")
    assert caught.value.what == "event"
    log = await audited(database)
    assert [row[:3] for row in log] == [
        ("ann", "event.create", "user.created"),
        ("ben", "event.update", "user.created"),
        ("ben", "event.update", "user.created"),
        ("ann", "event.delete", "user.created"),
    ]
    assert json.loads(log[1][3])["schema"] == SCHEMA
    assert json.loads(log[1][4])["schema"] == {}


async def test_a_name_is_taken_once(store: PostgresStore, database: str) -> None:
    await do(store, create_event, "user.created", None, "ann")
    with pytest.raises(NameTaken, match="already"):
        await do(store, create_event, "user.created", SCHEMA, "ann")
    assert await do(store, schemas_of, ["user.created"]) == {}
    assert len(await audited(database)) == 1


async def test_what_is_not_there_cannot_be_changed(store: PostgresStore, database: str) -> None:
    for named in ("nothing", str(uuid4())):
        with pytest.raises(NotFound):
            await do(store, update_event, named, None, "ann")
        with pytest.raises(NotFound):
            await do(store, delete_event, named, "ann")
    assert await do(store, schemas_of, ["nothing"]) == {}
    assert await audited(database) == []


async def test_a_name_that_reads_like_an_id_is_found(store: PostgresStore) -> None:
    name = str(uuid4())
    made = await do(store, create_event, name, None, "ann")
    assert await do(store, get_event, name) == made


async def test_events_are_listed_page_by_page_newest_first(store: PostgresStore) -> None:
    made = [(await do(store, create_event, f"e{n}", None, "ann")).event_id for n in range(5)]
    pages = await walked(store, list_events)
    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]
    with pytest.raises(UnknownCursor, match="after"):
        await do(store, list_events, Page(2, after=uuid4()))
