"""What events that come by HTTP are checked against: definitions, and whom they are about."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from handlers.http.fault import Fault
from handlers.http.services import Services
from handlers.publishing.event_schema import validate_payload
from state.contact import contact_number
from state.postgres.reading_contacts import load_contact


async def fitting_payload(
    given: Services, event: str, payload: Mapping[str, object]
) -> dict[str, object]:
    """Return the payload with each field of the type that the event's definition says, if any.

    Raises:
        PayloadError: values are of other types; names each field.
    """
    return validate_payload(await given.schema_of(event), payload)


async def require_contact(given: Services, contact_id: UUID) -> None:
    """Refuse an id that names nobody: nothing would ever come of the event.

    Raises:
        Fault: there is no such contact.
    """
    number = contact_number(contact_id)
    async with given.reading() as session:
        contact = None if number is None else await load_contact(session, number)
    if contact is None or contact.deleted_at is not None:
        raise Fault("not_found", "Contact not found")
