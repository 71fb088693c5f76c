"""A real mail server for a test: aiosmtpd, with replies, silences and losses where it says."""

from __future__ import annotations

import asyncio
import email
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from msgspec.structs import replace

from state.effect import Effect
from stream.config import Settings
from stream.senders.choice import open_senders
from stream.senders.sender import Sender
from tests.stored import AT, effect

#: What a server may do at a stage instead of replying.
SILENCE, LOSS = "silence", "loss"

OK = "250 2.0.0 OK: queued as Q1"

USERNAME, PASSWORD = "waitline", "hunter2"


@dataclass(slots=True)
class Postbox:
    """What a server does at each stage, and what it has got.

    `replies`: by stage (MAIL, RCPT, DATA), what it says, or LOSS of the connection, or SILENCE
    until `speak` is set. The stage DATA is answered after the final dot. `keeps` says whether it
    kept the message even so. `amid` is how many bytes of a message are read before the connection
    is lost.
    """

    replies: dict[str, str] = field(default_factory=dict)
    keeps: bool = False
    amid: int | None = None
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    speak: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    commands: list[str] = field(default_factory=list)
    letters: list[Envelope] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)

    def messages(self) -> list[EmailMessage]:
        return [
            email.message_from_bytes(letter.original_content, policy=policy.default)
            for letter in self.letters
        ]

    def lose_connections(self) -> None:
        """Lose those that are open, as a server does that is restarted."""
        for server in self.servers:
            if server.transport is not None:
                server.transport.abort()

    # --- what aiosmtpd asks -----------------------------------------------------------------------

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self, server: Server, _: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = await self._said("MAIL", server)
        if said.startswith("2"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return said

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, server: Server, _: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = await self._said("RCPT", server)
        if said.startswith("2"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(  # noqa: N802 - aiosmtpd's names
        self, server: Server, _: object, envelope: Envelope
    ) -> str:
        if self.keeps or self.replies.get("DATA", "2").startswith("2"):
            self.letters.append(envelope)
        return await self._said("DATA", server)

    async def _said(self, stage: str, server: Server) -> str:
        said = self.replies.get(stage, OK)
        if said == SILENCE:
            self.is_asked.set()
            await self.speak.wait()
            return OK
        if said == LOSS:
            server.transport.abort()
        return said


class Server(SMTP):
    """One connection's end."""

    def __init__(self, postbox: Postbox, **options: Any) -> None:
        super().__init__(postbox, hostname="mail.test", **options)
        self.postbox = postbox
        postbox.servers.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.transport is None:
            box = self.postbox
            box.connections += 1
            box.open_now += 1
            box.most_open = max(box.most_open, box.open_now)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.postbox.open_now -= 1
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        if self.postbox.amid is None:
            await super().smtp_DATA(arg)
            return
        await self.push("354 go on")
        await self._reader.readexactly(self.postbox.amid)
        self.transport.abort()

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        self.postbox.commands.append("RSET")
        await super().smtp_RSET(arg)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        self.postbox.commands.append("QUIT")
        await super().smtp_QUIT(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        self.postbox.commands.append("AUTH")
        await super().smtp_AUTH(arg)


def authenticate(_: object, __: object, ___: object, ____: object, data: Any) -> AuthResult:
    is_right = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of this test run, and a certificate for this machine by it."""

    ca_file: Path
    server: ssl.SSLContext


def made_authority(folder: Path, name: str = "authority") -> Authority:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = folder / f"{name}.pem"
    authority.cert_pem.write_to_path(path)
    return Authority(path, context)


@asynccontextmanager
async def posted(
    postbox: Postbox | None = None,
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncIterator[Postbox]:
    """Run a server on a free port; with `starttls` it takes nothing that is not encrypted."""
    box = postbox or Postbox()
    loop = asyncio.get_running_loop()
    if starttls is not None:
        options |= {"tls_context": starttls, "require_starttls": True}

    def serve() -> Server:
        return Server(box, loop=loop, **options)

    listening = await loop.create_server(serve, "127.0.0.1", 0, ssl=tls)
    box.port = listening.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        listening.close()
        box.lose_connections()
        await asyncio.sleep(0)


def reaching(box: Postbox, tls: str = "none", **changes: object) -> Mapping[str, object]:
    """Return the settings that lead to a server."""
    return {
        "sender": "smtp",
        "smtp_host": "127.0.0.1",
        "smtp_port": box.port,
        "smtp_tls": tls,
        "smtp_from": "Shop <shop@example.com>",
    } | changes


@asynccontextmanager
async def smtp(box: Postbox, tls: str = "none", **changes: object) -> AsyncIterator[Sender]:
    """Open the sender that these settings choose."""
    sender = open_senders(Settings(**reaching(box, tls, **changes)))["email"]
    try:
        yield sender
    finally:
        await sender.close()


def letter(number: int = 1, **said: object) -> Effect:
    made = effect(number, 7, AT)
    return replace(made, message={**made.message, **said})
