"""What operators publish and what turns read of it: E7, S1, S4, O4."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from state.automation import StoredVersion
from state.postgres.automations import (
    Applied,
    Publication,
    UnknownAutomation,
    apply_automations,
    delete_automation,
    get_automation,
    list_automations,
    set_enabled,
)
from state.postgres.store import PostgresStore
from state.postgres.templates import load_templates
from state.turn import Changes, LockRequest, Refused
from tests.stored import email, new_contact, rows, run, save, until_blocked

ORDERS = Publication(
    "Orders", {"name": "Orders", "steps": [1]}, frozenset({"order.completed", "opened"}), True
)
NEWER = replace(ORDERS, definition={"name": "Orders", "steps": [2]}, names=frozenset({"order.new"}))


async def publish(store: PostgresStore, *publications: Publication, **more: Any) -> list[Applied]:
    async with store.session() as session:
        return await apply_automations(session, publications, more.get("templates", {}), "ann")


async def catalogue(store: PostgresStore) -> tuple[int, dict[tuple[str, int], StoredVersion], Any]:
    async with store.transaction("look") as transaction:
        revision = await transaction.catalogue_revision()
        versions, interests = await transaction.definitions()
    return revision, {(one.name, one.number): one for one in versions}, interests


async def test_publishing_makes_a_version_only_where_the_definition_changed(
    store: PostgresStore,
) -> None:
    """S1: versions are immutable; the last enabling is remembered; the names are of interest."""
    (created,) = await publish(store, ORDERS)
    assert created[2:] == (1, "created", "enabled")
    revision, before, interests = await catalogue(store)
    first = before["Orders", 1]
    assert first.definition == ORDERS.definition
    assert first.is_current
    assert first.is_enabled
    assert set(interests) == {"order.completed", "opened"}
    assert set(interests.values()) == {first.enabled_at}

    same = replace(ORDERS, definition={"steps": [1], "name": "Orders"})
    assert (await publish(store, same))[0][2:] == (1, "unchanged", "unchanged")
    assert (await catalogue(store))[0] == revision

    assert (await publish(store, NEWER))[0][2:] == (2, "published", "unchanged")
    newer_revision, after, newer_interests = await catalogue(store)
    assert newer_revision > revision
    assert after["Orders", 1] == replace(first, is_current=False)
    assert after["Orders", 2].enabled_at == first.enabled_at
    assert set(newer_interests) == {"order.completed", "opened", "order.new"}
    assert newer_interests["opened"] == interests["opened"]


async def test_all_files_are_published_or_none(store: PostgresStore) -> None:
    unfit = replace(NEWER, definition={"half": "\ud83d"})
    with pytest.raises(Refused):
        await publish(store, ORDERS, unfit)
    assert (await catalogue(store))[1:] == ({}, {})


async def test_stopping_and_enabling_leave_the_version_and_tell_the_audit(
    store: PostgresStore, database: str
) -> None:
    """S4, O4: who, what, before and after; a stopped automation is still known as stopped."""
    disabled = replace(ORDERS, is_enabled=False)
    assert (await publish(store, disabled))[0][2:] == (1, "created", "unchanged")
    assert (await catalogue(store))[2] == {}
    async with store.session() as session:
        assert await set_enabled(session, "Orders", True, "ann")
        assert not await set_enabled(session, "Orders", True, "ann")
    enabled = (await catalogue(store))[1]["Orders", 1].enabled_at
    async with store.session() as session:
        assert await set_enabled(session, "Orders", False, "bob")
    assert not (await catalogue(store))[1]["Orders", 1].is_enabled
    async with store.session() as session:
        await set_enabled(session, "Orders", True, "ann")
        (listed,) = await list_automations(session)
        found, current = await get_automation(session, "Orders")
    assert listed == found
    assert current.definition == ORDERS.definition
    assert enabled is not None
    assert listed.enabled_at > enabled
    told = """
        select who, what, target, before->>'is_enabled', after->>'is_enabled' from audit order by id
        """
    assert await rows(database, told) == [
        ("ann", "automation.apply", "Orders", None, "false"),
        ("ann", "automation.enable", "Orders", "false", "true"),
        ("bob", "automation.stop", "Orders", "true", "false"),
        ("ann", "automation.enable", "Orders", "false", "true"),
    ]


async def test_a_deleted_automation_frees_its_name_and_its_live_runs_go_on(
    store: PostgresStore,
) -> None:
    """S4: until its last run has ended, its version is there."""
    ((_, automation_id, *_),) = await publish(store, ORDERS)
    live = await park(store, automation_id, 1)
    async with store.session() as session:
        await delete_automation(session, "Orders", "ann")
        with pytest.raises(UnknownAutomation):
            await get_automation(session, "Orders")
    ((_, newer_id, version, change, _),) = await publish(store, ORDERS)
    assert (newer_id != automation_id, version, change) == (True, 1, "created")
    now = await store.database_now()
    await store.keep_house(now)
    async with store.transaction("look") as transaction:
        versions, _ = await transaction.definitions()
    assert {one.automation_id for one in versions} == {automation_id, newer_id}
    await save(store, [live.contact_id], runs=[(live, live.end("completed_end", now))])
    await store.keep_house(now)
    assert [one.automation_id for one in (await catalogue(store))[1].values()] == [newer_id]


async def park(store: PostgresStore, automation_id: UUID, version: int) -> Any:
    contact_id = await new_contact(store, email(1))
    live = run(1, contact_id, automation_id=automation_id, version=version)
    await save(store, [contact_id], runs=[(None, live)])
    return live


async def test_a_version_retires_with_its_names_when_its_last_run_has_ended(
    store: PostgresStore,
) -> None:
    """E7: of interest are the names of an enabled version, and of one with live runs."""
    ((_, automation_id, *_),) = await publish(store, ORDERS)
    live = await park(store, automation_id, 1)
    await publish(store, NEWER)
    now = await store.database_now()
    before = await catalogue(store)
    await store.keep_house(now)
    assert await catalogue(store) == before
    await save(store, [live.contact_id], runs=[(live, live.end("completed_end", now))])
    await store.keep_house(now)
    revision, versions, interests = await catalogue(store)
    assert revision == before[0] + 1
    assert set(versions) == {("Orders", 2)}
    assert set(interests) == {"order.new"}

    async with store.session() as session:
        await set_enabled(session, "Orders", False, "ann")
    await store.keep_house(now)
    _, versions, interests = await catalogue(store)
    assert not versions["Orders", 2].is_enabled
    assert interests == {}
    async with store.session() as session:
        await set_enabled(session, "Orders", True, "ann")
    _, versions, interests = await catalogue(store)
    assert interests == {"order.new": versions["Orders", 2].enabled_at}


async def test_a_publication_waits_for_turns_and_turns_for_it(
    store: PostgresStore, other: PostgresStore, database: str
) -> None:
    """E7: no event falls between: a turn that waited reads the catalogue as it is after."""
    async with asyncio.TaskGroup() as group, store.transaction("events") as turn:
        revision = await turn.catalogue_revision()
        publishing = group.create_task(publish(other, ORDERS))
        await until_blocked(database)
        assert await turn.catalogue_revision() == revision
    assert publishing.result()[0].change == "created"

    async with asyncio.TaskGroup() as group, other.session() as session:
        await apply_automations(session, [NEWER], {}, "ann")
        reading = group.create_task(catalogue(store))
        await until_blocked(database)
    assert ("Orders", 2) in reading.result()[1]


async def test_templates_are_stored_and_replaced_by_alias(store: PostgresStore) -> None:
    receipt = {"subject": "Thanks", "text": "Your receipt."}
    thanks = {"title": "Need anything else?", "text": "We are here."}
    await publish(store, templates={"receipt": receipt, "thanks": thanks})
    await publish(store, templates={"receipt": receipt | {"subject": "Hello"}})
    async with store.session() as session:
        stored = await load_templates(session)
    aliases = {"receipt": receipt | {"subject": "Hello"}, "thanks": thanks}
    assert {name: stored[name] for name in aliases} == aliases
    assert len(stored) == 4, "each by its id too"


async def test_keeping_house_makes_partitions_and_sweeps_the_marks_of_the_silent(
    store: PostgresStore, database: str
) -> None:
    """D3: but never the newest mark, which carries the clock."""
    for lane in ("a", "b"):
        async with store.transaction(lane) as transaction:
            snapshot = await transaction.lock(LockRequest())
            await transaction.save(Changes(now=snapshot.now))
    leaves = "select count(*) from pg_inherits"
    ((before,),) = await rows(database, leaves)
    await store.keep_house(snapshot.now + timedelta(days=60))
    ((after,),) = await rows(database, leaves)
    assert after > before
    assert await rows(database, "select lane from turn_marks") == [("one/b",)]
    assert await store.landed("a", 1) is False
