"""Properties of contacts in the tables, and what runs read by them."""

from __future__ import annotations

from uuid import uuid4

import pytest

from state.postgres.audiences import load_audiences
from state.postgres.contact_properties import (
    create_property,
    delete_property,
    get_property,
    list_properties,
    update_property,
)
from state.postgres.refusals import NameTaken, NotFound
from state.postgres.store import PostgresStore
from tests.drawings import email, line
from tests.integration.definitions import audited, do, revision, walked
from tests.integration.doors import Door, Log
from tests.integration.kit import publish_version
from tests.stored import rows


async def test_a_property_is_defined_read_changed_and_deleted(
    store: PostgresStore, database: str
) -> None:
    """O4: by its id or key; workers hear of each change, because runs read the fallback."""
    seen = {await revision(database)}
    made = await do(store, create_property, ("plan", "string", "free"), "ann")
    seen.add(await revision(database))
    assert (made.key, made.type, made.fallback) == ("plan", "string", "free")
    assert await do(store, get_property, "plan") == made
    assert await do(store, get_property, str(made.property_id)) == made
    assert (await do(store, load_audiences)).fallbacks == {"plan": "free"}

    changed = await do(store, update_property, "plan", None, "ben")
    seen.add(await revision(database))
    assert changed == made._replace(fallback=None) == await do(store, get_property, "plan")
    assert (await do(store, load_audiences)).fallbacks == {}

    await do(store, delete_property, str(made.property_id), "ann")
    seen.add(await revision(database))
    assert len(seen) == 4
    with pytest.raises(NotFound):
        await do(store, get_property, "plan")
    assert [row[:3] for row in await audited(database)] == [
        ("ann", "contact_property.create", "plan"),
        ("ben", "contact_property.update", "plan"),
        ("ann", "contact_property.delete", "plan"),
    ]


async def test_a_key_is_taken_once(store: PostgresStore, database: str) -> None:
    await do(store, create_property, ("plan", "string", None), "ann")
    with pytest.raises(NameTaken) as caught:
        await do(store, create_property, ("plan", "number", 1), "ann")
    assert caught.value.field == "key"
    assert len(await audited(database)) == 1


async def test_what_is_not_there_cannot_be_changed(store: PostgresStore, database: str) -> None:
    for named in ("plan", str(uuid4())):
        with pytest.raises(NotFound):
            await do(store, update_property, named, None, "ann")
        with pytest.raises(NotFound):
            await do(store, delete_property, named, "ann")
    assert await audited(database) == []


async def test_properties_are_listed_page_by_page(store: PostgresStore) -> None:
    made = [
        (await do(store, create_property, (f"p{number}", "number", number), "ann")).property_id
        for number in range(5)
    ]
    pages = await walked(store, list_properties)
    assert [one for page in pages for one in page] == made[::-1]


async def test_a_run_reads_the_fallback_that_is_defined_now(
    store: PostgresStore, door: Door, database: str
) -> None:
    """E7: a worker that has read the definitions already reads them anew."""
    mail = {"subject": "Hi", "text": "{{{contact.properties.plan|none}}}"}
    await publish_version(store, line(email("m"), templates={"hello": mail}))
    log = Log()
    await door.feed([log.add("order.completed", email="a@x.io")])
    await do(store, create_property, ("plan", "string", "free"), "ann")
    await door.feed([log.add("order.completed", email="b@x.io")])
    await do(store, update_property, "plan", None, "ann")
    await door.feed([log.add("order.completed", email="c@x.io")])
    sent = "select message ->> 'text' from outbox order by recipient"
    assert await rows(database, sent) == [("none",), ("free",), ("none",)]
