"""Reads a request's body within bounds: of size, counted as it comes, of time, and of depth."""

from __future__ import annotations

import asyncio

from msgspec import Struct
from pydantic_core import from_json
from starlette.types import Message, Receive

from handlers.http.fault import Fault

#: How much more than the limit is read and thrown away, so that the client is still there to read
#: that it was too much: who is cut off while writing never sees an answer.
SPILLED_MAX = 32 * 1024 * 1024


class BodyLimits(Struct, frozen=True):
    """How large a body may be, and how long it may take to come."""

    size_max: int
    seconds_max: float


async def read_body(receive: Receive, limits: BodyLimits) -> bytes:
    """Return the whole body, which is JSON or empty.

    Raises:
        Fault: it is too large, too slow, or no JSON that anybody would want to read.
    """
    try:
        async with asyncio.timeout(limits.seconds_max):
            body = await _collected(receive, limits.size_max)
    except TimeoutError:
        raise Fault(
            "body_too_slow",
            f"The body did not come within {limits.seconds_max:g} s",
            headers={"connection": "close"},
        ) from None
    if body:
        _check(body)
    return body


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that brings a body which was read already, and then what comes after."""
    is_pending = True

    async def again() -> Message:
        nonlocal is_pending
        if is_pending:
            is_pending = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


async def _collected(receive: Receive, size_max: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    has_more = True
    while has_more and size <= size_max + SPILLED_MAX:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Fault("body_unreadable", "The client went away before its body had come")
        part = message.get("body", b"")
        size += len(part)
        if size <= size_max:
            parts.append(part)
        else:
            parts.clear()
        has_more = message.get("more_body", False)
    if size > size_max:
        raise Fault(
            "body_too_large",
            f"The body is larger than {size_max} bytes",
            headers={"connection": "close"},
        )
    return b"".join(parts)


def _check(body: bytes) -> None:
    """Refuse what is no JSON before anything recursive sees it; this parser bounds the depth."""
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError as error:
        said = str(error).split("\n", 1)[0]
        is_deep = "recursion limit" in said
        told = "The body is nested too deeply" if is_deep else f"The body is not JSON: {said}"
        raise Fault("body_unreadable", told) from None
