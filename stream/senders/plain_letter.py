"""The short way to an e-mail's bytes, for letters in which nothing has to be encoded or folded.

Most are of that shape, and `EmailMessage` takes twenty times as long over them. What comes out is,
byte for byte, what it would make; whatever is not plain is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: What neither folding nor decoding touches: no space at an end, no two in a row, no encoded word.
_WORDS = re.compile(r"[!-~]+(?: [!-~]+)*")
_LINE = re.compile(r"[\t -~]*")

#: Addresses that read the same to every parser; names and quoted parts do not.
_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")

_ADDRESSED = frozenset({"From", "To", "Reply-To"})

#: How long a line is at most, its header's name with it (RFC 5322).
LINE_MAX = 998

_BODY_HEAD = 'Content-Type: text/plain; charset="utf-8"\nContent-Transfer-Encoding: 7bit\n'


def plain_letter(headers: Mapping[str, str], text: str) -> bytes | None:
    """Return a letter of these headers and this text, or None if anything of it is not plain."""
    lines = text.split("\n")
    is_plain = all(_is_plain(name, value) for name, value in headers.items()) and all(
        len(line) <= LINE_MAX and _LINE.fullmatch(line) for line in lines
    )
    if not is_plain:
        return None
    head = "".join(f"{name}: {value}\n" for name, value in headers.items())
    end = "" if text.endswith("\n") else "\n"
    return f"{head}{_BODY_HEAD}MIME-Version: 1.0\n\n{text}{end}".encode("ascii")


def _is_plain(name: str, value: str) -> bool:
    shape = _ADDRESS if name in _ADDRESSED else _WORDS
    return (
        len(name) + len(value) < LINE_MAX - 2 and "=?" not in value and bool(shape.fullmatch(value))
    )
