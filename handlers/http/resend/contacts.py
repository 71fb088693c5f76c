"""`/contacts`: made, read, changed and deleted; each write is a contact event on Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from handlers.http.bearer import allow
from handlers.http.fault import Fault
from handlers.http.resend.contact_names import (
    Named,
    about,
    email_in,
    find_contact,
    get_contact,
    segment_of,
)
from handlers.http.resend.contact_view import ContactView, contact_view
from handlers.http.resend.contact_words import (
    ContactWords,
    Event,
    NewContact,
    consent_events,
    contact_event,
    topic_events,
)
from handlers.http.resend.errors import ERRORS
from handlers.http.services import Given, Services
from state.contact import Contact, contact_uuid
from state.postgres.audiences_by_id import get_topic

router = APIRouter(tags=["Contacts"], responses=ERRORS)


async def _is_known(
    given: Given, audience_id: Annotated[UUID, Path(description="A segment's id.")]
) -> None:
    async with given.reading() as session:
        await segment_of(session, audience_id)


#: The dependency of the old paths below audiences, as segments were once called: there is the one
#: that is named. Which contact is meant, the rest of the path says, whether it is in it or not.
_BELOW_AUDIENCE = Depends(_is_known)


class ContactNamed(BaseModel):
    """Which contact it was."""

    object: Literal["contact"] = "contact"
    id: UUID


class ContactDeleted(ContactNamed):
    """The contact is gone; sources disagree on whether `id` or `contact` says which."""

    contact: UUID
    deleted: Literal[True] = True


@router.post("/contacts", status_code=201, dependencies=[allow("full")])
async def create_contact(given: Given, said: NewContact) -> ContactNamed:
    """Create a contact, or change the one of this e-mail address; its id is the same then."""
    return await _create(given, said, None)


@router.post("/audiences/{audience_id}/contacts", status_code=201, dependencies=[allow("full")])
async def create_in_audience(given: Given, audience_id: UUID, said: NewContact) -> ContactNamed:
    """Create a contact in a segment: audiences are what segments were once called."""
    return await _create(given, said, audience_id)


@router.get("/contacts/{contact}", dependencies=[allow("read")])
@router.get(
    "/audiences/{audience_id}/contacts/{contact}",
    dependencies=[allow("read"), _BELOW_AUDIENCE],
)
async def read_contact(given: Given, contact: Named) -> ContactView:
    """Get a contact with its properties."""
    async with given.reading() as session:
        return contact_view(await get_contact(session, contact))


@router.patch("/contacts/{contact}", dependencies=[allow("full")])
@router.patch(
    "/audiences/{audience_id}/contacts/{contact}",
    dependencies=[allow("full"), _BELOW_AUDIENCE],
)
async def update_contact(given: Given, contact: Named, said: ContactWords) -> ContactNamed:
    """Change a contact: what is absent stays, null clears a name."""
    async with given.reading() as session:
        known = await get_contact(session, contact)
    who, payload = about(known), said.profile(clears=True)
    if payload:
        consent = consent_events(
            who, said.unsubscribed, is_unsubscribed=known.profile.is_unsubscribed
        )
        await given.change_contact([contact_event("updated", who, payload), *consent])
    return ContactNamed(id=contact_uuid(known.contact_id))


@router.delete("/contacts/{contact}", dependencies=[allow("full")])
@router.delete(
    "/audiences/{audience_id}/contacts/{contact}",
    dependencies=[allow("full"), _BELOW_AUDIENCE],
)
async def delete_contact(given: Given, contact: Named) -> ContactDeleted:
    """Delete a contact: its runs end, and what was known of it is erased."""
    async with given.reading() as session:
        known = await get_contact(session, contact)
    await given.change_contact([contact_event("deleted", about(known), {})])
    contact_id = contact_uuid(known.contact_id)
    return ContactDeleted(id=contact_id, contact=contact_id)


async def _create(given: Services, said: NewContact, audience_id: UUID | None) -> ContactNamed:
    if said.email is None:
        raise Fault("field_missing", "Missing `email` field.", field="email")
    email = email_in(said.email)
    await given.change_contact(await _events(given, said, email, audience_id))
    async with given.reading() as session:
        contact = await find_contact(session, email)
    if contact is None:
        raise Fault("field_invalid", "`email`: this address names nobody", field="email")
    return ContactNamed(id=contact_uuid(contact.contact_id))


async def _events(
    given: Services, said: NewContact, email: str, audience_id: UUID | None
) -> list[Event]:
    """Return what the request means; whatever a contact leaves comes before what may write to it.

    Raises:
        Fault, NotFound: it names a segment or a topic that there is not.
    """
    async with given.reading() as session:
        contact = await find_contact(session, email)
        for segment_id in (joined := said.segment_ids(audience_id)):
            await segment_of(session, segment_id)
        choices = [
            ((await get_topic(session, one.id)).key, one.subscription) for one in said.topics or ()
        ]
    who: Mapping[str, object] = {"email": email} if contact is None else about(contact)
    payload = said.profile(clears=False)
    if joined:
        payload["segments"] = {str(one): True for one in joined}
    return [
        *topic_events(who, choices),
        contact_event("created" if contact is None else "updated", who, payload),
        *consent_events(who, said.unsubscribed, is_unsubscribed=_has_left(contact)),
    ]


def _has_left(contact: Contact | None) -> bool:
    return contact is not None and contact.profile.is_unsubscribed
