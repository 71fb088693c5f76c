"""`/automations/{id}/runs`: what an automation did."""

from __future__ import annotations

from typing import Annotated, cast, get_args
from uuid import UUID

from fastapi import APIRouter, Query

from handlers.http.bearer import allow
from handlers.http.fault import Fault
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.resend.run_view import (
    RunCancelled,
    RunItem,
    RunRetried,
    RunStatus,
    RunView,
    run_item,
    run_view,
)
from handlers.http.services import Actor, Given, Services
from state.postgres.automations_by_id import find_automation
from state.postgres.reading_runs import find_runs
from state.postgres.run_pages import runs_page
from state.problem import spelled
from state.reading import StoredRun

router = APIRouter(prefix="/automations/{automation_id}/runs", tags=["Runs"], responses=ERRORS)

_STATUSES = get_args(RunStatus)


@router.get("", dependencies=[allow("read")])
async def list_runs(
    given: Given,
    automation_id: UUID,
    page: Paged,
    status: Annotated[
        str | None, Query(description=f"Of {', '.join(_STATUSES)}; several by commas.")
    ] = None,
) -> ListOf[RunItem]:
    """List an automation's runs, newest first."""
    statuses = _wanted(status)
    async with given.reading() as session:
        await find_automation(session, automation_id)
        rows, has_more = await runs_page(session, automation_id, statuses, page)
    return ListOf(has_more=has_more, data=[run_item(row) for row in rows])


@router.get("/{run_id}", dependencies=[allow("read")])
async def get_run(given: Given, automation_id: UUID, run_id: UUID) -> RunView:
    """Get a run with every step that it has executed."""
    stored = await _stored(given, automation_id, run_id)
    return run_view(given.record_of(stored))


@router.post("/{run_id}/cancel", dependencies=[allow("full")])
async def cancel_run(given: Given, actor: Actor, automation_id: UUID, run_id: UUID) -> RunCancelled:
    """End a run where it stands. Beyond Resend, which has no way to stop one run."""
    stored = await _stored(given, automation_id, run_id)
    if not await given.cancel_run(stored.run.contact_id, run_id, actor):
        raise Fault("conflict", "The run was not cancelled: it has ended already")
    return RunCancelled(id=run_id)


@router.post("/{run_id}/retry", status_code=201, dependencies=[allow("full")])
async def retry_run(given: Given, actor: Actor, automation_id: UUID, run_id: UUID) -> RunRetried:
    """Try a failed run again, in a new run that goes on at the step that failed. Beyond Resend."""
    await _stored(given, automation_id, run_id)
    return RunRetried(id=await given.retry_run(run_id, actor), retried_from=run_id)


async def _stored(given: Services, automation_id: UUID, run_id: UUID) -> StoredRun:
    async with given.reading() as session:
        found = await find_runs(session, [run_id])
    if not found or found[0].run.automation_id != automation_id:
        raise Fault("not_found", "Automation run not found")
    return found[0]


def _wanted(status: str | None) -> list[RunStatus]:
    """Return the statuses of a comma list; none are all."""
    named = [one.strip() for one in (status or "").split(",") if one.strip()]
    for one in named:
        if one not in _STATUSES:
            raise Fault(
                "field_invalid",
                f"`status`: {spelled(one)} is none of {', '.join(_STATUSES)}",
                field="status",
            )
    return cast("list[RunStatus]", named or list(_STATUSES))
