"""Segments and topics as an API sees them: by their ids, listed newest first (rule O4).

Each change holds the catalogue and moves its revision. Call what changes them in `store.session()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from state.postgres import audit
from state.postgres.audience_changes import (
    StillUsed,
    create_segment,
    delete_audience,
    users_of,
)
from state.postgres.audit import Action
from state.postgres.catalogue import bump_revision, lock_catalogue
from state.postgres.keyset import Listing, Page, read_page
from state.postgres.refusals import NameTaken, NotFound
from state.postgres.session import Session

SEGMENT = "select segment_id, name, created_at from segments where segment_id = $1"

SEGMENT_NAMED = "select 1 from segments where name = $1"

RENAME = "update segments set name = $2 where segment_id = $1"

SEGMENT_CURSOR = "select created_at from segments where segment_id = $1"

OLDER_SEGMENTS = """
select segment_id, name, created_at from segments where (created_at, segment_id) < ($2, $3)
order by created_at desc, segment_id desc limit $1
"""

NEWER_SEGMENTS = """
select segment_id, name, created_at from segments where (created_at, segment_id) > ($2, $3)
order by created_at, segment_id limit $1
"""

SEGMENTS = Listing(SEGMENT_CURSOR, OLDER_SEGMENTS, NEWER_SEGMENTS)

TOPIC = """
select topic_id, key, name, description, default_subscription, visibility, created_at
from subscription_topics where topic_id = $1
"""

#: The name is the key too, by which events and steps may name the topic, unless that is taken.
CREATE_TOPIC = """
with fresh as (select gen_random_uuid() as topic_id)
insert into subscription_topics (
  topic_id, key, name, description, default_subscription, visibility, created_at)
select topic_id,
  case when exists (select from subscription_topics where key = $1) then topic_id::text else $1 end,
  $1, $2, $3, $4, $5
