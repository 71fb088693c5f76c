"""API keys: what a client proves itself with, what it may do, and what is remembered of it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from msgspec import Struct

Scope = Literal["read", "send", "full"]

#: What a key of each scope may do.
ALLOWED: Mapping[Scope, frozenset[Scope]] = {
    "read": frozenset({"read"}),
    "send": frozenset({"send"}),
    "full": frozenset({"read", "send", "full"}),
}

#: `<prefix>_<id>_<secret>`. The prefix says nothing: clients of some vendors want their own there.
_TOKEN = re.compile(r"[a-z]{2,10}(?:_[a-z]{2,10})?_([0-9a-f]{12})_([0-9a-f]{64})")


class Token(NamedTuple):
    """What a client sends: the key's public id, and its secret as 64 hexadecimal digits."""

    key_id: str
    secret: str

    def text(self, prefix: str = "re") -> str:
        """Return the token as clients send it."""
        return f"{prefix}_{self.key_id}_{self.secret}"


class ApiKey(Struct, frozen=True):
    """A key as it is remembered: its secret's hash, never the secret."""

    key_id: str
    hash: bytes
    name: str
    scope: Scope
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def proves(self, token: Token) -> bool:
        """Tell whether the secret is this key's, in a time that does not depend on the answer."""
        return hmac.compare_digest(self.hash, secret_hash(token.secret))

    def allows(self, scope: Scope) -> bool:
        """Tell whether the key may do what needs a scope."""
        return scope in ALLOWED[self.scope]

    def is_live(self, now: datetime) -> bool:
        """Tell whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def parse_token(text: str) -> Token | None:
    """Return what a client sent, None if no key of ours looks like that."""
    match = _TOKEN.fullmatch(text)
    return None if match is None else Token(*match.groups())


def secret_hash(secret: str) -> bytes:
    """Return what is kept of a secret.

    A plain SHA-256 is enough, and right: slow, salted hashes make up for passwords that people can
    remember, and these secrets are 256 random bits, which nobody guesses at any speed. A slow hash
    would only let strangers spend our time.
    """
    return hashlib.sha256(secret.encode()).digest()
