"""Sends events over HTTP as Resend's official async client does, many at once.

`python -m tests.bench.client PORT KEY COUNT AT_ONCE REUSE` sends so many events, so many at a time,
and prints how many a second were accepted. The request's bytes are the official client's own, for
it is asked once, by a server that only listens; what it costs itself is left out. REUSE 1: each of
those at once keeps a connection. 0: each event comes by one of its own, as the client does it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

import resend
import uvloop

from tests.bench.line import Line

#: A number as wide as that of every event, so that all are of one size.
SAMPLE = "00000000"

EVENT = {
    "event": "page.viewed",
    "email": f"person{SAMPLE}@example.com",
    "payload": {"path": "/pricing", "n": SAMPLE},
}


async def sent(port: int, key: str, count: int, at_once: int, *, is_reused: bool) -> float:
    """Send events; return how many a second were accepted.

    Raises:
        RuntimeError: one was not.
    """
    request = await official_request(port, key)
    numbers = iter(range(count))
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(_keep_sending(port, request, numbers, is_reused=is_reused))
    return count / (time.monotonic() - began)


async def official_request(port: int, key: str) -> bytes:
    """Return the bytes by which the official client sends `EVENT` to a server at this port."""
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, told = head.lower().partition(b"content-length:")
        heard.set_result(head + await reader.readexactly(int(told.split(b"\r\n", 1)[0])))
        writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\n")
        writer.write(b"content-length: 2\r\nconnection: close\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        listens_at = server.sockets[0].getsockname()[1]
        resend.api_key, resend.api_url = key, f"http://127.0.0.1:{listens_at}"
        await resend.Events.send_async(EVENT)
        return (await heard).replace(f":{listens_at}".encode(), f":{port}".encode())


async def _keep_sending(
    port: int, request: bytes, numbers: Iterator[int], *, is_reused: bool
) -> None:
    """Send events one after the other until there are no more numbers."""
    line = await Line.open(port)
    for number in numbers:
        answer = await line.ask(request.replace(SAMPLE.encode(), b"%08d" % number))
        if answer.status != 202:
            raise RuntimeError(f"event {number}: {answer}")
        if not is_reused:
            line.close()
            line = await Line.open(port)
    line.close()


if __name__ == "__main__":
    at, token, *numbers = sys.argv[1:]
    count, at_once, reuse = map(int, numbers)
    rate = uvloop.run(sent(int(at), token, count, at_once, is_reused=bool(reuse)))
    sys.stdout.write(f"{rate}\n")
