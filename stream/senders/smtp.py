"""E-mail over SMTP: one message a transaction, each failure by what it means (rules F3, F5).

SMTP knows no keys: a message that is handed over twice arrives twice. So all turns on one instant,
the end of the data (`<CRLF>.<CRLF>`). Until it is sent the server has promised nothing, and where
the connection ends before it the server must drop the message (RFC 5321, 4.1.1.10): a failure is a
`NotNow`, and may be repeated. From then on the server may have the message before we hear of it
(RFC 5321, 4.2.5, 4.5.3.2.6; RFC 1047): a lost answer is `Unsure`, and is never repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from aiosmtplib import SMTPResponse, SMTPResponseException, SMTPServerDisconnected

from state.effect import Effect
from stream.mailbox import Mailbox
from stream.senders.sender import Accepted, Declined, NotNow, Outcome, Unsure
from stream.senders.smtp_letter import Letter, LetterError, write_letter
from stream.senders.smtp_link import TROUBLES, Link
from stream.senders.smtp_server import Links, Server, Unusable

#: When a message is tried again that the server puts off: a mailbox that is full, or a host that
#: lets strangers wait ("greylisting"), wants minutes; the relay's own back-off begins at a second.
SOON = timedelta(minutes=1)

#: When again where an operator has to mend something first, so that a mistyped password leaves the
#: time to correct it before runs fail of it.
LATER = timedelta(minutes=5)

#: Replies that say "who are you?", not "not this message": 530 to 538 (RFC 4954, 6).
LOGIN_WANTED = frozenset({530, 534, 535, 538})

#: How much of a reply is kept, in characters.
REPLY_MAX = 500

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SmtpLimits:
    """How long one message may take in all, over at most how many connections."""

    timeout: timedelta
    connections: int


class Smtp:
    """Sends e-mail through one server."""

    honours_keys = False

    def __init__(self, server: Server, limits: SmtpLimits, default_from: Mailbox | None) -> None:
        self._server = server
        self._links = Links(server, limits.connections)
        self._seconds = limits.timeout.total_seconds()
        self._default_from = default_from

    async def send(self, effect: Effect) -> Outcome:
        """Send one e-mail, within the time limit from connecting to the server's answer."""
        until = asyncio.get_running_loop().time() + self._seconds
        try:
            # A long text takes the standard library a while to encode.
            letter = await asyncio.to_thread(write_letter, effect, self._default_from)
        except LetterError as error:
            return Declined(error.code, str(error))
        try:
            async with self._links.lend(until) as link:
                return await self._converse(link, letter, until)
        except Unusable as error:
            return self._unusable(error.code, str(error))
        except TROUBLES as error:
            return NotNow(_code(error), self._told(error))

    async def forget(self, messages: Sequence[UUID]) -> None:
        """Do nothing: the mail server has the message, and nothing of it is kept here."""

    async def close(self) -> None:
        """End the sessions in order."""
        await self._links.close()

    async def _converse(self, link: Link, letter: Letter, until: float) -> Outcome:
        """Make one mail transaction.

        Raises:
            TROUBLES: it failed before its end was sent, so that the server cannot have taken it.
        """
        async with asyncio.timeout_at(until):
            refusal = await self._introduce(link, letter)
            if refusal is not None:
                return refusal
            await link.transmit(letter.content)
        try:
            async with asyncio.timeout_at(until):
                reply = await link.finish()
        except TROUBLES as error:
            link.close()
            return Unsure(_code(error), f"after the message was handed over: {self._told(error)}")
        if reply.code // 100 in (2, 4, 5):
            return self._judged(reply, "the message")
        link.close()
        return Unsure("smtp_malformed", f"an answer that SMTP does not know: {_text_of(reply)}")

    async def _introduce(self, link: Link, letter: Letter) -> Outcome | None:
        """Say who writes to whom and that a message comes; None: the server waits for it."""
        options = [f"SIZE={len(letter.content)}"] if link.offers("size") else []
        if letter.needs_utf8:
            if not link.offers("smtputf8"):
                text = "an address has letters that the server does not take (it has no SMTPUTF8)"
                return Declined("smtputf8_missing", text)
            options += ["BODY=8BITMIME", "SMTPUTF8"]
        for expected, stage, words in (
            (2, "MAIL", (f"FROM:<{letter.sender}>", *options)),
            (2, "RCPT", (f"TO:<{letter.recipient}>",)),
            (3, "DATA", ()),
        ):
            reply = await link.command(stage, *words)
            if reply.code // 100 != expected:
                return self._refused(link, reply, stage)
        return None

    def _refused(self, link: Link, reply: SMTPResponse, stage: str) -> Outcome:
        if reply.code // 100 in (4, 5):
            return self._judged(reply, stage)
        link.close()
        return NotNow("smtp_malformed", f"an answer that SMTP does not know: {_text_of(reply)}")

    def _judged(self, reply: SMTPResponse, stage: str) -> Outcome:
        """Return what a good, a transient or a permanent reply means for the message."""
        code, text = f"smtp_{reply.code}", f"{_text_of(reply)} (in answer to {stage})"
        if reply.code < 300:
            return Accepted(provider_id=_text_of(reply))
        if reply.code in LOGIN_WANTED:
            return self._unusable(code, text)
        if reply.code < 500:
            # A 421 is about the session: the next one may be begun at once.
            return NotNow(code, text, None if reply.code == 421 else SOON)
        return Declined(code, text)

    def _unusable(self, code: str, text: str) -> NotNow:
        """Say loudly what only an operator can mend; no message is failed for it at once."""
        log.error(
            "smtp.unusable",
            code=code,
            text=text,
            host=self._server.host,
            port=self._server.port,
            tls=self._server.tls,
            fix="correct the WAITLINE_SMTP_... settings, or the server, and start anew",
        )
        return NotNow(code, _bounded(text), LATER)

    def _told(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {self._seconds:g} s"
        return _bounded(str(error))


def _code(error: BaseException) -> str:
    match error:
        case TimeoutError():
            return "smtp_timeout"
        case SMTPServerDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "smtp_disconnected"
        case SMTPResponseException(code=code) if code > 0:
            return f"smtp_{code}"
        case SMTPResponseException():
            return "smtp_malformed"
        case _:
            return "smtp_unreachable"


def _text_of(reply: SMTPResponse) -> str:
    return _bounded(reply.message)


def _bounded(text: str) -> str:
    """Return a server's words as one printable line that a database takes."""
    line = "".join(each if each.isprintable() else " " for each in " ".join(text.split()))
    return line[:REPLY_MAX]
