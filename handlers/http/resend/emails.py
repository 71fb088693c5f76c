"""`/emails/{id}`: an e-mail that a run sent, or is about to send."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from handlers.http.bearer import allow
from handlers.http.fault import Fault
from handlers.http.resend.email_view import EmailView, email_view
from handlers.http.resend.errors import ERRORS
from handlers.http.services import Given
from state.postgres.reading_messages import run_of_message
from state.postgres.reading_runs import find_runs

router = APIRouter(prefix="/emails", tags=["Emails"], responses=ERRORS)


@router.get("/{email_id}", dependencies=[allow("read")])
async def get_email(given: Given, email_id: UUID) -> EmailView:
    """Get an e-mail of a run by the `email_id` that the output of its step says."""
    async with given.reading() as session:
        run_id = await run_of_message(session, email_id)
        found = await find_runs(session, [] if run_id is None else [run_id])
    for stored in found:
        record = given.record_of(stored)
        view = email_view(record, str(email_id))
        if view is not None:
            return view
    raise Fault("not_found", "Email not found")
