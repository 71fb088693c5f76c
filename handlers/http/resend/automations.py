"""`/automations`: created, read, changed, copied, stopped and deleted."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from handlers.http.bearer import allow
from handlers.http.defining import change_posted, create_posted
from handlers.http.resend.automation_body import Posted, telling_what_lacks
from handlers.http.resend.automation_view import (
    AutomationDeleted,
    AutomationItem,
    AutomationNamed,
    AutomationStopped,
    AutomationView,
    Status,
    automation_item,
    automation_view,
)
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.resend.wait_names import unnamed
from handlers.http.services import Actor, Given
from state.postgres.automations_by_id import (
    Change,
    change_automation,
    duplicate_automation,
    page_of_automations,
    read_automation,
    remove_automation,
)

router = APIRouter(prefix="/automations", tags=["Automations"], responses=ERRORS)


@router.post("", status_code=201, dependencies=[allow("full")])
async def create_automation(given: Given, actor: Actor, body: Posted = None) -> AutomationNamed:
    """Create an automation of a name, steps and connections; it is disabled unless it says so."""
    with telling_what_lacks():
        async with given.writing() as session:
            row = await create_posted(session, unnamed(body), actor)
    return AutomationNamed(id=row.automation_id)


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


@router.patch("/{automation_id}", dependencies=[allow("full")])
async def update_automation(
    given: Given, actor: Actor, automation_id: UUID, body: Posted = None
) -> AutomationNamed:
    """Change the name, the status, or the whole graph: that only while it is disabled.

    Runs in progress stay on the graph they started with.
    """
    with telling_what_lacks():
        async with given.writing() as session:
            row = await change_posted(session, automation_id, unnamed(body), actor)
    return AutomationNamed(id=row.automation_id)


@router.post("/{automation_id}/duplicate", status_code=201, dependencies=[allow("full")])
async def copy_automation(given: Given, actor: Actor, automation_id: UUID) -> AutomationNamed:
    """Copy an automation into a new one, disabled, whose name ends in ` (Copy)`."""
    async with given.writing() as session:
        row = await duplicate_automation(session, automation_id, actor)
    return AutomationNamed(id=row.automation_id)


@router.post("/{automation_id}/stop", dependencies=[allow("full")])
async def stop_automation(given: Given, actor: Actor, automation_id: UUID) -> AutomationStopped:
    """Let an automation start no more runs; those in progress go on (rule S4)."""
    async with given.writing() as session:
        await change_automation(session, automation_id, Change(is_enabled=False), actor)
    return AutomationStopped(id=automation_id)


@router.delete("/{automation_id}", dependencies=[allow("full")])
async def delete_automation(given: Given, actor: Actor, automation_id: UUID) -> AutomationDeleted:
    """Delete an automation, and cancel its runs: nobody could stop them any more."""
    async with given.writing() as session:
        await remove_automation(session, automation_id, actor, with_runs=True)
    await given.cancel_runs_of(automation_id, actor)
    return AutomationDeleted(id=automation_id)
