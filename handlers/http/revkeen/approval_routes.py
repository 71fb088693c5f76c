"""`/v2/automations/approvals`: there are none, as no step asks for one."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from handlers.http.fault import Fault
from handlers.http.revkeen.auth import allow
from handlers.http.revkeen.documents import ApprovalDecision, ApprovalItem, Rejection
from handlers.http.revkeen.envelopes import Envelope, Listing, listed
from handlers.http.revkeen.errors import ERRORS
from handlers.http.revkeen.idempotency import ONCE, OnceRoute
from handlers.http.revkeen.paging import Paged

router = APIRouter(
    prefix="/v2/automations/approvals",
    tags=["Approvals"],
    responses=ERRORS,
    route_class=OnceRoute,
)


@router.get("", dependencies=[allow("read")])
async def list_approvals(
    page: Paged, status: Annotated[str | None, Query()] = None
) -> Listing[ApprovalItem]:
    """List approvals, pending and resolved."""
    return JSONResponse(listed([], page, 0))  # type: ignore[return-value]  # is rendered


@router.post("/{approval_id}/approve", dependencies=[allow("full"), ONCE])
async def approve(approval_id: UUID) -> Envelope[ApprovalDecision]:
    """Let a run go on."""
    raise _not_found()


@router.post("/{approval_id}/reject", dependencies=[allow("full"), ONCE])
async def reject(
    approval_id: UUID, rejection: Rejection | None = None
) -> Envelope[ApprovalDecision]:
    """Let a run not go on."""
    raise _not_found()


def _not_found() -> Fault:
    return Fault("not_found", "The approval does not exist, or your key may not see it")
