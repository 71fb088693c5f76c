"""`/contact-properties`: what contacts may have besides names, and what stands in for none."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from handlers.http.bearer import allow
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.instants import instant
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.services import Actor, Given
from handlers.publishing.contact_property import PropertyType, parse_fallback, parse_property
from state.postgres import contact_properties
from state.postgres.contact_properties import ContactProperty, Fallback as StoredFallback
from state.problem import Collector

router = APIRouter(prefix="/contact-properties", tags=["Contact properties"], responses=ERRORS)

Named = Annotated[str, Path(description="The property's id or key.")]

#: Whatever it is: whether it is of the property's type, the property knows.
Fallback = Annotated[
    Any,
    Field(
        description="What contacts without a value have: text or a number, as its type says; null "
        "for nothing.",
        examples=["free"],
    ),
]


class FallbackBody(BaseModel):
    """The fallback that replaces a property's; null clears it."""

    fallback_value: Fallback


class NewProperty(BaseModel):
    """A property to define."""

    key: str = Field(description="Letters, digits and underscores, at most 50.")
    type: str = Field(json_schema_extra={"enum": ["string", "number"]})
    fallback_value: Fallback = None


class PropertyNamed(BaseModel):
    """Which property was defined or changed."""

    object: Literal["contact_property"] = "contact_property"
    id: UUID


class PropertyDeleted(PropertyNamed):
    """The definition is gone."""

    deleted: Literal[True] = True


class PropertyItem(BaseModel):
    """A property in a list."""

    id: UUID
    key: str
    type: Literal["string", "number"]
    fallback_value: str | int | float | None
    created_at: str


class PropertyView(PropertyItem):
    """A property as it is defined."""

    object: Literal["contact_property"] = "contact_property"


@router.post("", status_code=201, dependencies=[allow("full")])
async def create_property(given: Given, actor: Actor, body: NewProperty) -> PropertyNamed:
    """Define a property; contacts may have values of others as well, which have no fallback."""
    about = parse_property(body.model_dump())
    async with given.writing() as session:
        made = await contact_properties.create_property(session, about, actor)
    return PropertyNamed(id=made.property_id)


@router.get("", dependencies=[allow("read")])
async def list_properties(given: Given, page: Paged) -> ListOf[PropertyItem]:
    """List the properties that are defined, newest first."""
    async with given.reading() as session:
        found, has_more = await contact_properties.list_properties(session, page)
    return ListOf(has_more=has_more, data=[PropertyItem(**_told(one)) for one in found])


@router.get("/{identifier}", dependencies=[allow("read")])
async def get_property(given: Given, identifier: Named) -> PropertyView:
    """Get a property by its id or key."""
    async with given.reading() as session:
        found = await contact_properties.get_property(session, identifier)
    return PropertyView(**_told(found))


@router.patch("/{identifier}", dependencies=[allow("full")])
async def update_property(
    given: Given, actor: Actor, identifier: Named, body: FallbackBody
) -> PropertyNamed:
    """Change what stands in for none; the key and the type stay."""
    async with given.writing() as session:
        found = await contact_properties.get_property(session, identifier)
        fallback = _fallback(found.type, body.fallback_value)
        named = str(found.property_id)
        await contact_properties.update_property(session, named, fallback, actor)
    return PropertyNamed(id=found.property_id)


@router.delete("/{identifier}", dependencies=[allow("full")])
async def delete_property(given: Given, actor: Actor, identifier: Named) -> PropertyDeleted:
    """Delete a property's definition; the values that contacts have stay theirs."""
    async with given.writing() as session:
        gone = await contact_properties.delete_property(session, identifier, actor)
    return PropertyDeleted(id=gone.property_id)


def _fallback(kind: str, raw: object) -> StoredFallback:
    found = Collector()
    fallback = found.attempt("fallback_value", parse_fallback, cast("PropertyType", kind), raw)
    found.check()
    return fallback


def _told(one: ContactProperty) -> dict[str, Any]:
    return {
        "id": one.property_id,
        "key": one.key,
        "type": one.type,
        "fallback_value": one.fallback,
        "created_at": instant(one.created_at),
    }
