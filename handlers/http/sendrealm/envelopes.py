"""What every answer of Sendrealm's routes is wrapped in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from handlers.http.rendering import Document

Item = TypeVar("Item", bound=Document)

#: The code of an error by its status; no other statuses are answered.
CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    413: "payload_too_large",
    422: "unprocessable_entity",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}


class Envelope(Document, Generic[Item]):
    """A success."""

    data: Item


class Listing(Document, Generic[Item]):
    """A page of a list; `next_cursor` asks for the next one."""

    data: list[Item]
    has_more: bool
    next_cursor: str | None


class Error(Document):
    """What went wrong; `details` are the problems one by one, or null."""

    code: str
    message: str
    details: Any


class ErrorEnvelope(Document):
    """An error with its HTTP status."""

    status: int
    error: Error


def enveloped(document: object) -> dict[str, Any]:
    """Return a success."""
    return {"data": document}


def listed(items: Sequence[object], next_cursor: str | None = None) -> dict[str, Any]:
    """Return a page of a list; the cursor asks for the next one, if there is one."""
    return {
        "data": list(items),
        "has_more": next_cursor is not None,
        "next_cursor": next_cursor,
    }


def refused(status: int, message: str, details: object = None) -> dict[str, Any]:
    """Return an error."""
    error = Error(code=CODES[status], message=message, details=details)
    return ErrorEnvelope(status=status, error=error).rendered()
