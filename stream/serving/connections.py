"""Bounds on connections that uvicorn does not have: heads that never end, crowds that do nothing.

A connection is idle while no request of it is being answered. A head must come whole in time and be
of a size; when there are too many connections, those idle longest make room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from msgspec import Struct
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: How large a request's head may be, in bytes.
HEAD_MAX = 64 * 1024

_TEXTS = {
    408: b"HTTP/1.1 408 Request Timeout",
    431: b"HTTP/1.1 431 Request Header Fields Too Large",
    503: b"HTTP/1.1 503 Service Unavailable",
}


class Bounds(Struct, frozen=True):
    """How many connections there may be, and how long a request's head may take, in seconds.

    `refused` is told the status of each that is closed for them.
    """

    connections_max: int
    head_seconds: float
    refused: Callable[[int], None]


class BoundedProtocol(HttpToolsProtocol):
    """One connection; `bounded` makes the class that a server uses."""

    bounds: ClassVar[Bounds]
    #: The connections of this server that are idle, those that have been for longest first.
    idle: ClassVar[dict[BoundedProtocol, None]]

    _head_timer: asyncio.TimerHandle | None = None
    _is_in_head = True
    _head_size = 0

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self.idle[self] = None
        self._expect_head()
        if len(self.connections) > self.bounds.connections_max:
            self._make_room()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.idle.pop(self, None)
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_in_head:
            self._head_size += len(data)
            if self._head_timer is None:
                self._expect_head()
        super().data_received(data)
        if self._is_in_head and self._head_size > HEAD_MAX:
            self._refuse(431)

    @override
    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_timer()
        self.idle.pop(self, None)
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        self._is_in_head = True
        self._head_size = 0
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self.idle[self] = None

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.bounds.head_seconds, self._refuse, 408)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _make_room(self) -> None:
        longest = next(iter(self.idle))
        longest._refuse(503)

    def _refuse(self, status: int) -> None:
        """Say why in a word, and close: no dialect is known yet."""
        self._stop_timer()
        self.idle.pop(self, None)
        if not self.transport.is_closing():
            self.bounds.refused(status)
            head = b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(_TEXTS[status] + head)
            self.transport.close()


def bounded(bounds: Bounds) -> type[BoundedProtocol]:
    """Return the protocol of one server."""
    attributes: dict[str, Any] = {"bounds": bounds, "idle": {}}
    return type("Connection", (BoundedProtocol,), attributes)
