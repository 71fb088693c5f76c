"""The schema's way forward: numbered files, applied once each, never changed and never undone."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from importlib.resources import files
from typing import TypeVar

import asyncpg
from msgspec import Struct

from state.postgres.leaves import Connection, ensure_partitions

#: The advisory lock that migrations and new partitions take; any constant, but never another's.
MIGRATION_LOCK = 0x7761_6974_0001

#: How long a statement waits for a table's lock. Meanwhile all who come after it wait too, so it is
#: well below the patience of workers' statements.
LOCK_TIMEOUT = "2s"

#: How often a migration that found a table in use, or was in a deadlock, is begun again, and how
#: long the table's users have in between, in seconds.
TRIES = 20
PAUSE = 1.0

CREATE_LEDGER = """
create table if not exists schema_migrations (
  name text primary key,
  checksum text not null,
  applied_at timestamptz not null
)
"""

LEDGER_EXISTS = "select to_regclass('schema_migrations') is not null"

APPLIED = "select name, checksum from schema_migrations order by name"

RECORD = "insert into schema_migrations values ($1, $2, clock_timestamp())"

AUDIT = """
insert into audit (at, who, what, target) values (clock_timestamp(), $1, 'schema.migrate', $2)
"""


T = TypeVar("T")


class MigrationError(Exception):
    """The database and the code do not belong together; the message says how they differ."""


class Migration(Struct, frozen=True):
    """One file of the `migrations` folder."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Return the hash by which a changed file is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known_migrations() -> list[Migration]:
    """Return the migrations of this code, in order."""
    folder = files("state.postgres") / "migrations"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((Migration(one.name, one.read_text()) for one in found), key=lambda one: one.name)


async def migrate(dsn: str, who: str | None = None) -> list[str]:
    """Bring the schema up to this code's and make partitions ahead; return the names applied.

    Where an operator does it, `who` and each name are written into the audit log (rule O4).

    Any number may call it at once: each file is applied by one of them, in a transaction of its
    own under an advisory lock, and recorded in that transaction. Workers may be at work: whoever
    holds a table is waited for briefly and often, so that they are not held up for long.

    Raises:
        MigrationError: an applied file was changed, the database is newer than the code, or a table
            was in use all the time.
    """
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=600)
    try:
        applied: list[str] = []
        while (name := await _insist(lambda: _apply_next(connection, who))) is not None:
            applied.append(name)
        await _insist(lambda: _make_partitions(connection))
        return applied
    finally:
        await connection.close(timeout=5)


async def pending(dsn: str) -> list[str]:
    """Return the names of the migrations that the database lacks; it writes nothing.

    Raises:
        MigrationError: an applied file was changed, or the database is newer than the code.
    """
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=30)
    try:
        rows = await connection.fetch(APPLIED) if await connection.fetchval(LEDGER_EXISTS) else []
        return [one.name for one in _missing(rows, known_migrations())]
    finally:
        await connection.close(timeout=5)


async def _insist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Make a transaction again until no other user of its tables is in the way."""
    last: Exception | None = None
    for _ in range(TRIES):
        try:
            return await attempt()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            last = error
        await asyncio.sleep(PAUSE)
    raise MigrationError(
        f"a table was in use whenever it was to be changed ({last}): nothing of that migration was "
        "done; end the long transactions that pg_stat_activity shows, or stop the workers, and "
        "migrate again"
    )


async def _make_partitions(connection: Connection) -> None:
    async with connection.transaction():
        await take_migration_lock(connection)
        now: datetime = await connection.fetchval("select clock_timestamp()")
        await ensure_partitions(connection, now)


async def _apply_next(connection: Connection, who: str | None) -> str | None:
    known = known_migrations()
    async with connection.transaction():
        await take_migration_lock(connection)
        await connection.execute(CREATE_LEDGER)
        missing = _missing(await connection.fetch(APPLIED), known)
        if not missing:
            return None
        await connection.execute(missing[0].sql)
        await connection.execute(RECORD, missing[0].name, missing[0].checksum)
        if who is not None:
            await connection.execute(AUDIT, who, missing[0].name)
        return missing[0].name


async def take_migration_lock(connection: Connection) -> None:
    """Take the lock with patience, as another may be migrating; be short with everything after.

    A statement that waits for a table's lock makes all who come after it wait too.
    """
    await connection.execute("select pg_advisory_xact_lock($1)", MIGRATION_LOCK)
    await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
    await connection.execute("set local statement_timeout = '300s'")


def _missing(rows: list[asyncpg.Record], known: list[Migration]) -> list[Migration]:
    checksums = {one.name: one.checksum for one in known}
    for name, checksum in rows:
        if name not in checksums:
            raise MigrationError(
                f"the database has migration {name}, which this code does not know: "
                "it was migrated by a newer Waitline; run that one"
            )
        if checksum != checksums[name]:
            raise MigrationError(
                f"migration {name} was changed after it was applied: restore the file, "
                "and put the change into a new one"
            )
    applied = {name for name, _ in rows}
    return [one for one in known if one.name not in applied]
