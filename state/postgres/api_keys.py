"""API keys: made and revoked by operators, found at each request (rule O4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from state.api_key import ApiKey, Scope, Token, secret_hash
from state.moment import optional_moment_text
from state.postgres import audit
from state.postgres.audit import Action
from state.postgres.codec import columns_of
from state.postgres.marks import database_now
from state.postgres.session import Session

_COLUMNS = """
key_id, hash, name, scope, created_at, created_by, expires_at, revoked_at, last_used_at
"""

CREATE = """
insert into api_keys (key_id, hash, name, scope, created_at, created_by, expires_at)
values ($1, $2, $3, $4, $5, $6, $7)
"""

BY_ID = f"select {_COLUMNS} from api_keys where key_id = $1"  # noqa: S608 - our own columns

ALL = f"select {_COLUMNS} from api_keys order by created_at desc, key_id"  # noqa: S608 - our own columns

REVOKE = "update api_keys set revoked_at = $2 where key_id = $1 and revoked_at is null"

#: Sorted, so that two servers wait for each other one way only.
USED = """
with used as materialized (
  select key_id, used.at from api_keys
  join unnest($1::text[], $2::timestamptz[]) as used (key_id, at) using (key_id)
  where last_used_at is null or last_used_at < used.at
  order by key_id for no key update of api_keys
)
update api_keys set last_used_at = used.at from used where api_keys.key_id = used.key_id
"""


async def create_key(
    session: Session, token: Token, name: str, scope: Scope, expires_at: datetime | None, who: str
) -> ApiKey:
    """Remember a new key, its secret as a hash."""
    now = await database_now(session)
    key = ApiKey(token.key_id, secret_hash(token.secret), name, scope, now, who, expires_at)
    await session.run(CREATE, key.key_id, key.hash, name, scope, now, who, expires_at)
    await audit.record(session, Action(who, now), "key.create", key.key_id, (None, _audited(key)))
    return key


async def find_key(session: Session, key_id: str) -> ApiKey | None:
    """Return the key of this id, live or not."""
    rows = await session.rows(BY_ID, key_id)
    return ApiKey(*rows[0]) if rows else None


async def list_keys(session: Session) -> list[ApiKey]:
    """Return all keys, the newest first."""
    return [ApiKey(*row) for row in await session.rows(ALL)]


async def revoke_key(session: Session, key_id: str, who: str) -> bool:
    """Let a key open nothing any more; tell whether it did before."""
    now = await database_now(session)
    before = await find_key(session, key_id)
    if before is None or not await session.run(REVOKE, key_id, now):
        return False
    await audit.record(session, Action(who, now), "key.revoke", key_id, (_audited(before), None))
    return True


async def note_uses(session: Session, uses: Mapping[str, datetime]) -> None:
    """Write down when keys were last used, those of many requests at once."""
    if uses:
        await session.run(USED, *columns_of(list(uses.items())))


def _audited(key: ApiKey) -> dict[str, object]:
    return {
        "name": key.name,
        "scope": key.scope,
        "expires_at": optional_moment_text(key.expires_at),
    }
