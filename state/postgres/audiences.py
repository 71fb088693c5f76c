"""Segments and topics in the tables, and the index of who belongs to them (rules F2, I6)."""

from __future__ import annotations

from collections.abc import Sequence

from state.audience import Audiences, Choice, Membership, Segment, Topic
from state.postgres.codec import columns_of, parsed
from state.postgres.session import Session

SEGMENTS = "select segment_id, name from segments order by name"

TOPICS = "select topic_id, key, default_subscription from subscription_topics order by key"

FALLBACKS = "select key, fallback from contact_properties where fallback is not null order by key"

ADD_MEMBERS = """
insert into segment_members (segment_id, contact_id, added_at, added_by)
select * from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[])
on conflict (segment_id, contact_id) do update set
  added_at = excluded.added_at, added_by = excluded.added_by
"""

#: By ctid, because a join might be planned as a walk over the table (as in contacts.py).
REMOVE_MEMBERS = """
delete from segment_members where ctid = any(array(
  select held.ctid from unnest($1::uuid[], $2::bigint[]) as gone (segment_id, contact_id)
  cross join lateral (
    select ctid from segment_members
    where segment_id = gone.segment_id and contact_id = gone.contact_id
    offset 0
  ) as held
))
"""

CHOOSE = """
insert into topic_choices (topic, contact_id, is_subscribed, chosen_at, chosen_by)
select * from unnest($1::text[], $2::bigint[], $3::boolean[], $4::timestamptz[], $5::text[])
on conflict (topic, contact_id) do update set is_subscribed = excluded.is_subscribed,
  chosen_at = excluded.chosen_at, chosen_by = excluded.chosen_by
"""

FORGET_CHOICES = """
delete from topic_choices where ctid = any(array(
  select held.ctid from unnest($1::text[], $2::bigint[]) as gone (topic, contact_id)
  cross join lateral (
    select ctid from topic_choices where topic = gone.topic and contact_id = gone.contact_id
    offset 0
  ) as held
))
"""


async def load_audiences(session: Session) -> Audiences:
    """Return all segments and topics there are, and the fallbacks of properties."""
    segments = [Segment(*row) for row in await session.rows(SEGMENTS)]
    topics = [Topic(*row) for row in await session.rows(TOPICS)]
    fallbacks = {key: parsed(text) for key, text in await session.rows(FALLBACKS)}
    return Audiences.of(segments, topics, fallbacks)


async def save_memberships(session: Session, memberships: Sequence[Membership]) -> None:
    """Write who joined a segment in this turn, and who left one."""
    joined = [(*one[:2], one.at, one.by) for one in memberships if one.is_member]
    left = [one[:2] for one in memberships if not one.is_member]
    if joined:
        await session.run(ADD_MEMBERS, *columns_of(joined))
    if left:
        await session.run(REMOVE_MEMBERS, *columns_of(left))


async def save_choices(session: Session, choices: Sequence[Choice]) -> None:
    """Write what people have chosen about topics in this turn, and what is to be forgotten."""
    chosen = [one for one in choices if one.is_subscribed is not None]
    forgotten = [one[:2] for one in choices if one.is_subscribed is None]
    if chosen:
        await session.run(CHOOSE, *columns_of(chosen))
    if forgotten:
        await session.run(FORGET_CHOICES, *columns_of(forgotten))
