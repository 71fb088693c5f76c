"""Whom a request means: contacts by id or e-mail address, segments by id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import Path

from handlers.http.fault import Fault
from handlers.http.resend.segments import known_as_audience
from state.contact import Contact, contact_uuid
from state.event import Identifier
from state.identifier import IdentifierError, is_email_address, normalise
from state.postgres.audiences_by_id import SegmentFacts, get_segment
from state.postgres.reading_contacts import contact_number_of, load_contact
from state.postgres.refusals import id_in
from state.postgres.session import Session

#: Decoded once, where routes are found: a plus stays one.
Named = Annotated[str, Path(description="The contact's id or e-mail address.")]


def email_in(text: str) -> str:
    """Return an e-mail address in its normal form.

    Raises:
        Fault: it is none.
    """
    try:
        value = normalise("email", text)
    except IdentifierError as error:
        raise Fault("field_invalid", f"`email`: expected {error}", field="email") from None
    if not is_email_address(value):
        raise Fault("field_invalid", "`email`: this is no e-mail address", field="email")
    return value


async def find_contact(session: Session, named: str) -> Contact | None:
    """Return the contact of this id or e-mail address, None if there is none or it was deleted."""
    identifier = _identifier(named)
    number = None if identifier is None else await contact_number_of(session, identifier)
    contact = None if number is None else await load_contact(session, number)
    return None if contact is None or contact.deleted_at is not None else contact


async def get_contact(session: Session, named: str) -> Contact:
    """Return the contact of this id or e-mail address.

    Raises:
        Fault: there is none.
    """
    contact = await find_contact(session, named)
    if contact is None:
        raise Fault("not_found", "Contact not found")
    return contact


async def segment_of(session: Session, segment_id: UUID) -> SegmentFacts:
    """Return a segment.

    Raises:
        Fault: there is none; Resend still says so by the segments' old name.
    """
    with known_as_audience():
        return await get_segment(session, segment_id)


def about(contact: Contact) -> Mapping[str, object]:
    """Return what a contact event names a contact by."""
    return {"contact_id": str(contact_uuid(contact.contact_id))}


def _identifier(named: str) -> Identifier | None:
    if id_in(named) is not None:
        return Identifier("contact_id", str(id_in(named)))
    try:
        return Identifier("email", normalise("email", named))
    except IdentifierError:
        return None
