"""Lists as RevKeen pages them: `limit` and `offset`, with a total."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from handlers.http.fault import Fault
from handlers.http.revkeen.envelopes import LIMIT_DEFAULT, Page, page_of

#: How far a list is counted, and how far into it an offset may lead.
COUNTED_MAX = 10_000


async def _page(
    limit: Annotated[int, Query(description="1 to 100; beyond that, the nearest.")] = LIMIT_DEFAULT,
    offset: Annotated[int, Query(description="How many are passed over.")] = 0,
) -> Page:
    if offset > COUNTED_MAX:
        told = f"`offset`: lists are read up to the element {COUNTED_MAX}: narrow it by `status`"
        raise Fault("field_invalid", told, field="offset")
    return page_of(limit, offset)


#: The parameter by which a route asks for the page that is wanted.
Paged = Annotated[Page, Depends(_page)]
