"""`/segments`, and `/audiences` as they were called before: named groups of contacts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from handlers.http.bearer import allow
from handlers.http.fault import Fault
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.instants import instant
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.services import Actor, Given
from state.name import parse_name
from state.postgres.audience_changes import UnknownAudience
from state.postgres.audiences_by_id import (
    SegmentFacts,
    delete_segment,
    get_segment,
    make_segment,
    page_of_segments,
    rename_segment,
)
from state.postgres.refusals import NotFound
from state.problem import Collector

router = APIRouter(tags=["Segments"], responses=ERRORS)
routes = APIRouter()


class SegmentBody(BaseModel):
    """The name of a segment, which no other one has."""

    name: str


class SegmentNamed(BaseModel):
    """Which segment was changed."""

    object: Literal["segment"] = "segment"
    id: UUID


class SegmentMade(SegmentNamed):
    """The segment that was created."""

    name: str


class SegmentDeleted(SegmentNamed):
    """The segment is gone, if there was one."""

    deleted: Literal[True] = True


class SegmentItem(BaseModel):
    """A segment in a list."""

    id: UUID
    name: str
    created_at: str


class SegmentView(SegmentItem):
    """A segment."""

    object: Literal["segment"] = "segment"


@contextmanager
def known_as_audience() -> Iterator[None]:
    """Say that a segment is not found as Resend does, by the name that segments had once."""
    try:
        yield
    except NotFound:
        raise Fault("not_found", "Audience not found") from None


@routes.post("", status_code=201, dependencies=[allow("full")])
async def create(given: Given, actor: Actor, body: SegmentBody) -> SegmentMade:
    """Create a segment."""
    name = _name(body)
    async with given.writing() as session:
        made = await make_segment(session, name, actor)
    return SegmentMade(id=made.segment_id, name=made.name)


@routes.get("", dependencies=[allow("read")])
async def list_segments(given: Given, page: Paged) -> ListOf[SegmentItem]:
    """List segments, newest first."""
    async with given.reading() as session:
        found, has_more = await page_of_segments(session, page)
    return ListOf(has_more=has_more, data=[SegmentItem(**_told(one)) for one in found])


@routes.get("/{segment_id}", dependencies=[allow("read")])
async def get(given: Given, segment_id: UUID) -> SegmentView:
    """Get a segment."""
    with known_as_audience():
        async with given.reading() as session:
            found = await get_segment(session, segment_id)
    return SegmentView(**_told(found))


@routes.patch("/{segment_id}", dependencies=[allow("full")])
async def rename(given: Given, actor: Actor, segment_id: UUID, body: SegmentBody) -> SegmentNamed:
    """Rename a segment; its members stay in it."""
    name = _name(body)
    with known_as_audience():
        async with given.writing() as session:
            await rename_segment(session, segment_id, name, actor)
    return SegmentNamed(id=segment_id)


@routes.delete("/{segment_id}", dependencies=[allow("full")])
async def delete(given: Given, actor: Actor, segment_id: UUID) -> SegmentDeleted:
    """Delete a segment, not its contacts; of an unknown id, nothing is left to do."""
    with suppress(
        NotFound, UnknownAudience
    ):  # Resend answers the same, whether there was one or not
        async with given.writing() as session:
            await delete_segment(session, segment_id, actor)
    return SegmentDeleted(id=segment_id)


router.include_router(routes, prefix="/segments")
router.include_router(routes, prefix="/audiences", include_in_schema=False)


def _name(body: SegmentBody) -> str:
    found = Collector()
    name = found.attempt("name", parse_name, body.name)
    found.check()
    assert name is not None, "a name without problems was parsed"
    return name


def _told(segment: SegmentFacts) -> dict[str, object]:
    return {
        "id": segment.segment_id,
        "name": segment.name,
        "created_at": instant(segment.created_at),
    }
