"""`/v2/automations`: made and read."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from handlers.http.defining import create_drawn
from handlers.http.revkeen.auth import allow
from handlers.http.revkeen.automations import (
    AutomationCreation,
    AutomationDocument,
    AutomationItem,
    automation_document,
    automation_item,
    created_file,
)
from handlers.http.revkeen.envelopes import Envelope, Listing, enveloped, listed
from handlers.http.revkeen.errors import ERRORS
from handlers.http.revkeen.idempotency import ONCE, OnceRoute, keep_with
from handlers.http.revkeen.paging import Paged
from handlers.http.services import Actor, Given
from state.postgres.automations import list_automations
from state.postgres.automations_by_id import read_automation
from state.postgres.reading_runs import versions_of

router = APIRouter(
    prefix="/v2/automations", tags=["Automations"], responses=ERRORS, route_class=OnceRoute
)


@router.get("", dependencies=[allow("read")])
async def list_all(given: Given, page: Paged) -> Listing[AutomationItem]:
    """List automations by name."""
    async with given.reading() as session:
        rows = await list_automations(session)
        shown = rows[page.offset : page.offset + page.limit]
        keys = {(row.automation_id, row.current_version): row for row in shown}
        versions = await versions_of(session, keys)
    items = [automation_item(row, versions[key].definition) for key, row in keys.items()]
    return JSONResponse(listed(items, page, len(rows)))  # type: ignore[return-value]  # is rendered


@router.get("/{automation_id}", dependencies=[allow("read")])
async def get(given: Given, automation_id: UUID) -> Envelope[AutomationDocument]:
    """Get an automation with its plan."""
    async with given.reading() as session:
        row, version = await read_automation(session, automation_id)
    document = automation_document(row, version.definition)
    return JSONResponse(enveloped(document))  # type: ignore[return-value]  # is rendered


@router.post("", status_code=201, dependencies=[allow("full"), ONCE])
async def create(
    request: Request, given: Given, actor: Actor, body: AutomationCreation
) -> Envelope[AutomationDocument]:
    """Create an automation; it is active unless it says otherwise."""
    async with given.writing() as session:
        row = await create_drawn(session, created_file(body), actor)
        row, version = await read_automation(session, row.automation_id)
        answer = JSONResponse(enveloped(automation_document(row, version.definition)), 201)
        await keep_with(session, request, answer)
    return answer  # type: ignore[return-value]  # is rendered
