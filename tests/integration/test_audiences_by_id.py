"""Segments and topics as an API sees them: by their ids, newest first."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from state.postgres.audience_changes import StillUsed
from state.postgres.audiences import load_audiences
from state.postgres.audiences_by_id import (
    TopicFacts,
    delete_segment,
    delete_topic,
    get_segment,
    get_topic,
    make_segment,
    make_topic,
    page_of_segments,
    page_of_topics,
    rename_segment,
    update_topic,
)
from state.postgres.keyset import Page
from state.postgres.refusals import NameTaken, NotFound
from state.postgres.store import PostgresStore
from tests.integration.definitions import audited, do, revision, walked
from tests.integration.kit import publish_version
from tests.integration.test_audiences import changing

NEWS = {
    "name": "News",
    "description": "Weekly.",
    "default_subscription": "opt_in",
    "visibility": "public",
}


async def topic(store: PostgresStore, **about: str | None) -> TopicFacts:
    return await do(store, make_topic, NEWS | about, "ann")


async def test_a_segment_is_created_renamed_and_deleted_by_its_id(
    store: PostgresStore, database: str
) -> None:
    """O4: workers hear of it, since steps and `contact.segments` read its name."""
    made = await do(store, make_segment, "VIP", "ann")
    assert await do(store, get_segment, made.segment_id) == made
    before = await revision(database)
    renamed = await do(store, rename_segment, made.segment_id, "Best", "ben")
    assert renamed == made._replace(name="Best") == await do(store, get_segment, made.segment_id)
    assert await revision(database) > before
    assert (await do(store, load_audiences)).segment("Best") is not None
    assert await do(store, rename_segment, made.segment_id, "Best", "ben") == renamed
    await do(store, delete_segment, made.segment_id, "ann")
    with pytest.raises(NotFound):
        await do(store, get_segment, made.segment_id)
    assert [row[:3] for row in await audited(database)] == [
        ("ann", "segment.create", "VIP"),
        ("ben", "segment.rename", "Best"),
        ("ann", "segment.delete", "Best"),
    ]


async def test_the_name_of_a_segment_is_its_own(store: PostgresStore) -> None:
    made = await do(store, make_segment, "VIP", "ann")
    with pytest.raises(NameTaken):
        await do(store, make_segment, "VIP", "ann")
    other = await do(store, make_segment, "Other", "ann")
    with pytest.raises(NameTaken):
        await do(store, rename_segment, other.segment_id, "VIP", "ann")
    for call, more in ((get_segment, ()), (rename_segment, ("X", "a")), (delete_segment, ("a",))):
        with pytest.raises(NotFound):
            await do(store, call, uuid4(), *more)
    assert (await do(store, get_segment, made.segment_id)).name == "VIP"


async def test_a_segment_that_steps_name_keeps_its_name(store: PostgresStore) -> None:
    """F5: steps that name it would fail."""
    await publish_version(store, changing())
    ((vip,), _) = await do(store, page_of_segments, Page())
    with pytest.raises(StillUsed) as caught:
        await do(store, rename_segment, vip.segment_id, "Best", "ann")
    assert caught.value.automations == ["Changing"]
    with pytest.raises(StillUsed):
        await do(store, delete_segment, vip.segment_id, "ann")
    assert await do(store, get_segment, vip.segment_id) == vip


async def test_a_topic_is_created_changed_and_deleted_by_its_id(
    store: PostgresStore, database: str
) -> None:
    """O4: its key stays as it was, since profiles and events hold it."""
    made = await topic(store)
    assert made[1:-1] == ("News", "News", "Weekly.", "opt_in", "public")
    changes = {"name": "Digest", "description": None, "visibility": "private"}
    changed = await do(store, update_topic, made.topic_id, changes, "ben")
    assert changed[1:-1] == ("News", "Digest", None, "opt_in", "private")
    assert changed == await do(store, get_topic, made.topic_id)
    assert await do(store, update_topic, made.topic_id, {}, "ben") == changed
    await do(store, delete_topic, made.topic_id, "ann")
    for call, more in ((get_topic, ()), (update_topic, ({}, "a")), (delete_topic, ("a",))):
        with pytest.raises(NotFound):
            await do(store, call, made.topic_id, *more)
    assert [row[:3] for row in await audited(database)] == [
        ("ann", "topic.create", "News"),
        ("ben", "topic.update", "News"),
        ("ann", "topic.delete", "News"),
    ]


async def test_a_second_topic_of_a_name_has_its_id_as_the_key(store: PostgresStore) -> None:
    first, second = await topic(store), await topic(store)
    assert (first.key, second.key) == ("News", str(second.topic_id))
    known = await do(store, load_audiences)
    found = known.topic(str(second.topic_id))
    assert found is not None
    assert found.topic_id == second.topic_id


async def test_segments_and_topics_are_listed_page_by_page(store: PostgresStore) -> None:
    segments = [(await do(store, make_segment, f"s{n}", "ann")).segment_id for n in range(3)]
    topics = [(await topic(store, name=f"t{n}")).topic_id for n in range(3)]
    assert _flat(await walked(store, page_of_segments)) == segments[::-1]
    assert _flat(await walked(store, page_of_topics)) == topics[::-1]


def _flat(pages: list[list[UUID]]) -> list[UUID]:
    return [one for page in pages for one in page]
