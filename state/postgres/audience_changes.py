"""What operators do to segments and topics: create and delete, by hand or by a file (rule O4).

Every change holds the catalogue alone and moves its revision, so that no turn sees half of it. Call
these in `store.session()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from state.audience import Subscription
from state.postgres import audit
from state.postgres.audit import Action
from state.postgres.catalogue import bump_revision, lock_catalogue
from state.postgres.codec import parsed
from state.postgres.session import Session

What = Literal["segment", "topic"]

CREATE_SEGMENT = """
insert into segments (name, created_at) values ($1, $2) on conflict do nothing
returning segment_id
"""

CREATE_TOPIC = """
insert into subscription_topics (key, name, description, default_subscription, created_at)
values ($1, $2, $3, $4, $5) on conflict do nothing
returning topic_id
"""

#: By what each is found and deleted, and where its index lies.
FIND: Mapping[What, str] = {
    "segment": "select segment_id, name from segments where name = $1",
    "topic": "select topic_id, key from subscription_topics where key = $1",
}
DELETE: Mapping[What, str] = {
    "segment": "delete from segments where segment_id = $1",
    "topic": "delete from subscription_topics where topic_id = $1",
}
FORGET_MEMBERS = "delete from segment_members where segment_id = $1"

NAMES: Mapping[What, str] = {
    "segment": "select name from segments order by name",
    "topic": "select key from subscription_topics order by key",
}

#: Definitions by which runs still move, or may start.
IN_USE = """
select name, definition from versions join automations using (automation_id)
where retired_at is null and (deleted_at is null or exists (
  select from runs_active
  where runs_active.automation_id = versions.automation_id
    and runs_active.version = versions.number))
order by name
"""


class UnknownAudience(Exception):
    """There is no segment or topic of this name; `names` are those there are."""

    def __init__(self, what: What, name: str, names: Sequence[str]) -> None:
        super().__init__(f'there is no {what} "{name}"')
        self.names = names


class StillUsed(Exception):
    """Steps of these automations name the segment or topic."""

    def __init__(self, automations: Sequence[str]) -> None:
        super().__init__(", ".join(automations))
        self.automations = automations


async def create_segment(session: Session, name: str, who: str) -> UUID | None:
    """Create a segment; return its id, None if there is one of this name."""
    action = Action(who, await lock_catalogue(session))
    return await _bumped(session, await _create_segment(session, name, action))


async def create_topic(
    session: Session,
    key: str,
    about: tuple[str, str | None, Subscription],
    who: str,
) -> UUID | None:
    """Create a topic with its name, description and default; None if there is one of this key."""
    action = Action(who, await lock_catalogue(session))
    return await _bumped(session, await _create_topic(session, key, about, action))


async def declare(session: Session, definition: Mapping[str, Any], action: Action) -> bool:
    """Create what a published file declares and is not there yet; tell whether that was any.

    The caller holds the catalogue, and moves its revision.
    """
    made = [await _create_segment(session, name, action) for name in definition.get("segments", ())]
    for key, about in definition.get("topics", {}).items():
        described = (about["name"], about["description"], about["default_subscription"])
        made.append(await _create_topic(session, key, described, action))
    return any(one is not None for one in made)


async def delete_audience(session: Session, what: What, name: str, who: str) -> None:
    """Delete a segment with its memberships, or a topic; what people chose stays with them.

    Raises:
        UnknownAudience: there is none of this name. StillUsed: automations name it.
    """
    action = Action(who, await lock_catalogue(session))
    found = await session.rows(FIND[what], name)
    if not found:
        names = [row[0] for row in await session.rows(NAMES[what])]
        raise UnknownAudience(what, name, names)
    ((audience_id, _),) = found
    users = await users_of(session, what, {name, str(audience_id)})
    if users:
        raise StillUsed(users)
    await session.run(DELETE[what], audience_id)
    if what == "segment":
        await session.run(FORGET_MEMBERS, audience_id)
    change = ({f"{what}_id": audience_id}, None)
    await audit.record(session, action, f"{what}.delete", name, change)
    await bump_revision(session)


async def users_of(session: Session, what: What, names: set[str]) -> list[str]:
    """Return the automations that name a segment or a topic by any of these names or ids."""
    rows = await session.rows(IN_USE)
    key = f"{what}_id"
    users = [
        automation
        for automation, definition in rows
        if any(step["config"].get(key) in names for step in parsed(definition)["steps"])
    ]
    return list(dict.fromkeys(users))


async def _create_segment(session: Session, name: str, action: Action) -> UUID | None:
    segment_id: UUID | None = await session.value(CREATE_SEGMENT, name, action.at)
    if segment_id is not None:
        change = (None, {"segment_id": segment_id})
        await audit.record(session, action, "segment.create", name, change)
    return segment_id


async def _create_topic(
    session: Session, key: str, about: tuple[str, str | None, Subscription], action: Action
) -> UUID | None:
    topic_id: UUID | None = await session.value(CREATE_TOPIC, key, *about, action.at)
    if topic_id is not None:
        change = (None, {"topic_id": topic_id, "default_subscription": about[2]})
        await audit.record(session, action, "topic.create", key, change)
    return topic_id


async def _bumped(session: Session, made: UUID | None) -> UUID | None:
    if made is not None:
        await bump_revision(session)
    return made
