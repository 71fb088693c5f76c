"""How identifiers are written: one normal form per kind, so that equal persons compare equal."""

from __future__ import annotations

import re
import unicodedata

#: How long an identifier may be (rule E6).
IDENTIFIER_MAX = 512

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PHONE_PUNCTUATION = re.compile(r"[\s().\-]")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


class IdentifierError(ValueError):
    """An identifier that has no normal form; the text says what was expected."""


def normalise(kind: str, value: str) -> str:
    """Return the normal form of an identifier of a kind (rule I1).

    Raises:
        IdentifierError: if there is none.
    """
    match kind:
        case "email":
            text = value.strip()
            text = text.lower() if text.isascii() else unicodedata.normalize("NFC", text.lower())
        case "phone":
            text = _phone(value)
        case "contact_id":
            text = value.strip().lower()
            if not _UUID.fullmatch(text):
                raise IdentifierError("a UUID")
        case _:
            text = value.strip()
    if not 0 < len(text) <= IDENTIFIER_MAX:
        raise IdentifierError(f"1 to {IDENTIFIER_MAX} characters that are not all spaces")
    return text


def is_email_address(text: str) -> bool:
    """Tell whether a text has the shape of an e-mail address: something, one @, something."""
    return _EMAIL.fullmatch(text) is not None


def _phone(value: str) -> str:
    text = _PHONE_PUNCTUATION.sub("", value)
    if text.startswith("00"):
        text = "+" + text[2:]
    if not _E164.fullmatch(text):
        raise IdentifierError("a phone number as + and 7 to 15 digits (E.164)")
    return text
