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
    deduplicated,
    event_record,
)
from handlers.http.services import Given, Services
from state.moment import moment_text
from state.postgres.reading_events import events_of_keys
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

    An idempotency key becomes its id: sent twice, it counts once. The second answer says so as soon
    as the first one was stored, which takes a worker, and somebody who uses the event.
    """
    try:
        check_submission(sent)
    except ProblemsError as error:
        field = error.problems[0].field
        raise Fault("field_invalid", str(error), field=field) from None
    known = None if sent.idempotency_key is None else await _stored(given, sent.idempotency_key)
    if known is not None:
        return JSONResponse(enveloped(known))  # type: ignore[return-value]  # is rendered
    record = event_record(sent)
    said_at = moment_text(given.now())
    record["id"] = await given.publish(record)
    answer = accepted(record, said_at)
    return JSONResponse(enveloped(answer), 202)  # type: ignore[return-value]  # is rendered


async def _stored(given: Services, idempotency_key: str) -> dict[str, object] | None:
    """Return the answer to an event that is stored under this key, None if there is none."""
    async with given.reading() as session:
        found = await events_of_keys(session, [given.event_key(idempotency_key)])
    if not found:
        return None
    return deduplicated(found[0].id, found[0].name, moment_text(found[0].occurred_at))
