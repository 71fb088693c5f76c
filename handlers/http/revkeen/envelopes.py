"""What every answer of RevKeen's routes is wrapped in, and the headers beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import Field

from handlers.http.rendering import Document, omitted

Item = TypeVar("Item", bound=Document)

#: The version of the API that is spoken, whatever version is asked for.
VERSION = "2026-05-01"
VERSION_HEADER = "RevKeen-Version"

LIMIT_DEFAULT, LIMIT_MAX = 25, 100


class Kind(NamedTuple):
    """An error's type and, where nothing more exact is known, its code."""

    type: str
    code: str


#: What an error is called by its status; no other statuses are answered.
KINDS: Mapping[int, Kind] = {
    400: Kind("invalid_request_error", "validation_error"),
    401: Kind("authentication_error", "invalid_api_key"),
    403: Kind("authorization_error", "insufficient_permissions"),
    404: Kind("invalid_request_error", "resource_missing"),
    405: Kind("invalid_request_error", "method_not_allowed"),
    408: Kind("invalid_request_error", "request_timeout"),
    409: Kind("invalid_request_error", "conflict"),
    413: Kind("invalid_request_error", "payload_too_large"),
    422: Kind("invalid_request_error", "unprocessable"),
    429: Kind("rate_limit_error", "rate_limit_exceeded"),
    500: Kind("api_error", "internal_error"),
    503: Kind("api_error", "unavailable"),
}


class Error(Document):
    """What went wrong, of which parameter, and more of it."""

    type: str
    code: str
    message: str
    param: str = omitted()
    details: dict[str, Any] = omitted()


class ErrorEnvelope(Document):
    """An error."""

    error: Error


class Pagination(Document):
    """Where a page stands in its list."""

    limit: int
    offset: int
    total: int
    has_more: bool = Field(alias="hasMore")


class Envelope(Document, Generic[Item]):
    """A success."""

    data: Item


class Listing(Document, Generic[Item]):
    """A page of a list."""

    object: Literal["list"]
    data: list[Item]
    pagination: Pagination


class Page(NamedTuple):
    """Which part of a list is asked for."""

    limit: int = LIMIT_DEFAULT
    offset: int = 0


def page_of(limit: int | None, offset: int | None) -> Page:
    """Return the page that is asked for; numbers out of range count as the nearest in it."""
    wanted = LIMIT_DEFAULT if limit is None else limit
    return Page(min(max(wanted, 1), LIMIT_MAX), max(offset or 0, 0))


def enveloped(document: object) -> dict[str, Any]:
    """Return a success."""
    return {"data": document}


def listed(items: Sequence[object], page: Page, total: int) -> dict[str, Any]:
    """Return a page of a list of `total` elements."""
    pagination = Pagination(
        limit=page.limit,
        offset=page.offset,
        total=total,
        hasMore=page.offset + len(items) < total,
    )
    return {"object": "list", "data": list(items), "pagination": pagination.rendered()}


def refused(status: int, message: str, code: str | None = None, **more: object) -> dict[str, Any]:
    """Return an error; `more` may hold `param` and `details`."""
    kind = KINDS[status]
    error = {"type": kind.type, "code": code or kind.code, "message": message, **more}
    return ErrorEnvelope.model_validate({"error": error}).rendered()
