"""The port at which a process offers its metrics: one path, one method, no keeping alive.

It is apart from what is served to clients: metrics are for those who operate, and a worker serves
nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

import structlog

from stream.listening import CannotListen
from stream.metrics.families import CONTENT_TYPE, Family, written
from stream.metrics.process import process_families
from stream.metrics.settings import MetricsSettings

#: How large a question may be, in bytes, and how long it may take to come, in seconds.
HEAD_MAX = 8192
HEAD_SECONDS = 5.0

Collect = Callable[[], Iterable[Family]]

log = structlog.get_logger()


@asynccontextmanager
async def offered(settings: MetricsSettings, index: int, collect: Collect) -> AsyncIterator[None]:
    """Offer metrics at the settings' port, or that of this process, if there is one.

    `index` counts the processes of one command from 0.

    Raises:
        CannotListen: nobody can listen there.
    """
    if settings.metrics_port is None:
        yield
        return
    host, port = settings.metrics_host, settings.metrics_port + index
    try:
        server = await asyncio.start_server(
            lambda reader, writer: _answer(reader, writer, collect), host, port, limit=HEAD_MAX
        )
    except (OSError, OverflowError) as error:
        raise CannotListen((host, port), error, "WAITLINE_METRICS") from None
    log.info("metrics.offered", url=f"http://{host}:{port}/metrics")
    try:
        yield
    finally:
        server.close()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, collect: Collect
) -> None:
    """Answer one question, and close; who asks nothing sensible gets no answer."""
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            status, body = _said(head.split(b" ", 2)[:2], collect)
            writer.write(
                f"HTTP/1.1 {status}\r\ncontent-type: {CONTENT_TYPE}\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
    writer.close()


def _said(asked: list[bytes], collect: Collect) -> tuple[str, bytes]:
    match asked:
        case [b"GET", path] if path.partition(b"?")[0] == b"/metrics":
            return "200 OK", written([*collect(), *process_families()]).encode()
        case [b"GET", _]:
            return "404 Not Found", b"metrics are at /metrics\n"
        case _:
            return "405 Method Not Allowed", b"GET /metrics\n"
