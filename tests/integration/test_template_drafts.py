"""The life of a template in the tables, and what automations make of it."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from state.postgres.audit import Action
from state.postgres.keyset import Page
from state.postgres.refusals import NameTaken, NotFound
from state.postgres.store import PostgresStore
from state.postgres.template_drafts import (
    create_template,
    delete_template,
    duplicate_template,
    get_template,
    list_templates,
    publish_template,
    update_template,
)
from state.postgres.templates import load_templates, put_templates, templates_named
from state.template import TemplateError
from state.template_draft import parse_template_changes
from tests.integration.definitions import audited, do, walked
from tests.stored import AT

MAIL = {"name": "Welcome", "alias": "welcome", "subject": "Hi", "html": "<p>Hello</p>"}


async def create(store: PostgresStore, **changes: object) -> str:
    """Create a template; return its id."""
    raw = MAIL | changes
    made = await do(store, create_template, parse_template_changes(raw, is_new=True), "ann")
    return str(made.row.template_id)


async def test_a_template_is_drafted_published_and_changed(
    store: PostgresStore, database: str
) -> None:
    """O4: steps find what was published, by the id or the alias, until it is published again."""
    named = await create(store)
    draft = await do(store, get_template, "welcome")
    assert draft.draft == {"subject": "Hi", "html": "<p>Hello</p>"}
    assert (draft.row.name, draft.row.is_published) == ("Welcome", False)
    assert draft.row.has_unpublished_versions
    both = [named, "welcome"]
    assert await do(store, templates_named, both) == dict.fromkeys(both)

    first = await do(store, publish_template, "welcome", "ben")
    assert first.definition == draft.draft
    assert (first.row.is_published, first.row.has_unpublished_versions) == (True, False)
    assert first.row.published_at is not None
    assert await do(store, templates_named, both) == dict.fromkeys(both, first.definition)

    changed = await do(store, update_template, named, {"subject": "Hello", "html": None}, "ann")
    assert changed.draft == {"subject": "Hello"}
    assert changed.row.has_unpublished_versions
    assert changed.row.published_version_id == first.row.version_id
    assert await do(store, templates_named, both) == dict.fromkeys(both, first.definition)
    with pytest.raises(TemplateError):
        await do(store, publish_template, named, "ann")
    assert [row[:3] for row in await audited(database)] == [
        ("ann", "template.create", "welcome"),
        ("ben", "template.publish", "welcome"),
        ("ann", "template.update", "welcome"),
    ]
    before, after = (json.loads(text) for text in (await audited(database))[2][3:])
    assert (before["draft"]["subject"], after["draft"]["subject"]) == ("Hi", "Hello")


async def test_a_new_name_alone_is_nothing_to_publish(store: PostgresStore) -> None:
    named = await create(store)
    await do(store, publish_template, named, "ann")
    renamed = await do(store, update_template, named, {"name": "Other", "alias": None}, "ann")
    assert (renamed.row.name, renamed.row.alias) == ("Other", None)
    assert not renamed.row.has_unpublished_versions
    with pytest.raises(NotFound):
        await do(store, get_template, "welcome")


async def test_an_alias_is_had_by_one(store: PostgresStore) -> None:
    await create(store)
    with pytest.raises(NameTaken) as caught:
        await create(store)
    assert (caught.value.what, caught.value.field) == ("template", "alias")
    other = await create(store, alias=None)
    with pytest.raises(NameTaken):
        await do(store, update_template, other, {"alias": "welcome"}, "ann")
    assert await create(store, alias=None) != other
    assert await do(store, update_template, "welcome", {"alias": "welcome"}, "ann")


async def test_a_copy_is_a_draft_of_its_own(store: PostgresStore) -> None:
    named = await create(store)
    await do(store, publish_template, named, "ann")
    copy = await do(store, duplicate_template, "welcome", "ann")
    assert (copy.row.name, copy.row.alias) == ("Welcome (Copy)", None)
    assert not copy.row.is_published
    assert copy.draft == (await do(store, get_template, named)).draft


async def test_a_deleted_template_is_gone(store: PostgresStore, database: str) -> None:
    named = await create(store)
    await do(store, delete_template, "welcome", "ann")
    for call, more in ((get_template, ()), (delete_template, ("ann",)), (publish_template, ("a",))):
        with pytest.raises(NotFound):
            await do(store, call, named, *more)
    assert await do(store, templates_named, [named, "welcome"]) == {}
    assert (await audited(database))[-1][1:3] == ("template.delete", "welcome")


async def test_what_a_file_applies_is_published_at_once(store: PostgresStore) -> None:
    """F1: and replaces a draft of the same alias; a push is no template of the list."""
    named = await create(store)
    texts = {"subject": "From a file", "text": "x"}
    push = {"title": "t", "text": "x"}
    await do(store, put_templates, {"welcome": texts, "push": push}, Action("ben", AT))
    found = await do(store, get_template, named)
    assert found.definition == found.draft == texts
    assert not found.row.has_unpublished_versions
    listed, _ = await do(store, list_templates, Page())
    assert [row.alias for row in listed] == ["welcome"]
    with pytest.raises(NotFound):
        await do(store, get_template, "push")
    known = await do(store, load_templates)
    assert (known["push"], known[named], known["welcome"]) == (push, texts, texts)


async def test_templates_are_listed_page_by_page(store: PostgresStore) -> None:
    made = [await create(store, alias=f"t{number}") for number in range(5)]
    pages = await walked(store, list_templates)
    assert [str(one) for page in pages for one in page] == made[::-1]


async def test_only_what_is_asked_for_is_read(store: PostgresStore) -> None:
    named = await create(store)
    await do(store, publish_template, named, "ann")
    asked = [named.upper(), "nothing", str(uuid4())]
    assert (await do(store, templates_named, asked)).keys() == {named.upper()}
    assert await do(store, templates_named, []) == {}
