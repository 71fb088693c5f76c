"""`/automation-runs/:id` and `/automations/:id/runs`: what automations did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from handlers.http.bearer import allow
from handlers.http.fault import Fault
from handlers.http.sendrealm.documents import RunDetail, RunItem
from handlers.http.sendrealm.envelopes import Envelope, Listing, enveloped, listed
from handlers.http.sendrealm.errors import ERRORS
from handlers.http.sendrealm.runs import run_detail, run_item
from handlers.http.services import Given
from handlers.record import run_summary
from state.postgres.automations_by_id import find_automation
from state.postgres.keyset import Page
from state.postgres.reading_runs import find_runs
from state.postgres.run_pages import runs_page
from state.problem import spelled

router = APIRouter(tags=["Runs"], responses=ERRORS)

#: The statuses that may be asked for, and ours. What a run in progress does meanwhile is no status
#: of ours: `pending`, `running` and `waiting` each ask for all that are in progress.
STATUSES: Mapping[str, str] = {
    "pending": "running",
    "running": "running",
    "waiting": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


@router.get("/automation-runs/{run_id}", dependencies=[allow("read")])
async def get_run(given: Given, run_id: UUID) -> Envelope[RunDetail]:
    """Get a run with every step, wait and message."""
    async with given.reading() as session:
        found = await find_runs(session, [run_id])
    if not found:
        raise Fault("not_found", "Automation run not found")
    (stored,) = found
    record = given.record_of(stored)
    return JSONResponse(enveloped(run_detail(record)))  # type: ignore[return-value]  # is rendered


@router.get("/automations/{automation_id}/runs", dependencies=[allow("read")])
async def list_runs(
    given: Given,
    automation_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    status: Annotated[
        str | None, Query(description=f"Of {', '.join(STATUSES)}; several by commas.")
    ] = None,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before.")] = None,
) -> Listing[RunItem]:
    """List an automation's runs, newest first."""
    statuses = _wanted(status)
    async with given.reading() as session:
        await find_automation(session, automation_id)
        rows, has_more = await runs_page(session, automation_id, statuses, Page(limit, cursor))
        stored = await find_runs(session, [row.run_id for row in rows])
    shown = {one.run.run_id: run_item(run_summary(one)) for one in stored}
    items = [shown[row.run_id] for row in rows if row.run_id in shown]
    following = str(rows[-1].run_id) if has_more else None
    return JSONResponse(listed(items, following))  # type: ignore[return-value]  # is rendered


def _wanted(status: str | None) -> list[str]:
    """Return our statuses that a comma list asks for; none are all."""
    named = [one.strip() for one in (status or "").split(",") if one.strip()]
    for one in named:
        if one not in STATUSES:
            told = f"`status`: {spelled(one)} is none of {', '.join(STATUSES)}"
            raise Fault("field_invalid", told, field="status")
    return sorted({STATUSES[one] for one in named or STATUSES})
