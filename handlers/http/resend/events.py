"""`/events`: their definitions, whose schemas bind what is sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from handlers.http.bearer import allow
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.instants import instant
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.services import Actor, Given
from handlers.publishing.event_schema import parse_event_name, parse_schema
from state.postgres import event_definitions
from state.postgres.event_definitions import EventDefinition

router = APIRouter(prefix="/events", tags=["Events"], responses=ERRORS)

#: A name may hold a slash; clients encode it, and it is decoded before routes are found.
Named = Annotated[str, Path(description="The event's id or name.")]

FieldType = Literal["string", "number", "boolean", "date"]

#: Whatever it is: its own parser says what is wrong with it.
Schema = Annotated[
    Any,
    Field(
        alias="schema",
        description="A type (string, number, boolean, date) for each field of the payload; null "
        "for none.",
        examples=[{"plan": "string"}],
    ),
]


class SchemaBody(BaseModel):
    """The schema that replaces an event's; null clears it."""

    fields: Schema


class NewEvent(BaseModel):
    """An event to define."""

    name: str
    fields: Schema = None


class EventNamed(BaseModel):
    """Which event was defined or changed."""

    object: Literal["event"] = "event"
    id: UUID


class EventDeleted(EventNamed):
    """The definition is gone."""

    deleted: Literal[True] = True


class EventItem(BaseModel):
    """An event in a list."""

    model_config = ConfigDict(populate_by_name=True)

    id: UUID
    name: str
    fields: dict[str, FieldType] | None = Field(alias="schema")
    created_at: str
    updated_at: str | None


class EventView(EventItem):
    """An event as it is defined."""

    object: Literal["event"] = "event"


@router.post("", status_code=201, dependencies=[allow("full")])
async def create_event(given: Given, actor: Actor, said: NewEvent) -> EventNamed:
    """Define an event; one that is not defined may be sent all the same."""
    name, schema = parse_event_name(said.name), parse_schema(said.fields)
    async with given.writing() as session:
        made = await event_definitions.create_event(session, name, schema, actor)
    return EventNamed(id=made.event_id)


@router.get("", dependencies=[allow("read")])
async def list_events(given: Given, page: Paged) -> ListOf[EventItem]:
    """List the events that are defined, newest first."""
    async with given.reading() as session:
        found, has_more = await event_definitions.list_events(session, page)
    return ListOf(has_more=has_more, data=[EventItem(**_told(one)) for one in found])


@router.get("/explain/{event_id:path}", dependencies=[allow("read")])
async def explain_event(given: Given, event_id: str) -> dict[str, Any]:
    """Tell what an event did, or why it did nothing. Beyond Resend.

    `event_id` is what `/events/send` has answered, an idempotency key, or `topic/partition/offset`.
    """
    return dict(await given.explain(event_id))


@router.get("/{identifier:path}", dependencies=[allow("read")])
async def get_event(given: Given, identifier: Named) -> EventView:
    """Get an event by its id or name."""
    async with given.reading() as session:
        found = await event_definitions.get_event(session, identifier)
    return EventView(**_told(found))


@router.patch("/{identifier:path}", dependencies=[allow("full")])
async def update_event(
    given: Given, actor: Actor, identifier: Named, said: SchemaBody
) -> EventNamed:
    """Replace the schema of an event; its name stays."""
    schema = parse_schema(said.fields)
    async with given.writing() as session:
        changed = await event_definitions.update_event(session, identifier, schema, actor)
    return EventNamed(id=changed.event_id)


@router.delete("/{identifier:path}", dependencies=[allow("full")])
async def delete_event(given: Given, actor: Actor, identifier: Named) -> EventDeleted:
    """Delete the definition of an event; it may be sent as before, with any payload."""
    async with given.writing() as session:
        gone = await event_definitions.delete_event(session, identifier, actor)
    return EventDeleted(id=gone.event_id)


def _told(event: EventDefinition) -> dict[str, Any]:
    return {
        "id": event.event_id,
        "name": event.name,
        "fields": event.schema,
        "created_at": instant(event.created_at),
        "updated_at": None if event.updated_at is None else instant(event.updated_at),
    }
