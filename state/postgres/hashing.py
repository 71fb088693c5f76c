"""Keyed hashes: what stays of a value that may not be kept itself (rules I5, F4)."""

from __future__ import annotations

import hmac

from state.postgres.session import Session

#: The secret that the hashes of identifiers are keyed with; the migration made it.
ERASURE = "erasure"

STORED = "select value from secrets where name = $1"


def keyed_hash(secret: bytes, kind: str, value: str) -> bytes:
    """Return the HMAC-SHA256 of a normalised identifier: 32 bytes, other ones for each kind.

    Without the secret nobody can tell a value by trying them all, as they could with a bare hash:
    there are few telephone numbers.
    """
    return hmac.digest(secret, f"{kind}:{value}".encode("utf-8", "surrogatepass"), "sha256")


class Keyring:
    """The secrets of one database, each read once; a store shares one between its sessions."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    async def secret(self, session: Session, name: str = ERASURE) -> bytes:
        """Return a secret; the database is asked for it the first time only.

        A secret is only remembered, never made here: a hash under another one would be found by
        nobody.
        """
        known = self._known.get(name)
        if known is None:
            found: bytes | None = await session.value(STORED, name)
            assert found is not None, f"the migration made the secret {name}"
            known = self._known[name] = found
        return known
