"""The way to one SMTP server: sessions are opened, encrypted, logged in, lent and kept."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPResponseException,
)

from stream.senders.smtp_link import TROUBLES, Link

Tls = Literal["starttls", "tls", "none"]


class Unusable(Exception):
    """The server cannot be used as it is set up, whatever the message: an operator's matter."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Server:
    """Where the mail server is and how it is spoken to; `login` is a name and a password."""

    host: str
    port: int
    tls: Tls
    trusted: ssl.SSLContext
    local_hostname: str
    login: tuple[str, str] | None = None


class Links:
    """Sessions with one server: at most `limit` at a time, kept for the next message."""

    def __init__(self, server: Server, limit: int) -> None:
        self._server = server
        self._slots = asyncio.Semaphore(limit)
        self._idle: list[Link] = []
        self._is_closed = False

    @asynccontextmanager
    async def lend(self, until: float) -> AsyncIterator[Link]:
        """Lend a session; it is closed, not kept, if the block raises.

        Raises:
            Unusable: the server is not to be used, or not with this encryption or this login.
            TROUBLES: it could not be reached `until` this instant of the event loop.
        """
        async with asyncio.timeout_at(until):
            await self._slots.acquire()
        try:
            async with asyncio.timeout_at(until):
                link = await self._kept() or await open_link(self._server)
            try:
                yield link
            except BaseException:
                link.close()
                raise
            self._keep(link)
        finally:
            self._slots.release()

    async def close(self) -> None:
        """Say goodbye to the server in all idle sessions; those in use end with their message."""
        self._is_closed = True
        async with asyncio.TaskGroup() as group:
            while self._idle:
                group.create_task(self._idle.pop().quit())

    def _keep(self, link: Link) -> None:
        if link.is_open and not self._is_closed:
            self._idle.append(link)
        else:
            link.close()

    async def _kept(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            try:
                if await link.is_alive():
                    return link
            except BaseException:
                link.close()
                raise
            link.close()
        return None


async def open_link(server: Server) -> Link:
    """Connect, encrypt and log in.

    Raises:
        Unusable, TROUBLES: it was not possible; nothing stays open.
    """
    client = SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.tls == "tls",
        start_tls=False,  # done below: it is asked for, or refused, but never left to the server
        tls_context=server.trusted,
        local_hostname=server.local_hostname,
        timeout=None,  # the message has a time limit as a whole
    )
    try:
        await _greet(client)
        if server.tls == "starttls":
            await _encrypt(client)
        if server.login is not None:
            await _log_in(client, *server.login)
    except BaseException:
        client.close()
        raise
    return Link(client)


async def _greet(client: SMTP) -> None:
    try:
        await client.connect()
        await client.ehlo()
    except SMTPResponseException as refusal:
        if _is_permanent(refusal.code):
            raise Unusable(f"smtp_{refusal.code}", f"at the greeting: {refusal.message}") from None
        raise
    except SMTPConnectError as error:
        if isinstance(error.__cause__, ssl.SSLError):
            raise _untrusted(error.__cause__) from None
        raise


async def _encrypt(client: SMTP) -> None:
    """Go on under TLS, or not at all: who strips the offer from the greeting gets no message."""
    if not client.supports_extension("starttls"):
        raise Unusable("smtp_no_starttls", "the server does not offer STARTTLS")
    try:
        await client.starttls()
        await client.ehlo()
    except ssl.SSLError as error:
        raise _untrusted(error) from None
    except SMTPResponseException as refusal:
        if _is_permanent(refusal.code):
            raise Unusable(f"smtp_{refusal.code}", f"at STARTTLS: {refusal.message}") from None
        raise


async def _log_in(client: SMTP, username: str, password: str) -> None:
    try:
        await client.login(username, password)
    except SMTPAuthenticationError as refusal:
        if _is_permanent(refusal.code):
            raise Unusable(f"smtp_{refusal.code}", f"at the login: {refusal.message}") from None
        raise
    except TROUBLES as error:
        if type(error) is SMTPException:  # the plain one: it found no way to log in
            raise Unusable("smtp_no_login", str(error)) from None
        raise


def _untrusted(error: ssl.SSLError) -> Unusable:
    is_certificate = isinstance(error, ssl.SSLCertVerificationError)
    text = str(error) if is_certificate else error.reason or str(error)
    return Unusable("smtp_certificate" if is_certificate else "smtp_tls", text)


def _is_permanent(code: int) -> bool:
    return 500 <= code <= 599
