"""E-mail addresses as mail programs take them: `ann@example.com` or `Ann Lee <ann@example.com>`."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

#: How long the parts of an address may be, in octets (RFC 5321, 4.5.3.1).
LOCAL_MAX = 64
DOMAIN_MAX = 253

EXPECTED = 'an address such as "ann@example.com" or "Ann Lee <ann@example.com>"'

_NAMED = re.compile(r'("(?:[^"\\]|\\.)*"|[^<>"]*)\s*<([^<>]*)>')
# A dot-atom; beyond ASCII everything is text (RFC 6531). A quoted local part is taken by no
# provider that people have mailboxes at, and is a way to smuggle things in.
_LOCAL = re.compile(r"[^\s()<>\[\]:;@\\,.\"]+(?:\.[^\s()<>\[\]:;@\\,.\"]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
#: Python's IDNA is that of 2003, which makes another domain of a name with one of these.
_DEVIANT = frozenset("ßς\u200c\u200d")
_UNWRITABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


class Mailbox(NamedTuple):
    """One address and the name of who reads it; `domain` is in its ASCII form."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        """Return the address without the name."""
        return f"{self.local}@{self.domain}"


def parse_mailbox(text: str) -> Mailbox:
    """Return the one address that a text holds.

    Python's own parser of mail headers repairs what it does not understand, and fails on some of
    it; this one refuses, as what it lets through becomes part of SMTP commands.

    Raises:
        ValueError: it is not one address, or holds a control character or a line break.
    """
    named = _NAMED.fullmatch(text.strip())
    name, address = named.groups() if named else ("", text)
    local, _, domain = address.strip().rpartition("@")
    domain = _ascii_domain(domain)
    if not (
        _LOCAL.fullmatch(local)
        and len(local.encode("utf-8", "replace")) <= LOCAL_MAX
        and _DOMAIN.fullmatch(domain)
        and len(domain) <= DOMAIN_MAX
        and all(unicodedata.category(each) not in _UNWRITABLE for each in text)
    ):
        raise ValueError(f"expected {EXPECTED}")
    name = re.sub(r"\\(.)", r"\1", name[1:-1]) if name.startswith('"') else name.strip()
    return Mailbox(name, local, domain)


def _ascii_domain(domain: str) -> str:
    try:
        return "" if _DEVIANT & set(domain) else domain.encode("idna").decode()
    except UnicodeError:
        return ""
