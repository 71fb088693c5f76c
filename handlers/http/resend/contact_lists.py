"""Lists of contacts: all of them, or those in a segment."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from handlers.http.bearer import allow
from handlers.http.resend.contact_names import segment_of
from handlers.http.resend.contact_view import ContactItem, contact_item
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.services import Given, Services
from state.postgres.contact_pages import page_of_contacts, page_of_members
from state.postgres.keyset import Page

router = APIRouter(tags=["Contacts"], responses=ERRORS)


@router.get("/contacts", dependencies=[allow("read")])
async def list_contacts(
    given: Given, page: Paged, segment_id: UUID | None = None
) -> ListOf[ContactItem]:
    """List contacts, the newest numbers first; of a segment too."""
    return await _listed(given, page, segment_id)


@router.get("/segments/{segment_id}/contacts", dependencies=[allow("read")])
async def list_members(given: Given, page: Paged, segment_id: UUID) -> ListOf[ContactItem]:
    """List who is in a segment, the newest numbers first."""
    return await _listed(given, page, segment_id)


@router.get("/audiences/{audience_id}/contacts", dependencies=[allow("read")])
async def list_in_audience(given: Given, page: Paged, audience_id: UUID) -> ListOf[ContactItem]:
    """List who is in a segment: audiences are what segments were once called."""
    return await _listed(given, page, audience_id)


async def _listed(given: Services, page: Page, segment_id: UUID | None) -> ListOf[ContactItem]:
    async with given.reading() as session:
        if segment_id is None:
            contacts, has_more = await page_of_contacts(session, page)
        else:
            await segment_of(session, segment_id)
            contacts, has_more = await page_of_members(session, segment_id, page)
    return ListOf(has_more=has_more, data=[contact_item(one) for one in contacts])
