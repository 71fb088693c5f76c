"""Properties of contacts that users have defined, with what stands in for none (rule O4).

A fallback is what `contact.properties.<key>` reads where a contact has no value, so every change
holds the catalogue and moves its revision. Call what changes them in `store.session()`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from state.postgres import audit
from state.postgres.audit import Action
from state.postgres.catalogue import bump_revision, lock_catalogue
from state.postgres.codec import json_text, parsed
from state.postgres.keyset import Listing, Page, read_page
from state.postgres.refusals import NameTaken, NotFound, id_in
from state.postgres.session import Record, Session

Fallback = str | float | None

CREATE = """
insert into contact_properties (key, type, fallback, created_at) values ($1, $2, $3, $4)
on conflict (key) do nothing
returning property_id, key, type, fallback, created_at
"""

BY_ID = """
select property_id, key, type, fallback, created_at from contact_properties where property_id = $1
"""

BY_KEY = """
select property_id, key, type, fallback, created_at from contact_properties where key = $1
"""

UPDATE = "update contact_properties set fallback = $2 where property_id = $1"

DELETE = "delete from contact_properties where property_id = $1"

CURSOR = "select created_at from contact_properties where property_id = $1"

OLDER = """
select property_id, key, type, fallback, created_at from contact_properties
where (created_at, property_id) < ($2, $3)
order by created_at desc, property_id desc limit $1
"""

NEWER = """
select property_id, key, type, fallback, created_at from contact_properties
where (created_at, property_id) > ($2, $3)
order by created_at, property_id limit $1
"""

LISTING = Listing(CURSOR, OLDER, NEWER)


class ContactProperty(NamedTuple):
    """A property as it is defined; `type` is `string` or `number`."""

    property_id: UUID
    key: str
    type: str
    fallback: Fallback
    created_at: datetime

    def document(self) -> dict[str, object]:
        """Return what the audit keeps of it."""
        return {"property_id": self.property_id, "type": self.type, "fallback": self.fallback}


async def create_property(
    session: Session, about: tuple[str, str, Fallback], who: str
) -> ContactProperty:
    """Define a property by its key, type and fallback.

    Raises:
        NameTaken: there is one of this key.
    """
    action = Action(who, await lock_catalogue(session))
    key, kind, fallback = about
    rows = await session.rows(CREATE, key, kind, _text(fallback), action.at)
    if not rows:
        raise NameTaken("contact property", key, "key")
    created = _property(rows[0])
    change = (None, created.document())
    await audit.record(session, action, "contact_property.create", key, change)
    await bump_revision(session)
    return created


async def list_properties(session: Session, page: Page) -> tuple[list[ContactProperty], bool]:
    """Return a page of the properties, newest first, and whether more lie beyond it.

    Raises:
        UnknownCursor: there is no property of the id that the page lies beside.
    """
    rows, has_more = await read_page(session, LISTING, page)
    return [_property(row) for row in rows], has_more


async def get_property(session: Session, named: str) -> ContactProperty:
    """Return the property of this id or key.

    Raises:
        NotFound: there is none.
    """
    property_id = id_in(named)
    rows = [] if property_id is None else await session.rows(BY_ID, property_id)
    rows = rows or await session.rows(BY_KEY, named)
    if not rows:
        raise NotFound("contact property", named)
    return _property(rows[0])


async def update_property(
    session: Session, named: str, fallback: Fallback, who: str
) -> ContactProperty:
    """Change what stands in for a property; None: nothing does. The caller has checked its type.

    Raises:
        NotFound: there is none of this id or key.
    """
    action = Action(who, await lock_catalogue(session))
    before = await get_property(session, named)
    after = before._replace(fallback=fallback)
    await session.run(UPDATE, before.property_id, _text(fallback))
    change = (before.document(), after.document())
    await audit.record(session, action, "contact_property.update", before.key, change)
    await bump_revision(session)
    return after


async def delete_property(session: Session, named: str, who: str) -> ContactProperty:
    """Delete a property's definition; the values that contacts have stay theirs.

    Raises:
        NotFound: there is none of this id or key.
    """
    action = Action(who, await lock_catalogue(session))
    before = await get_property(session, named)
    await session.run(DELETE, before.property_id)
    change = (before.document(), None)
    await audit.record(session, action, "contact_property.delete", before.key, change)
    await bump_revision(session)
    return before


def _text(fallback: Fallback) -> str | None:
    return None if fallback is None else json_text(fallback)


def _property(row: Record) -> ContactProperty:
    return ContactProperty(*row)._replace(fallback=parsed(row["fallback"]))
