"""`Idempotency-Key` as RevKeen keeps it: which requests are the same, and what a key may be."""

from __future__ import annotations

import hashlib
from datetime import timedelta

HEADER, REPLAYED_HEADER = "Idempotency-Key", "Idempotency-Replayed"

#: How long an answer is kept from the first use of its key on.
KEPT_FOR = timedelta(hours=24)

#: Other methods ignore the header.
METHODS = frozenset({"POST", "PATCH", "PUT"})

KEY_MAX = 255


def is_key(text: str) -> bool:
    """Tell whether a header's text can be a key: 1 to 255 characters."""
    return 1 <= len(text) <= KEY_MAX


def scope_of(method: str, path: str) -> str:
    """Return within what a key means one request; used elsewhere it is another key."""
    return f"{method} {path}"


def fingerprint(body: bytes) -> bytes:
    """Return what tells the body of one request from that of another."""
    return hashlib.sha256(body).digest()
