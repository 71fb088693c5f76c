"""`/automations/{id}/runs`: what an automation did."""

from __future__ import annotations

from typing import Annotated, cast, get_args
from uuid import UUID

from fastapi import APIRouter, Query

from handlers.http.fault import Fault
from handlers.http.resend.auth import allow
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.resend.run_view import RunItem, RunStatus, RunView, run_item, run_view
from handlers.http.services import Given
from handlers.publishing.catalogue import compile_version
from handlers.record import run_record
from state.postgres.automations_by_id import find_automation
from state.postgres.reading_runs import find_runs
from state.postgres.run_pages import runs_page

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
    async with given.reading() as session:
        found = await find_runs(session, [run_id])
    if not found or found[0].run.automation_id != automation_id:
        raise Fault("not_found", "Automation run not found")
    (stored,) = found
    return run_view(run_record(stored, compile_version(*stored.version)))


def _wanted(status: str | None) -> list[RunStatus]:
    """Return the statuses of a comma list; none are all."""
    named = [one.strip() for one in (status or "").split(",") if one.strip()]
    for one in named:
        if one not in _STATUSES:
            raise Fault(
                "field_invalid",
                f"`status`: {one!r:.40} is none of {', '.join(_STATUSES)}",
                field="status",
            )
    return cast("list[RunStatus]", named or list(_STATUSES))
