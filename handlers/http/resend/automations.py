"""`/automations`: read."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from handlers.http.resend.auth import allow
from handlers.http.resend.automation_view import (
    AutomationItem,
    AutomationView,
    Status,
    automation_item,
    automation_view,
)
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.services import Given
from state.postgres.automations_by_id import page_of_automations, read_automation

router = APIRouter(prefix="/automations", tags=["Automations"], responses=ERRORS)


@router.get("", dependencies=[allow("read")])
async def list_automations(
    given: Given, page: Paged, status: Annotated[Status | None, Query()] = None
) -> ListOf[AutomationItem]:
    """List automations, newest first."""
    is_enabled = None if status is None else status == "enabled"
    async with given.reading() as session:
        rows, has_more = await page_of_automations(session, page, is_enabled)
    return ListOf(has_more=has_more, data=[automation_item(row) for row in rows])


@router.get("/{automation_id}", dependencies=[allow("read")])
async def get_automation(given: Given, automation_id: UUID) -> AutomationView:
    """Get an automation with its graph."""
    async with given.reading() as session:
        row, version = await read_automation(session, automation_id)
    return automation_view(row, version.definition)
