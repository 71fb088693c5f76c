"""Keyed hashes, and the secret that a database has for life: I5."""

from state.postgres.hashing import ERASURE, Keyring, keyed_hash
from state.postgres.migrate import migrate
from state.postgres.store import PostgresStore
from tests.stored import rows

STORED = "select value from secrets where name = $1"


def test_a_hash_depends_on_secret_kind_and_value() -> None:
    hashed = keyed_hash(b"one", "email", "ann@example.com")
    assert len(hashed) == 32
    assert hashed == keyed_hash(b"one", "email", "ann@example.com")
    assert hashed != keyed_hash(b"two", "email", "ann@example.com")
    assert hashed != keyed_hash(b"one", "phone", "ann@example.com")
    assert hashed != keyed_hash(b"one", "email", "bob@example.com")


async def test_a_database_has_one_secret_for_life(store: PostgresStore, database: str) -> None:
    """I5: hashes stay comparable, so the secret is made once and no migration makes it anew."""
    ((made,),) = await rows(database, STORED, ERASURE)
    assert len(made) == 32
    await migrate(database)
    assert await rows(database, STORED, ERASURE) == [(made,)]
    keyring = Keyring()
    async with store.session() as session:
        assert await keyring.secret(session) == made
        asked = session.statements
        assert await keyring.secret(session) == made
        assert session.statements == asked


async def test_two_databases_hash_differently(database: str, empty_database: str) -> None:
    """I5: what leaks from one tells nothing about another."""
    await migrate(empty_database)
    here, there = [await rows(url, STORED, ERASURE) for url in (database, empty_database)]
    assert here != there
