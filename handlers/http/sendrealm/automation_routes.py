"""`/automations`: made, changed, published and read.

What was never published starts nothing and is changed at will. One that is active is not: there is
no draft beside its published version that a change could go to.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from handlers.http.bearer import allow
from handlers.http.defining import create_drawn, redraw
from handlers.http.fault import Fault
from handlers.http.sendrealm.automations import (
    AutomationCreation,
    AutomationDocument,
    AutomationItem,
    AutomationUpdate,
    PublishedAutomation,
    automation_document,
    automation_item,
    created_file,
    published_automation,
    status_of,
    updated_file,
)
from handlers.http.sendrealm.envelopes import Envelope, Listing, enveloped, listed
from handlers.http.sendrealm.errors import ERRORS
from handlers.http.services import Actor, Given
from state.postgres.automations import list_automations
from state.postgres.automations_by_id import (
    Change,
    change_automation,
    hold_automation,
    read_automation,
)

router = APIRouter(prefix="/automations", tags=["Automations"], responses=ERRORS)


@router.get("", dependencies=[allow("read")])
async def list_all(
    given: Given,
    status: Annotated[Literal["draft", "active", "paused"] | None, Query()] = None,
    search: Annotated[str | None, Query(description="A part of the name, in any case.")] = None,
) -> Listing[AutomationItem]:
    """List automations by name."""
    async with given.reading() as session:
        rows = await list_automations(session)
    part = (search or "").casefold()
    items = [
        automation_item(row)
        for row in rows
        if status in (None, status_of(row)) and part in row.name.casefold()
    ]
    return JSONResponse(listed(items))  # type: ignore[return-value]  # is rendered


@router.get("/{automation_id}", dependencies=[allow("read")])
async def get(given: Given, automation_id: UUID) -> Envelope[AutomationDocument]:
    """Get an automation with its graph."""
    async with given.reading() as session:
        row, version = await read_automation(session, automation_id)
    document = automation_document(row, version.definition)
    return JSONResponse(enveloped(document))  # type: ignore[return-value]  # is rendered


@router.post("", status_code=201, dependencies=[allow("full")])
async def create(
    given: Given, actor: Actor, body: AutomationCreation
) -> Envelope[AutomationDocument]:
    """Create an automation; it starts runs once it is published."""
    async with given.writing() as session:
        row = await create_drawn(session, created_file(body), actor)
        row, version = await read_automation(session, row.automation_id)
    document = automation_document(row, version.definition)
    return JSONResponse(enveloped(document), 201)  # type: ignore[return-value]  # is rendered


@router.patch("/{automation_id}", dependencies=[allow("full")])
async def update(
    given: Given, actor: Actor, automation_id: UUID, body: AutomationUpdate
) -> Envelope[AutomationDocument]:
    """Change what is sent of an automation that is not active."""
    async with given.writing() as session:
        row, version = await hold_automation(session, automation_id)
        if row.is_enabled:
            told = "The automation is active: `waitline automations stop` it, then change it"
            raise Fault("conflict", told)
        file = updated_file(body, row, version)
        row = await redraw(session, automation_id, file, actor)
        row, version = await read_automation(session, automation_id)
    document = automation_document(row, version.definition)
    return JSONResponse(enveloped(document))  # type: ignore[return-value]  # is rendered


@router.post("/{automation_id}/publish", dependencies=[allow("full")])
async def publish(given: Given, actor: Actor, automation_id: UUID) -> Envelope[PublishedAutomation]:
    """Let an automation start runs."""
    async with given.writing() as session:
        enabled = Change(is_enabled=True)
        row = await change_automation(session, automation_id, enabled, actor)
    return JSONResponse(enveloped(published_automation(row)))  # type: ignore[return-value]  # is rendered
