"""`/topics`: what contacts subscribe to, or do not."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from handlers.http.bearer import allow
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.instants import instant
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.services import Actor, Given
from handlers.publishing.topic_words import parse_new_topic, parse_topic_changes
from state.audience import Subscription
from state.postgres import audiences_by_id as topics
from state.postgres.audiences_by_id import TopicFacts

router = APIRouter(prefix="/topics", tags=["Topics"], responses=ERRORS)

Visibility = Literal["public", "private"]

#: Their own parser names the valid words, and the nearest of them.
SaidSubscription = Annotated[str, Field(json_schema_extra={"enum": ["opt_in", "opt_out"]})]
SaidVisibility = Annotated[str, Field(json_schema_extra={"enum": ["public", "private"]})]


class TopicChanges(BaseModel):
    """What is to be otherwise; a null clears the description."""

    name: str | None = Field(None, description="At most 50 characters.")
    description: str | None = Field(None, description="At most 200 characters.")
    visibility: SaidVisibility | None = None
    default_subscription: str | None = Field(None, description="Cannot be changed.")


class NewTopic(TopicChanges):
    """A topic to create; whoever has not chosen is subscribed by default where it is `opt_in`."""

    name: str = Field(description="At most 50 characters.")
    default_subscription: SaidSubscription


class TopicNamed(BaseModel):
    """Which topic was created or changed."""

    object: Literal["topic"] = "topic"
    id: UUID


class TopicDeleted(TopicNamed):
    """The topic is gone."""

    deleted: Literal[True] = True


class TopicItem(BaseModel):
    """A topic in a list."""

    id: UUID
    name: str
    description: str | None
    default_subscription: Subscription
    visibility: Visibility
    created_at: str


class TopicView(TopicItem):
    """A topic."""

    object: Literal["topic"] = "topic"


@router.post("", status_code=201, dependencies=[allow("full")])
async def create_topic(given: Given, actor: Actor, body: NewTopic) -> TopicNamed:
    """Create a topic."""
    about = parse_new_topic(body.model_dump(exclude_unset=True))
    async with given.writing() as session:
        made = await topics.make_topic(session, about, actor)
    return TopicNamed(id=made.topic_id)


@router.get("", dependencies=[allow("read")])
async def list_topics(given: Given, page: Paged) -> ListOf[TopicItem]:
    """List topics, newest first."""
    async with given.reading() as session:
        found, has_more = await topics.page_of_topics(session, page)
    return ListOf(has_more=has_more, data=[TopicItem(**_told(one)) for one in found])


@router.get("/{topic_id}", dependencies=[allow("read")])
async def get_topic(given: Given, topic_id: UUID) -> TopicView:
    """Get a topic."""
    async with given.reading() as session:
        found = await topics.get_topic(session, topic_id)
    return TopicView(**_told(found))


@router.patch("/{topic_id}", dependencies=[allow("full")])
async def update_topic(
    given: Given, actor: Actor, topic_id: UUID, body: TopicChanges
) -> TopicNamed:
    """Change what a topic is called and who is shown it; what people chose stays."""
    changes = parse_topic_changes(body.model_dump(exclude_unset=True))
    async with given.writing() as session:
        await topics.update_topic(session, topic_id, changes, actor)
    return TopicNamed(id=topic_id)


@router.delete("/{topic_id}", dependencies=[allow("full")])
async def delete_topic(given: Given, actor: Actor, topic_id: UUID) -> TopicDeleted:
    """Delete a topic that no automation uses."""
    async with given.writing() as session:
        await topics.delete_topic(session, topic_id, actor)
    return TopicDeleted(id=topic_id)


def _told(topic: TopicFacts) -> dict[str, Any]:
    return {
        "id": topic.topic_id,
        "name": topic.name,
        "description": topic.description,
        "default_subscription": topic.default,
        "visibility": topic.visibility,
        "created_at": instant(topic.created_at),
    }
