"""One session with an SMTP server, in the steps whose failures mean different things."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import cast

from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol

#: What a connection may raise when it, or who is at its other end, fails.
TROUBLES = (SMTPException, OSError)

#: How long an idle connection has to show that it lives, in seconds, before a new one is opened.
CHECK_SECONDS = 3.0

#: How long servers have to say goodbye, in seconds.
QUIT_SECONDS = 2.0

#: How much is written at a time, in bytes, and how often it is looked whether it went out.
CHUNK = 1 << 16
FLUSH_SECONDS = 0.005

_LEADING_DOT = re.compile(rb"(?m)^\.")


class Link:
    """One session with the server; one message at a time goes over it."""

    def __init__(self, client: SMTP) -> None:
        self._client = client

    @property
    def is_open(self) -> bool:
        """Tell whether the connection still stands, as far as is known on this side."""
        return self._client.is_connected

    def offers(self, extension: str) -> bool:
        """Tell whether the server named an extension when it was greeted."""
        return self._client.supports_extension(extension)

    async def command(self, *words: str) -> SMTPResponse:
        """Give a command and return its reply, good or bad; after a 421 the link is closed."""
        return await self._client.execute_command(*(word.encode() for word in words))

    async def transmit(self, content: bytes) -> None:
        """Send a message's lines, after the server's 354, all but the end of it.

        Raises:
            SMTPServerDisconnected: the connection was lost. The server has not seen the end.
        """
        stuffed = _LEADING_DOT.sub(b"..", content)
        for start in range(0, len(stuffed), CHUNK):
            self._write(stuffed[start : start + CHUNK])
            await self._flush()

    async def finish(self) -> SMTPResponse:
        """Send the end of the message, from which on it is the server's; return the reply."""
        protocol = self._write(b".\r\n")
        reply = await protocol.read_response()
        if reply.code == 421:
            self.close()
        return reply

    async def is_alive(self) -> bool:
        """Ask for a clean start (RSET), which also shows that somebody is there."""
        if not self.is_open:
            return False
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return (await self.command("RSET")).code == 250
        except TROUBLES:
            return False

    async def quit(self) -> None:
        """Say goodbye, if there is still somebody to say it to, and close."""
        with suppress(*TROUBLES):  # it is being closed all the same
            async with asyncio.timeout(QUIT_SECONDS):
                await self._client.quit()
        self.close()

    def close(self) -> None:
        """Close the connection at once; the server drops what it has not seen the end of."""
        self._client.close()

    def _write(self, data: bytes) -> SMTPProtocol:
        protocol = self._client.protocol
        if protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        protocol.write(data)
        return protocol

    async def _flush(self) -> None:
        """Wait until the system has taken what was written."""
        await asyncio.sleep(0)  # a loop may write only when it comes round
        while True:
            if not self.is_open:
                raise SMTPServerDisconnected("Connection lost")
            transport = cast(asyncio.WriteTransport, self._client.transport)  # uvloop's is no heir
            if not transport.get_write_buffer_size():
                return
            await asyncio.sleep(FLUSH_SECONDS)
