"""A keep-alive connection that costs its user little, so that the server is what is measured."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Self


class Answer(NamedTuple):
    """What a server has said."""

    status: int
    body: bytes


class Line:
    """One connection, for one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to a server of this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> Answer:
        """Send a whole request as it is; return the answer, whose length its head must tell."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        _, _, told = head.lower().partition(b"content-length:")
        body = await self._reader.readexactly(int(told.split(b"\r\n", 1)[0]))
        return Answer(int(head[9:12]), body)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def get(path: str, key: str) -> bytes:
    """Return a request that only reads."""
    lines = (f"GET {path} HTTP/1.1", "host: bench", f"authorization: Bearer {key}", "", "")
    return "\r\n".join(lines).encode()


def post(path: str, key: str) -> bytes:
    """Return a request that asks for something to be done, which takes no body."""
    return get(path, key).replace(b"GET", b"POST", 1)
