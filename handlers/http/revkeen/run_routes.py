"""`/v2/automations/{id}/runs`: what an automation did, and runs that are asked for by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from handlers.http.fault import Fault
from handlers.http.revkeen.auth import allow
from handlers.http.revkeen.documents import RunDetail, RunItem, RunQueued
from handlers.http.revkeen.envelopes import Envelope, Listing, enveloped, listed
from handlers.http.revkeen.errors import ERRORS
from handlers.http.revkeen.idempotency import ONCE, Claimed, OnceRoute
from handlers.http.revkeen.manual import ManualRun, check_runnable, event_record
from handlers.http.revkeen.paging import COUNTED_MAX, Paged
from handlers.http.revkeen.runs import run_detail, run_item, run_queued
from handlers.http.services import Given, Services
from handlers.record import run_summary
from state.postgres.automations_by_id import find_automation, read_automation
from state.postgres.keyset import Page
from state.postgres.reading_events import name_uses
from state.postgres.reading_runs import find_runs
from state.postgres.run_counts import count_runs
from state.postgres.run_pages import runs_page
from state.problem import spelled
from state.run import run_id_of

router = APIRouter(
    prefix="/v2/automations/{automation_id}/runs",
    tags=["Runs"],
    responses=ERRORS,
    route_class=OnceRoute,
)

#: The statuses that may be asked for, and ours: no run that is recorded waits for its turn, or for
#: an approval.
STATUSES: Mapping[str, tuple[str, ...]] = {
    "queued": (),
    "running": ("running",),
    "waiting_approval": (),
    "completed": ("completed",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}


@router.get("", dependencies=[allow("read")])
async def list_runs(
    given: Given,
    automation_id: UUID,
    page: Paged,
    status: Annotated[str | None, Query(description=f"One of {', '.join(STATUSES)}.")] = None,
) -> Listing[RunItem]:
    """List an automation's runs, newest first; `total` is counted up to 10,000."""
    statuses = _wanted(status)
    async with given.reading() as session:
        await find_automation(session, automation_id)
        upto = Page(page.offset + page.limit)
        rows, _ = await runs_page(session, automation_id, statuses, upto)
        shown = rows[page.offset :]
        stored = await find_runs(session, [row.run_id for row in shown])
        total = await count_runs(session, automation_id, statuses, COUNTED_MAX)
    items = {one.run.run_id: run_item(run_summary(one)) for one in stored}
    in_order = [items[row.run_id] for row in shown if row.run_id in items]
    return JSONResponse(listed(in_order, page, total))  # type: ignore[return-value]  # is rendered


@router.get("/{run_id}", dependencies=[allow("read")])
async def get_run(given: Given, automation_id: UUID, run_id: UUID) -> Envelope[RunDetail]:
    """Get a run with every step that it has executed."""
    async with given.reading() as session:
        automation = await find_automation(session, automation_id)
        found = await find_runs(session, [run_id])
    if not found or found[0].run.automation_id != automation_id:
        raise Fault("not_found", "The automation run does not exist, or your key may not see it")
    (stored,) = found
    record = given.record_of(stored)
    document = run_detail(record, automation, stored.version.definition)
    return JSONResponse(enveloped(document))  # type: ignore[return-value]  # is rendered


@router.post("", status_code=202, dependencies=[allow("full"), ONCE])
async def run_by_hand(
    given: Given, automation_id: UUID, claim: Claimed, asked: ManualRun | None = None
) -> Envelope[RunQueued]:
    """Queue a run of an automation whose trigger is `manual`.

    The contact is who `trigger_payload` names by `contact_id`, `external_id`, `email` or `phone`;
    else nobody that is known. Rules find a payload that is no object under `event.value`.
    """
    trigger_event = await _trigger_event(given, automation_id)
    # The same again, after an attempt whose end nobody saw, is the same event, and the same run.
    event_id = str(given.new_id() if claim is None else claim.occasion)
    await given.publish(event_record(asked or ManualRun(), trigger_event, event_id))
    run_id = run_id_of(automation_id, given.event_key(event_id))
    document = enveloped(run_queued(run_id, automation_id, event_id))
    return JSONResponse(document, 202)  # type: ignore[return-value]  # is rendered


async def _trigger_event(given: Services, automation_id: UUID) -> str:
    async with given.reading() as session:
        row, version = await read_automation(session, automation_id)
        uses = await name_uses(session)
    return check_runnable(row, version.definition, uses)


def _wanted(status: str | None) -> list[str]:
    """Return our statuses that are asked for; none is all."""
    if status is None:
        return [ours for some in STATUSES.values() for ours in some]
    if status not in STATUSES:
        told = f"`status`: {spelled(status)} is none of {', '.join(STATUSES)}"
        raise Fault("field_invalid", told, field="status")
    return list(STATUSES[status])
