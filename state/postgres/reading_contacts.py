"""Contacts, read for people: through the merge set, by whichever of its numbers (rule I3)."""

from __future__ import annotations

from state.contact import Contact
from state.event import Identifier
from state.postgres.codec import read_profile
from state.postgres.contacts import load_links, resolve
from state.postgres.merges import load_absorbed
from state.postgres.session import Session

#: Of a merged contact, its survivor.
CONTACT = """
select contact_id, created_at, profile, deleted_at from contacts where contact_id = (
  select coalesce(merged_into, contact_id) from contacts where contact_id = $1
)
"""

HOME = "select coalesce(merged_into, contact_id) from contacts where contact_id = $1"


async def contact_number_of(session: Session, identifier: Identifier) -> int | None:
    """Return the number of the contact that an identifier names, None if it names nobody."""
    return (await resolve(session, [identifier])).get(identifier)


async def load_contact(session: Session, contact_id: int) -> Contact | None:
    """Return a contact, or whom it was merged into, with identifiers and profile as of now."""
    rows = await session.rows(CONTACT, contact_id)
    if not rows:
        return None
    number, created_at, profile, deleted_at = rows[0]
    links = (await load_links(session, [number])).get(number, [])
    absorbed = (await load_absorbed(session, [number])).get(number, ())
    return Contact(
        number, created_at, tuple(links), read_profile(profile), tuple(absorbed), deleted_at
    )


def members_of(contact: Contact) -> tuple[int, ...]:
    """Return the numbers under which a person's history is kept, the person's own first."""
    return (contact.contact_id, *contact.absorbed)


async def load_person(session: Session, contact_id: int) -> tuple[int, ...]:
    """Return the numbers of the person whom a number leads to, the survivor's first."""
    home: int = await session.value(HOME, contact_id) or contact_id
    return (home, *(await load_absorbed(session, [home])).get(home, ()))


async def find_person(session: Session, identifier: Identifier) -> tuple[int, ...] | None:
    """Return the numbers of the person whom an identifier names, None if it names nobody."""
    number = await contact_number_of(session, identifier)
    return None if number is None else await load_person(session, number)
