"""`waitline keys`: made, shown once, listed, revoked."""

from __future__ import annotations

import re

import asyncpg

from state.api_key import parse_token, secret_hash
from state.postgres.api_keys import note_uses
from state.postgres.store import PostgresStore
from tests.integration.command import operate


async def test_a_key_is_shown_once_and_kept_as_a_hash(
    database: str, connection: asyncpg.Connection
) -> None:
    """O4: who made a key, and what it may do, is in the audit log; its secret is nowhere."""
    said = await operate(database, "keys", "create", "shop", "--scope", "send")
    assert said.code == 0, said.err
    token = parse_token(said.out.strip())
    assert token is not None
    assert token.secret not in said.err
    (row,) = await connection.fetch("select * from api_keys")
    assert (row["key_id"], row["scope"], row["hash"]) == (
        token.key_id,
        "send",
        secret_hash(token.secret),
    )
    assert token.secret not in str(tuple(row))
    (done,) = await connection.fetch("select * from audit where what = 'key.create'")
    assert done["target"] == token.key_id
    assert token.secret not in str(tuple(done))


async def test_a_revoked_and_an_expired_key_are_listed_as_such(database: str) -> None:
    """O4: a revocation is audited."""
    brief = await operate(
        database, "keys", "create", "brief", "--expires", "0.001", "--prefix", "rk_live", "--json"
    )
    assert brief.document["key"].startswith("rk_live_")
    kept = (await operate(database, "keys", "create", "kept", "--json")).document
    gone = (await operate(database, "keys", "create", "gone", "--json")).document
    # By the key itself, as whoever found it lying about would.
    assert (await operate(database, "keys", "revoke", gone["key"], "--yes")).code == 0
    again = await operate(database, "keys", "revoke", gone["id"], "--yes")
    assert "already" in again.out
    listed = (await operate(database, "keys", "list", "--json")).document
    assert {one["name"]: one["status"] for one in listed} == {
        "brief": "expired",
        "kept": "live",
        "gone": "revoked",
    }
    assert kept["expires_at"] is None
    revoked = (await operate(database, "audit", "--what", "key.revoke", "--json")).document
    assert [one["target"] for one in revoked] == [gone["id"]]


async def test_what_cannot_be_done_says_what_to_do(database: str) -> None:
    unknown = await operate(database, "keys", "revoke", "0" * 12, "--yes")
    assert unknown.code == 1
    assert "waitline keys list" in unknown.err
    odd = await operate(database, "keys", "create", "x", "--prefix", "RE!")
    assert odd.code == 2
    never = await operate(database, "keys", "create", "x", "--expires", "soon")
    assert never.code == 2
    assert re.search("--expires: expected", never.err)


async def test_the_last_use_moves_forward_only(
    database: str, store: PostgresStore, connection: asyncpg.Connection
) -> None:
    made = (await operate(database, "keys", "create", "used", "--json")).document
    now = await store.database_now()
    for at in (now, now.replace(year=2020)):
        async with store.session() as session:
            await note_uses(session, {made["id"]: at, "f" * 12: at})
    assert await connection.fetchval("select last_used_at from api_keys") == now
