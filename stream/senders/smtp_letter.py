"""An effect as the bytes that go over SMTP: addresses, headers, a text and an HTML form."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from textwrap import wrap

from state.effect import Effect
from stream.mailbox import EXPECTED, Mailbox, parse_mailbox
from stream.senders.mime_body import set_body

#: Bodies are encoded in 7 bits, so that every server can pass them on, whatever it offers.
BODY = policy.SMTP.clone(cte_type="7bit")

#: The bytes of one encoded word: with its header's name the line stays within 76 (RFC 2047).
WORD_BYTES = 39

#: How long a line of plain text in a header is: with the name it stays within 78 (RFC 5322).
PLAIN_MAX = 60

_PLAIN = re.compile(r"[ -~]*")
_LINE_BREAK = re.compile(r"[\r\n]")
_ANY_BREAK = re.compile(rb"\r\n|\r|\n")


class LetterError(ValueError):
    """No letter can be made of this effect, now or later; `code` says what is wrong with it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Letter:
    """What SMTP wants: who sends (MAIL), who receives (RCPT), and what (DATA), in CRLF lines.

    `needs_utf8`: an address has letters beyond ASCII before its @, which only servers with
    SMTPUTF8 take (RFC 6531). Other text is encoded and needs nothing.
    """

    sender: str
    recipient: str
    content: bytes
    needs_utf8: bool


def write_letter(effect: Effect, default_from: Mailbox | None) -> Letter:
    """Compose the e-mail of an effect: the same Message-ID and Date on every attempt (rule F2).

    Raises:
        LetterError: an address or the subject cannot be used, or nobody is said to send it.
    """
    said = effect.message
    sender = _sender(said.get("from"), default_from)
    recipient = _mailbox("to", said["to"])
    reply_to = None if said.get("reply_to") is None else _mailbox("reply_to", said["reply_to"])
    subject = str(said.get("subject") or "")
    if _LINE_BREAK.search(subject):
        raise LetterError("subject_invalid", "the subject holds a line break")
    headers = {
        "Message-ID": f"<{effect.effect_id}@{sender.domain}>",
        "Date": format_datetime(effect.created_at),
        "From": _written(sender),
        "To": _written(recipient),
        "Reply-To": _written(reply_to) if reply_to else None,
        "Subject": _encoded(subject),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
    content = head.encode() + _body(said.get("text"), said.get("html"))
    return Letter(
        sender.address,
        recipient.address,
        _ANY_BREAK.sub(b"\r\n", content),
        not all(each.local.isascii() for each in (sender, recipient, reply_to) if each),
    )


def _sender(said: object, default: Mailbox | None) -> Mailbox:
    if said is not None:
        return _mailbox("from", said)
    if default is None:
        raise LetterError(
            "from_missing",
            "neither the step's `from` nor WAITLINE_SMTP_FROM says who sends the message",
        )
    return default


def _mailbox(field: str, said: object) -> Mailbox:
    try:
        return parse_mailbox(str(said))
    except ValueError:
        raise LetterError(
            f"{field}_invalid", f"`{field}` is {said!r:.100}, not {EXPECTED}"
        ) from None


def _body(text: object, html: object) -> bytes:
    """Return the MIME headers and the body; the standard library knows how these are encoded."""
    message = EmailMessage(BODY)
    try:
        set_body(message, text, html)
        return message.as_bytes()
    except UnicodeError:
        raise LetterError("text_invalid", "the text holds half of a surrogate pair") from None


def _written(mailbox: Mailbox) -> str:
    """Return an address for a header.

    A name is quoted or encoded whole: the standard library may leave a comma or an angle bracket
    of it bare when it folds the line, and a name then reads as another address.
    """
    if not mailbox.name:
        return mailbox.address
    name = _encoded(mailbox.name)
    if name == mailbox.name:
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name}\r\n <{mailbox.address}>"


def _encoded(text: str) -> str:
    """Return a text for a header: folded at spaces where it is plain, else in encoded words.

    No character but printable ASCII comes out of it, so no text can begin a header of its own.
    """
    # A space at an end is taken off by whoever reads a header that is written plain.
    if _PLAIN.fullmatch(text) and "=?" not in text and text == text.strip():
        lines = wrap(text, PLAIN_MAX, break_long_words=False, break_on_hyphens=False)
        if " ".join(lines) == text and all(len(line) <= PLAIN_MAX for line in lines):
            return "\r\n ".join(lines)
    words = (base64.b64encode(word).decode() for word in _words(text))
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in words)


def _words(text: str) -> Iterator[bytes]:
    """Cut a text into words of whole characters."""
    word = b""
    for character in text:
        written = character.encode("utf-8", "replace")
        if len(word) + len(written) > WORD_BYTES:
            yield word
            word = b""
        word += written
    yield word
