"""Contacts, read for people."""

from __future__ import annotations

from state.contact import Contact
from state.event import Identifier
from state.postgres.codec import read_profile
from state.postgres.contacts import load_links, resolve
from state.postgres.session import Session

CONTACT = "select contact_id, created_at, profile from contacts where contact_id = $1"


async def contact_number_of(session: Session, identifier: Identifier) -> int | None:
    """Return the number of the contact that an identifier names, None if it names nobody."""
    return (await resolve(session, [identifier])).get(identifier)


async def load_contact(session: Session, contact_id: int) -> Contact | None:
    """Return a contact with its identifiers and profile as they are now."""
    rows = await session.rows(CONTACT, contact_id)
    if not rows:
        return None
    number, created_at, profile = rows[0]
    links = (await load_links(session, [number])).get(number, [])
    return Contact(number, created_at, tuple(links), read_profile(profile))
