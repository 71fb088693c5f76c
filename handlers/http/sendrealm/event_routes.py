"""`POST /events`: an event onto Kafka, acknowledged by all replicas before it is accepted."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from handlers.http.bearer import allow
from handlers.http.fault import Fault
from handlers.http.sendrealm.envelopes import Envelope, enveloped
from handlers.http.sendrealm.errors import ERRORS
from handlers.http.sendrealm.events import (
    AcceptedEvent,
    EventSubmission,
    accepted,
    check_submission,
    event_record,
)
from handlers.http.sendrealm.replays import keep, sending
from handlers.http.sent_about import fitting_payload, require_contact
from handlers.http.services import Given
from state.moment import moment_text
from state.problem import ProblemsError

router = APIRouter(prefix="/events", tags=["Events"], responses=ERRORS)


@router.post(
    "",
    status_code=202,
    dependencies=[allow("send")],
    responses={200: {"model": Envelope[AcceptedEvent], "description": "sent before"}},
)
async def send(given: Given, sent: EventSubmission) -> Envelope[AcceptedEvent]:
    """Send an event: it starts the automations it triggers, and resumes runs that wait for it.

    An idempotency key becomes its id: sent twice, it counts once, and the second answer says so.
    """
    _check(sent)
    payload = await fitting_payload(given, sent.event, sent.payload or {})
    if sent.contact_id is not None:
        await require_contact(given, sent.contact_id)
    async with sending(given, sent.idempotency_key) as held:
        if held.known is not None:
            return JSONResponse(enveloped(held.known))  # type: ignore[return-value]  # is rendered
        said_at = moment_text(given.now())
        event_id = await given.publish(event_record(sent, payload))
        answer = accepted(sent, event_id, said_at)
        await keep(given, held, answer)
    return JSONResponse(enveloped(answer), 202)  # type: ignore[return-value]  # is rendered


def _check(sent: EventSubmission) -> None:
    try:
        check_submission(sent)
    except ProblemsError as error:
        problems = error.problems
        raise Fault(
            "field_invalid", str(error), field=problems[0].field, problems=problems
        ) from None