from fresh
returning topic_id
"""

UPDATE_TOPIC = """
update subscription_topics set name = $2, description = $3, visibility = $4 where topic_id = $1
"""

TOPIC_CURSOR = "select created_at from subscription_topics where topic_id = $1"

OLDER_TOPICS = """
select topic_id, key, name, description, default_subscription, visibility, created_at
from subscription_topics where (created_at, topic_id) < ($2, $3)
order by created_at desc, topic_id desc limit $1
"""

NEWER_TOPICS = """
select topic_id, key, name, description, default_subscription, visibility, created_at
from subscription_topics where (created_at, topic_id) > ($2, $3)
order by created_at, topic_id limit $1
"""

TOPICS = Listing(TOPIC_CURSOR, OLDER_TOPICS, NEWER_TOPICS)


class SegmentFacts(NamedTuple):
    """A segment as it stands."""

    segment_id: UUID
    name: str
    created_at: datetime


class TopicFacts(NamedTuple):
    """A topic as it stands. Events, steps and profiles name it by its key, which never changes."""

    topic_id: UUID
    key: str
    name: str
    description: str | None
    default: str
    visibility: str
    created_at: datetime

    def document(self) -> dict[str, object]:
        """Return what the audit keeps of it."""
        return {
            "topic_id": self.topic_id,
            "name": self.name,
            "description": self.description,
            "default_subscription": self.default,
            "visibility": self.visibility,
        }


# --- segments -------------------------------------------------------------------------------------


async def make_segment(session: Session, name: str, who: str) -> SegmentFacts:
    """Create a segment.

    Raises:
        NameTaken: there is one of this name.
    """
    segment_id = await create_segment(session, name, who)
    if segment_id is None:
        raise NameTaken("segment", name)
    return await get_segment(session, segment_id)


async def page_of_segments(session: Session, page: Page) -> tuple[list[SegmentFacts], bool]:
    """Return a page of the segments, newest first, and whether more lie beyond it.

    Raises:
        UnknownCursor: there is no segment of the id that the page lies beside.
    """
    rows, has_more = await read_page(session, SEGMENTS, page)
    return [SegmentFacts(*row) for row in rows], has_more


async def get_segment(session: Session, segment_id: UUID) -> SegmentFacts:
    """Return a segment.

    Raises:
        NotFound: there is none of this id.
    """
    rows = await session.rows(SEGMENT, segment_id)
    if not rows:
        raise NotFound("segment", segment_id)
    return SegmentFacts(*rows[0])


async def rename_segment(session: Session, segment_id: UUID, name: str, who: str) -> SegmentFacts:
    """Give a segment another name; its members stay in it.

    Raises:
        NotFound: there is none of this id. NameTaken: another one has the name. StillUsed: steps
            of automations say the name that it has, and would not find it any more.
    """
    action = Action(who, await lock_catalogue(session))
    before = await get_segment(session, segment_id)
    if before.name == name:
        return before
    if await session.rows(SEGMENT_NAMED, name):
        raise NameTaken("segment", name)
    if users := await users_of(session, "segment", {before.name}):
        raise StillUsed(users)
    await session.run(RENAME, segment_id, name)
    change = ({"segment_id": segment_id, "name": before.name}, {"name": name})
    await audit.record(session, action, "segment.rename", name, change)
    await bump_revision(session)
    return before._replace(name=name)


async def delete_segment(session: Session, segment_id: UUID, who: str) -> SegmentFacts:
    """Delete a segment with its memberships.

    Raises:
        NotFound: there is none of this id. StillUsed: automations name it.
    """
    found = await get_segment(session, segment_id)
    await delete_audience(session, "segment", found.name, who)
    return found


# --- topics ---------------------------------------------------------------------------------------


async def make_topic(session: Session, about: Mapping[str, str | None], who: str) -> TopicFacts:
    """Create a topic as `parse_new_topic` returned it; several may have the same name."""
    action = Action(who, await lock_catalogue(session))
    words = [about[key] for key in ("name", "description", "default_subscription", "visibility")]
    created = await get_topic(session, await session.value(CREATE_TOPIC, *words, action.at))
    change = (None, created.document())
    await audit.record(session, action, "topic.create", created.key, change)
    await bump_revision(session)
    return created


async def page_of_topics(session: Session, page: Page) -> tuple[list[TopicFacts], bool]:
    """Return a page of the declared topics, newest first, and whether more lie beyond it.

    Raises:
        UnknownCursor: there is no topic of the id that the page lies beside.
    """
    rows, has_more = await read_page(session, TOPICS, page)
    return [TopicFacts(*row) for row in rows], has_more


async def get_topic(session: Session, topic_id: UUID) -> TopicFacts:
    """Return a topic.

    Raises:
        NotFound: there is none of this id.
    """
    rows = await session.rows(TOPIC, topic_id)
    if not rows:
        raise NotFound("topic", topic_id)
    return TopicFacts(*rows[0])


async def update_topic(
    session: Session, topic_id: UUID, changes: Mapping[str, str | None], who: str
) -> TopicFacts:
    """Change a topic as `parse_topic_changes` returned it; its key stays.

    Raises:
        NotFound: there is none of this id.
    """
    action = Action(who, await lock_catalogue(session))
    before = await get_topic(session, topic_id)
    after = before._replace(
        name=changes.get("name") or before.name,
        description=changes.get("description", before.description),
        visibility=changes.get("visibility") or before.visibility,
    )
    if after != before:
        await session.run(UPDATE_TOPIC, topic_id, after.name, after.description, after.visibility)
        change = (before.document(), after.document())
        await audit.record(session, action, "topic.update", after.key, change)
        await bump_revision(session)
    return after


async def delete_topic(session: Session, topic_id: UUID, who: str) -> TopicFacts:
    """Delete a topic; what people chose stays with them, by its key.

    Raises:
        NotFound: there is none of this id. StillUsed: automations name it.
    """
    found = await get_topic(session, topic_id)
    await delete_audience(session, "topic", found.key, who)
    return found
