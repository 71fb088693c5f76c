"""Segments and topics with who belongs to them, read for people, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from state.postgres.session import Session

SEGMENTS = """
select segment_id, name, created_at, coalesce(members, 0) as members
from segments left join (
  select segment_id, count(*) as members from segment_members group by segment_id
) as counted using (segment_id)
where $1::text is null or name = $1
order by name
"""

MEMBERS = """
select contact_id, added_at, added_by, true as is_in from segment_members
where segment_id = $1 and contact_id > $2
order by contact_id limit $3
"""

#: A key that people have chosen about and nobody has declared is listed too.
TOPICS = """
select topic_id, key, name, description, default_subscription, created_at,
  coalesce(subscribed, 0) as subscribed, coalesce(unsubscribed, 0) as unsubscribed
from subscription_topics full join (
  select topic as key, count(*) filter (where is_subscribed) as subscribed,
    count(*) filter (where not is_subscribed) as unsubscribed
  from topic_choices group by topic
) as counted using (key)
where $1::text is null or key = $1
order by key
"""

CHOICES = """
select contact_id, chosen_at, chosen_by, is_subscribed from topic_choices
where topic = $1 and contact_id > $2
order by contact_id limit $3
"""


class SegmentRow(NamedTuple):
    """A segment and how many are in it."""

    segment_id: UUID
    name: str
    created_at: datetime
    members: int


class TopicRow(NamedTuple):
    """A topic and what people have chosen; one that nobody declared has its key only."""

    topic_id: UUID | None
    key: str
    name: str | None
    description: str | None
    default: str | None
    created_at: datetime | None
    subscribed: int
    unsubscribed: int


class MemberRow(NamedTuple):
    """One contact, by number, in a segment or with its choice about a topic: since when, why."""

    contact_id: int
    at: datetime
    by: str
    is_in: bool


async def list_segments(session: Session, name: str | None = None) -> list[SegmentRow]:
    """Return the segments by name, or the one of this name."""
    return [SegmentRow(*row) for row in await session.rows(SEGMENTS, name)]


async def list_topics(session: Session, key: str | None = None) -> list[TopicRow]:
    """Return the topics by key, or the one of this key; undeclared ones with them."""
    return [TopicRow(*row) for row in await session.rows(TOPICS, key)]


async def segment_members(
    session: Session, segment_id: UUID, after: int, limit: int
) -> Sequence[MemberRow]:
    """Return a page of a segment's members, those whose number is above `after`."""
    return [MemberRow(*row) for row in await session.rows(MEMBERS, segment_id, after, limit)]


async def topic_choices(session: Session, key: str, after: int, limit: int) -> Sequence[MemberRow]:
    """Return a page of those who have chosen about a topic, their numbers above `after`."""
    return [MemberRow(*row) for row in await session.rows(CHOICES, key, after, limit)]
