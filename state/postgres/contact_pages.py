"""Contacts a page at a time, newest first, by keyset: all of them, or those in a segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from state.contact import Contact, contact_number, in_order
from state.postgres.audiences_by_id import SegmentFacts
from state.postgres.codec import read_profile
from state.postgres.contacts import load_links
from state.postgres.keyset import Listing, Page, UnknownCursor, read_page
from state.postgres.session import Record, Session


class ByNumber(NamedTuple):
    """The statements of a list in the order of contacts' numbers, each an index probe.

    `known` finds a row if a contact is in the list. `older` and `newer` take a limit, a number and
    what else narrows the list; `older` goes down from there, `newer` up.
    """

    known: str
    older: str
    newer: str


#: Above every contact there is.
_END = (1 << 63) - 1

#: By number, which grows: an index of creation would be written for every new contact. Workers
#: take numbers in blocks (contacts.py), so contacts of several workers mix by as much as a block.
_CONTACTS = """
select contact_id, created_at, profile from contacts
where merged_into is null and deleted_at is null and contact_id {beyond} $2
order by contact_id {order} limit $1
"""

CONTACTS = ByNumber(
    "select 1 from contacts where contact_id = $1",
    _CONTACTS.format(beyond="<", order="desc"),
    _CONTACTS.format(beyond=">", order="asc"),
)

#: By number too, along the primary key: a second index of segments tempts the planner to walk over
#: a whole segment where a member is to be found (trap 1).
_MEMBERS = """
select member.contact_id, known.created_at, known.profile
from (
  select contact_id from segment_members
  where segment_id = $3 and contact_id {beyond} $2
  order by contact_id {order} limit $1
) as member
cross join lateral (
  select created_at, profile from contacts where contact_id = member.contact_id offset 0
) as known
order by member.contact_id {order}
"""

MEMBERS = ByNumber(
    "select 1 from segment_members where contact_id = $1 and segment_id = $2",
    _MEMBERS.format(beyond="<", order="desc"),
    _MEMBERS.format(beyond=">", order="asc"),
)

SEGMENT_CURSOR = "select created_at from segments where segment_id = $1"

_SEGMENTS = """
select segment_id, name, created_at from segments
where segment_id = any($4::uuid[]) and (created_at, segment_id) {beyond} ($2, $3)
order by created_at {order}, segment_id {order} limit $1
"""

SEGMENTS = Listing(
    SEGMENT_CURSOR,
    _SEGMENTS.format(beyond="<", order="desc"),
    _SEGMENTS.format(beyond=">", order="asc"),
)


async def page_of_contacts(session: Session, page: Page) -> tuple[list[Contact], bool]:
    """Return a page of the contacts, newest first, and whether more lie beyond it.

    Raises:
        UnknownCursor: there is no contact of the id that the page lies beside.
    """
    return await _page(session, CONTACTS, page)


async def page_of_members(
    session: Session, segment_id: UUID, page: Page
) -> tuple[list[Contact], bool]:
    """Return a page of who is in a segment, newest first, and whether more lie beyond it.

    Raises:
        UnknownCursor: nobody in the segment has the id that the page lies beside.
    """
    return await _page(session, MEMBERS, page, segment_id)


async def page_of_segments_of(
    session: Session, segment_ids: Sequence[UUID], page: Page
) -> tuple[list[SegmentFacts], bool]:
    """Return a page of these segments, newest first, and whether more lie beyond it.

    Raises:
        UnknownCursor: there is no segment of the id that the page lies beside.
    """
    rows, has_more = await read_page(session, SEGMENTS, page, list(segment_ids))
    return [SegmentFacts(*row) for row in rows], has_more


async def _page(
    session: Session, listing: ByNumber, page: Page, *arguments: object
) -> tuple[list[Contact], bool]:
    """Return the contacts of a page; one row more is read than is shown."""
    number = await _beside(session, listing.known, page, *arguments)
    sql = listing.older if page.before is None else listing.newer
    rows = await session.rows(sql, page.limit + 1, number, *arguments)
    shown = rows[: page.limit]
    in_turn = shown if page.before is None else shown[::-1]
    return await _contacts(session, in_turn), len(rows) > page.limit


async def _beside(session: Session, known: str, page: Page, *arguments: object) -> int:
    """Return the number that the page begins or ends at."""
    for field, public_id in (("after", page.after), ("before", page.before)):
        if public_id is not None:
            number = contact_number(public_id)
            if number is None or await session.value(known, number, *arguments) is None:
                raise UnknownCursor(field, public_id)
            return number
    return _END


async def _contacts(session: Session, rows: Sequence[Record]) -> list[Contact]:
    numbers = [row["contact_id"] for row in rows]
    links = await load_links(session, numbers) if numbers else {}
    return [
        Contact(number, created_at, in_order(links.get(number, ())), read_profile(profile))
        for number, created_at, profile in rows
    ]
