"""Lists as Resend pages them: `limit`, `after`, `before`; newest first, with `has_more`."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, BeforeValidator

from handlers.http.fault import Fault
from state.postgres.keyset import Page

Item = TypeVar("Item", bound=BaseModel)

#: How many are shown where no limit is given, and how many at most.
LIMIT, LIMIT_MAX = 20, 100


class ListOf(BaseModel, Generic[Item]):
    """A page of a list."""

    object: Literal["list"] = "list"
    has_more: bool
    data: list[Item]


def _limit(raw: Any) -> int:
    text = str(raw)
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= LIMIT_MAX):
        raise ValueError(
            f"The `limit` must be a number between 1 and {LIMIT_MAX}. See /docs for pagination"
        )
    return int(text)


async def _page(
    limit: Annotated[int, BeforeValidator(_limit), Query(ge=1, le=LIMIT_MAX)] = LIMIT,
    after: Annotated[UUID | None, Query(description="The last id of the page before.")] = None,
    before: Annotated[UUID | None, Query(description="The first id of the page after.")] = None,
) -> Page:
    if after is not None and before is not None:
        raise Fault("field_invalid", "The `after` and `before` cannot be used together")
    return Page(limit, after, before)


#: The parameter by which a route asks for the page that is wanted.
Paged = Annotated[Page, Depends(_page)]
