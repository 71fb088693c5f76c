"""Lists by keyset: newest first, each page found by the row where the one beside it ended."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from state.instant import LAST
from state.postgres.session import Record, Session

#: Above every row there is.
_END = (LAST, UUID(int=(1 << 128) - 1))


class Page(Struct, frozen=True):
    """Which part of a list: at most `limit` rows that follow the row `after`, or lead to `before`.

    Both are ids of rows, which are not shown again; a list is not asked for both.
    """

    limit: int = 20
    after: UUID | None = None
    before: UUID | None = None


class Listing(NamedTuple):
    """The statements of one list, each an index probe.

    `cursor` takes an id and returns when its row was created. `older` and `newer` take a limit, an
    instant, an id and what else narrows the list; `older` goes down from there, `newer` up.
    """

    cursor: str
    older: str
    newer: str


class UnknownCursor(Exception):
    """No row of the list has the id that a page was to begin or end at."""

    def __init__(self, field: str, row_id: UUID) -> None:
        super().__init__(f"`{field}`: nothing of this list has the id {row_id}")
        self.field = field


async def read_page(
    session: Session, listing: Listing, page: Page, *arguments: object
) -> tuple[list[Record], bool]:
    """Return the rows of a page, the newest first, and whether more lie beyond it.

    Raises:
        UnknownCursor: there is no row of the id that the page lies beside.
    """
    assert page.after is None or page.before is None, "a page lies beside one row"
    at = _END
    for field, row_id in (("after", page.after), ("before", page.before)):
        if row_id is not None:
            created_at = await session.value(listing.cursor, row_id)
            if created_at is None:
                raise UnknownCursor(field, row_id)
            at = (created_at, row_id)
    sql = listing.older if page.before is None else listing.newer
    rows = await session.rows(sql, page.limit + 1, *at, *arguments)
    shown = rows[: page.limit]
    return shown if page.before is None else shown[::-1], len(rows) > page.limit
