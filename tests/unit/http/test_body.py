"""A request's body is read within bounds of size, time and depth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive

from handlers.http.body import SPILLED_MAX, BodyLimits, read_body, replayed
from handlers.http.fault import Fault

LIMITS = BodyLimits(size_max=1000, seconds_max=5)


def bringing(parts: Sequence[bytes]) -> Receive:
    left = list(parts)

    async def receive() -> Message:
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive


async def fault(receive: Receive, limits: BodyLimits = LIMITS) -> Fault:
    with pytest.raises(Fault) as raised:
        await read_body(receive, limits)
    return raised.value


async def test_a_body_comes_whole_and_an_empty_one_is_none() -> None:
    assert await read_body(bringing([b'{"a"', b": 1}"]), LIMITS) == b'{"a": 1}'
    assert await read_body(bringing([b""]), LIMITS) == b""


async def test_a_body_is_counted_while_it_comes_and_its_end_thrown_away() -> None:
    refused = await fault(bringing([b"[", b" " * 999, b" " * 5000, b"]"]))
    assert (refused.kind, refused.headers) == ("body_too_large", {"connection": "close"})
    endless = bringing([b" " * 2**20] * (SPILLED_MAX // 2**20 + 10))
    assert (await fault(endless)).kind == "body_too_large"
    assert (await endless())["type"] == "http.request"  # it was not read to its end


async def test_what_is_no_json_or_nested_without_end_is_refused_before_anything_reads_it() -> None:
    deep = b"[" * 400 + b"]" * 400
    assert "nested too deeply" in (await fault(bringing([deep]))).message
    for text in (b"{", b"a=1", b'{"a": NaN}', b"\xff"):
        assert (await fault(bringing([text]))).kind == "body_unreadable"


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    slow = await fault(never, BodyLimits(1000, 0.01))
    assert slow.kind == "body_too_slow"


async def test_a_body_is_brought_again_once_and_then_what_comes() -> None:
    again = replayed(b"{}", bringing([]))
    assert (await again())["body"] == b"{}"
    assert (await again())["type"] == "http.disconnect"
