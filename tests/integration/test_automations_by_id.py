"""Automations as an API creates, changes, copies and deletes them, in the tables."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from handlers.http.defining import change_posted, create_drawn, create_posted, redraw
from handlers.publishing.publish import AutomationError
from state.postgres.automations import get_automation
from state.postgres.automations_by_id import (
    Change,
    StillEnabled,
    change_automation,
    duplicate_automation,
    find_automation,
    page_of_automations,
    read_automation,
    remove_automation,
)
from state.postgres.keyset import Page
from state.postgres.refusals import NameTaken, NotFound
from state.postgres.store import PostgresStore
from state.postgres.template_drafts import (
    create_template,
    delete_template,
    publish_template,
    update_template,
)
from tests.drawings import MAIL, delay, email, line, wait
from tests.integration.definitions import audited, do, revision, walked
from tests.integration.doors import Door, Log
from tests.integration.kit import publish_version
from tests.integration.recorded import records_of
from tests.stored import rows

GRAPH = {key: line(delay("d"), wait("w"))[key] for key in ("steps", "connections")}


async def create(store: PostgresStore, name: str = "A", **more: Any) -> UUID:
    row = await do(store, create_posted, {"name": name, **GRAPH, **more}, "ann")
    return row.automation_id


async def template(store: PostgresStore, text: str) -> UUID:
    changes = {"name": "Hello", "alias": "hello", "subject": "Hi", "text": text}
    made = await do(store, create_template, changes, "ann")
    await do(store, publish_template, "hello", "ann")
    return made.row.template_id


async def templates_of(store: PostgresStore, automation_id: UUID) -> Any:
    _, version = await do(store, read_automation, automation_id)
    return version.definition["templates"]


async def test_an_automation_is_created_and_read_as_it_was_sent(store: PostgresStore) -> None:
    """S1: disabled unless it says otherwise; a name is had by one."""
    made = await create(store)
    row, version = await do(store, read_automation, made)
    assert (row.name, row.is_enabled, row.current_version) == ("A", False, 1)
    assert version.definition["steps"] == GRAPH["steps"]
    types = [way["type"] for way in version.definition["connections"]]
    assert types == ["default", "default"]
    assert await do(store, find_automation, made) == row
    with pytest.raises(NameTaken, match='"A" already'):
        await create(store)
    enabled = await create(store, "B", status="enabled")
    assert (await do(store, find_automation, enabled)).enabled_at is not None
    with pytest.raises(AutomationError):
        await create(store, "C", steps=[None])
    with pytest.raises(NotFound):
        await do(store, find_automation, uuid4())


async def test_a_graph_is_replaced_whole_while_nothing_starts(
    store: PostgresStore, database: str
) -> None:
    """S1, O4: never of an enabled automation, unless it is disabled with it."""
    made = await create(store, status="enabled")
    other = {"steps": GRAPH["steps"][:1], "connections": []}
    with pytest.raises(StillEnabled, match="disable it first"):
        await do(store, change_posted, made, other, "ben")
    with pytest.raises(StillEnabled):
        await do(store, change_posted, made, {"status": "enabled", **other}, "ben")
    assert (await do(store, find_automation, made)).current_version == 1
    both = {"status": "disabled", "name": "New", **other}
    row = await do(store, change_posted, made, both, "ben")
    assert (row.name, row.is_enabled, row.current_version) == ("New", False, 2)
    same = await do(store, change_posted, made, other, "ben")
    assert same == row, "what is so already stays untouched"
    row = await do(store, change_posted, made, {"status": "enabled", **GRAPH}, "ben")
    assert (row.is_enabled, row.current_version) == (True, 3)
    _, version = await do(store, read_automation, made)
    assert version.definition["steps"] == GRAPH["steps"]
    assert [row[:3] for row in await audited(database)] == [
        ("ann", "automation.apply", "A"),
        ("ben", "automation.update", "New"),
        ("ben", "automation.update", "New"),
    ]


async def test_a_status_is_changed_by_itself(store: PostgresStore, database: str) -> None:
    """S4, O4: to say what is so already succeeds, and changes nothing."""
    made = await create(store)
    await do(store, change_posted, made, {"status": "enabled"}, "ben")
    before = await revision(database)
    again = await do(store, change_posted, made, {"status": "enabled"}, "ben")
    assert again.is_enabled
    assert await revision(database) == before
    stopped = await do(store, change_automation, made, Change(is_enabled=False), "ben")
    assert not stopped.is_enabled
    whats = [row[1] for row in await audited(database)]
    assert whats == ["automation.apply", "automation.enable", "automation.stop"]
    interests = await rows(database, "select name from interests order by name")
    assert interests == [("a.b",), ("order.completed",)]


async def test_a_new_name_reaches_the_workers(
    store: PostgresStore, door: Door, database: str
) -> None:
    """E7: they have the version already; a name that is taken is refused."""
    made = await create(store, status="enabled")
    await create(store, "Taken")
    log = Log()
    await door.feed([log.add("order.completed", email="ann@x.io")])
    with pytest.raises(NameTaken):
        await do(store, change_posted, made, {"name": "Taken"}, "ben")
    row = await do(store, change_posted, made, {"name": "New"}, "ben")
    assert (row.name, row.current_version) == ("New", 1)
    await door.feed([log.add("order.completed", email="ben@x.io")])
    names = {run["automation_name"] for run in (await records_of(database)).values()}
    assert names == {"New"}
    _, version = await do(store, get_automation, "New")
    assert version.definition["name"] == "New"


async def test_a_copy_is_disabled_and_named_as_one(store: PostgresStore) -> None:
    made = await create(store, status="enabled")
    copies = [await do(store, duplicate_automation, made, "ann") for _ in range(3)]
    assert [one.name for one in copies] == ["A (Copy)", "A (Copy 2)", "A (Copy 3)"]
    assert not any(one.is_enabled for one in copies)
    _, before = await do(store, read_automation, made)
    _, after = await do(store, read_automation, copies[1].automation_id)
    assert after.definition == before.definition | {"name": "A (Copy 2)"}
    long = await create(store, "a" * 255)
    copy = await do(store, duplicate_automation, long, "ann")
    assert copy.name == "a" * 248 + " (Copy)"


async def test_a_deleted_automation_is_gone_and_its_name_free(store: PostgresStore) -> None:
    """S4: for every call by its id."""
    made = await create(store)
    await do(store, remove_automation, made, "ann")
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (read_automation, ()),
        (change_posted, ({"name": "B"}, "ann")),
        (duplicate_automation, ("ann",)),
        (remove_automation, ("ann",)),
    ]
    for call, more in calls:
        with pytest.raises(NotFound, match=str(made)):
            await do(store, call, made, *more)
    assert await create(store) != made


async def test_automations_are_listed_page_by_page_by_their_status(store: PostgresStore) -> None:
    statuses = ("enabled", "disabled", "enabled", "disabled", "enabled")
    made = [await create(store, f"A{n}", status=status) for n, status in enumerate(statuses)]
    pages = await walked(store, page_of_automations)
    assert [one for page in pages for one in page] == made[::-1]
    found, has_more = await do(store, page_of_automations, Page(2), True)
    assert ([one.automation_id for one in found], has_more) == ([made[4], made[2]], True)
    found, has_more = await do(store, page_of_automations, Page(2, after=made[2]), True)
    assert ([one.automation_id for one in found], has_more) == ([made[0]], False)
    found, _ = await do(store, page_of_automations, Page(9), False)
    assert [one.automation_id for one in found] == [made[3], made[1]]
    await do(store, remove_automation, made[2], "ann")
    found, _ = await do(store, page_of_automations, Page(9, before=made[1]), None)
    assert [one.automation_id for one in found] == [made[4], made[3]]


async def test_a_template_is_copied_until_the_automation_is_enabled_again(
    store: PostgresStore, database: str
) -> None:
    """S1: by its id or alias; what is published later is taken when it is enabled, no sooner."""
    template_id = await template(store, "Old.")
    steps = line(email("m"), email("n", str(template_id)))
    graph = {key: steps[key] for key in ("steps", "connections")}
    made = await create(store, status="enabled", **graph)
    old = {"subject": "Hi", "text": "Old."}
    assert await templates_of(store, made) == {"hello": old, str(template_id): old}
    await do(store, update_template, "hello", {"text": "New."}, "ann")
    await do(store, change_posted, made, {"status": "disabled"}, "ann")
    row = await do(store, change_posted, made, {"status": "enabled"}, "ann")
    assert row.current_version == 1, "a draft is nobody's business"
    await do(store, publish_template, "hello", "ann")
    assert (await templates_of(store, made))["hello"] == old
    await do(store, change_posted, made, {"status": "disabled"}, "ann")
    row = await do(store, change_posted, made, {"status": "enabled"}, "ann")
    new = {"subject": "Hi", "text": "New."}
    assert (row.is_enabled, row.current_version) == (True, 2)
    assert await templates_of(store, made) == {"hello": new, str(template_id): new}


async def test_a_deleted_template_is_missed_by_new_graphs_only(
    store: PostgresStore, door: Door, database: str
) -> None:
    """F2: runs and versions have their copies."""
    await template(store, "Hello.")
    graph = {key: line(email("m"))[key] for key in ("steps", "connections")}
    made = await create(store, status="enabled", **graph)
    log = Log()
    await door.feed([log.add("order.completed", email="ann@x.io")])
    await do(store, delete_template, "hello", "ann")
    await do(store, change_posted, made, {"status": "disabled"}, "ann")
    assert (await do(store, change_posted, made, {"status": "enabled"}, "ann")).is_enabled
    log.clock = await store.database_now()
    await door.feed([log.add("order.completed", email="ben@x.io")])
    await door.settle()
    assert len(await records_of(database)) == 2
    assert {run["status"] for run in (await records_of(database)).values()} == {"completed"}
    with pytest.raises(AutomationError, match='there is no template "hello"'):
        await create(store, "B", **graph)


async def test_a_template_must_be_published_before_a_step_names_it(store: PostgresStore) -> None:
    changes = {"name": "Hello", "alias": "hello", "subject": "Hi", "text": "x"}
    await do(store, create_template, changes, "ann")
    graph = {key: line(email("m"))[key] for key in ("steps", "connections")}
    with pytest.raises(AutomationError, match="is not published"):
        await create(store, **graph)


async def test_what_only_a_file_says_stays(store: PostgresStore) -> None:
    """S2: an API replaces the steps and connections, and nothing beside them."""
    document = line(email("m"), reentry="once", templates={"hello": MAIL}, status="disabled")
    (applied,) = await publish_version(store, document)
    graph = {key: line(email("n"))[key] for key in ("steps", "connections")}
    await do(store, change_posted, applied.automation_id, graph, "ann")
    _, version = await do(store, read_automation, applied.automation_id)
    assert version.definition["reentry"] == "once"
    assert version.definition["templates"] == {"hello": MAIL}
    assert [step["key"] for step in version.definition["steps"]] == ["start", "n"]


async def test_a_whole_document_is_created_and_replaced(store: PostgresStore) -> None:
    """S1: as a file would say it, with templates that are stored."""
    await template(store, "Hello.")
    document = line(email("m"), reentry="once", status="disabled", annotations={"x": {"y": 1}})
    row = await do(store, create_drawn, document, "ann")
    _, version = await do(store, read_automation, row.automation_id)
    assert version.definition["annotations"] == {"x": {"y": 1}}
    assert version.stored_templates == ["hello"]
    with pytest.raises(NameTaken):
        await do(store, create_drawn, document, "ann")
    other = line(delay("d"), name="B")
    row = await do(store, redraw, row.automation_id, other, "ann")
    assert (row.name, row.is_enabled, row.current_version) == ("B", True, 2)
    row = await do(store, redraw, row.automation_id, line(wait("w"), name="B"), "ann")
    assert (row.is_enabled, row.current_version) == (True, 3)
