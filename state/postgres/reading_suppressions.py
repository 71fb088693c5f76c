"""Suppressed addresses, read for people (rule F4)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from state.postgres.contacts import load_links
from state.postgres.hashing import Keyring, keyed_hash
from state.postgres.session import Session
from state.postgres.suppressions import KIND, address_hash, hash_prefix

NEWEST = """
select kind, address_hash, contact_id, reason, at, source from suppressions
where $1::bytea is null or (kind = 'email' and address_hash = $1)
order by at desc, address_hash limit $2
"""


class SuppressionRow(NamedTuple):
    """A suppressed address by the beginning of its hash; `address` while a contact holds it."""

    kind: str
    hash_prefix: str
    address: str | None
    reason: str
    at: datetime
    source: str


async def list_suppressions(
    session: Session, address: str | None, limit: int
) -> list[SuppressionRow]:
    """Return the newest suppressions, or that of one address."""
    keyring = Keyring()
    wanted = None if address is None else await address_hash(session, keyring, address)
    rows = await session.rows(NEWEST, wanted, limit)
    held = await _addresses(session, keyring, [row["contact_id"] for row in rows])
    return [
        SuppressionRow(
            row["kind"],
            hash_prefix(row["address_hash"]),
            held.get(row["address_hash"]) or address,
            row["reason"],
            row["at"],
            row["source"],
        )
        for row in rows
    ]


async def _addresses(
    session: Session, keyring: Keyring, contacts: list[int | None]
) -> dict[bytes, str]:
    """Return the addresses that these contacts hold now, by hash."""
    secret = await keyring.secret(session)
    links = await load_links(session, [one for one in contacts if one is not None])
    values = [
        link.identifier.value
        for of_contact in links.values()
        for link in of_contact
        if link.identifier.kind == KIND
    ]
    return {keyed_hash(secret, KIND, value): value for value in values}
