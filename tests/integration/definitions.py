"""What tests of stored definitions share: to walk a list by its pages, and to read the audit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from state.postgres.keyset import Page
from state.postgres.session import Session
from state.postgres.store import PostgresStore
from tests.stored import rows

T = TypeVar("T")

ListOf = Callable[[Session, Page], Awaitable[tuple[list[Any], bool]]]

AUDIT = "select who, what, target, before::text, after::text from audit order by id"


async def do(store: PostgresStore, action: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Do one thing in a transaction of its own."""
    async with store.session() as session:
        return await action(session, *arguments)


async def walked(store: PostgresStore, listing: ListOf, limit: int = 2) -> list[list[UUID]]:
    """Return the ids of a list's pages, walked to the end, and back again to compare."""
    pages: list[list[UUID]] = []
    page = Page(limit)
    while True:
        found, has_more = await do(store, listing, page)
        pages.append([row[0] for row in found])
        if not has_more:
            break
        page = Page(limit, after=found[-1][0])
    there = [row_id for ids in pages for row_id in ids]
    back: list[UUID] = []
    has_more = len(there) > 1
    while has_more:
        before = (back or there[-1:])[0]
        found, has_more = await do(store, listing, Page(limit, before=before))
        back = [row[0] for row in found] + back
    assert back == there[:-1]
    return pages


async def audited(database: str) -> list[tuple[Any, ...]]:
    return await rows(database, AUDIT)


async def revision(database: str) -> int:
    """Return the catalogue's revision: workers read the definitions anew when it has moved."""
    ((number,),) = await rows(database, "select revision from catalogue")
    return int(number)
