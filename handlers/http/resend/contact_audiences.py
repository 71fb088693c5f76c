"""A contact's segments and topics: joined, left, chosen and listed."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import BaseModel, BeforeValidator

from handlers.http.bearer import allow
from handlers.http.resend.contact_names import Named, about, get_contact, segment_of
from handlers.http.resend.contact_words import (
    TopicChoice,
    contact_event,
    topic_events,
)
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.instants import instant
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.services import Given, Services
from state.audience import Subscription
from state.contact import contact_uuid
from state.postgres.audiences_by_id import get_topic, page_of_topics
from state.postgres.contact_pages import page_of_segments_of

router = APIRouter(prefix="/contacts/{contact}", tags=["Contacts"], responses=ERRORS)


class MembershipView(BaseModel):
    """A contact in a segment; `id` is the segment's, as clients read it."""

    object: Literal["contact_segment"] = "contact_segment"
    id: UUID
    contact_id: UUID
    segment_id: UUID


class MembershipDeleted(MembershipView):
    """The contact is in the segment no more."""

    deleted: Literal[True] = True


class SegmentItem(BaseModel):
    """A segment that a contact is in."""

    id: UUID
    name: str
    created_at: str


class TopicItem(BaseModel):
    """A topic and what holds for the contact: what it chose, else the topic's default."""

    id: UUID
    name: str
    description: str | None
    subscription: Subscription


class TopicsChosen(BaseModel):
    """What the contact chose; `id` is the contact's, as clients read it."""

    object: Literal["contact_topics"] = "contact_topics"
    id: UUID
    contact_id: UUID
    topics: list[TopicChoice]


def _unwrapped(said: Any) -> Any:
    if isinstance(said, dict):
        if "topics" not in said:
            raise ValueError("Missing `topics` field: send a list, or an object that holds it")
        return said["topics"]
    return said


Choices = Annotated[
    list[TopicChoice],
    BeforeValidator(_unwrapped),
    Body(description="A list of choices, or an object with the list as `topics`."),
]


@router.get("/segments", dependencies=[allow("read")])
async def list_segments_of(given: Given, page: Paged, contact: Named) -> ListOf[SegmentItem]:
    """List the segments that a contact is in, the newest first."""
    async with given.reading() as session:
        known = await get_contact(session, contact)
        ids = [UUID(text) for text, is_in in known.profile.segments.items() if is_in]
        found, has_more = await page_of_segments_of(session, ids, page)
    items = [
        SegmentItem(id=one.segment_id, name=one.name, created_at=instant(one.created_at))
        for one in found
    ]
    return ListOf(has_more=has_more, data=items)


@router.post("/segments/{segment_id}", dependencies=[allow("full")])
async def join_segment(given: Given, contact: Named, segment_id: UUID) -> MembershipView:
    """Put a contact into a segment."""
    contact_id = await _change_membership(given, contact, segment_id, is_member=True)
    return MembershipView(id=segment_id, contact_id=contact_id, segment_id=segment_id)


@router.delete("/segments/{segment_id}", dependencies=[allow("full")])
async def leave_segment(given: Given, contact: Named, segment_id: UUID) -> MembershipDeleted:
    """Take a contact out of a segment; who is not in it stays out."""
    contact_id = await _change_membership(given, contact, segment_id, is_member=False)
    return MembershipDeleted(id=segment_id, contact_id=contact_id, segment_id=segment_id)


@router.get("/topics", dependencies=[allow("read")])
async def list_topics_of(given: Given, page: Paged, contact: Named) -> ListOf[TopicItem]:
    """List the topics with what holds for a contact."""
    async with given.reading() as session:
        chosen = (await get_contact(session, contact)).profile.topics
        found, has_more = await page_of_topics(session, page)
    items = [
        TopicItem(
            id=one.topic_id,
            name=one.name,
            description=one.description,
            subscription="opt_in" if chosen.get(one.key, one.default == "opt_in") else "opt_out",
        )
        for one in found
    ]
    return ListOf(has_more=has_more, data=items)


@router.patch("/topics", dependencies=[allow("full")])
async def choose_topics(given: Given, contact: Named, said: Choices) -> TopicsChosen:
    """Write what a contact chose about topics; those that are not named stay."""
    async with given.reading() as session:
        known = await get_contact(session, contact)
        choices = [((await get_topic(session, one.id)).key, one.subscription) for one in said]
    await given.change_contact(topic_events(about(known), choices))
    contact_id = contact_uuid(known.contact_id)
    return TopicsChosen(id=contact_id, contact_id=contact_id, topics=said)


async def _change_membership(
    given: Services, named: str, segment_id: UUID, *, is_member: bool
) -> UUID:
    """Publish that the contact joins or leaves; return the contact's id."""
    async with given.reading() as session:
        known = await get_contact(session, named)
        await segment_of(session, segment_id)
    payload = {"segments": {str(segment_id): is_member}}
    await given.change_contact([contact_event("updated", about(known), payload)])
    return contact_uuid(known.contact_id)
