"""A short, read-only visit to the tables, for people: it cannot write, and it cannot last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)

import asyncpg

from state.postgres.errors import LOST, named_failures
from state.postgres.session import Session, keep_settings
from state.turn import Unavailable

CONNECT_SECONDS = 10.0

#: A question that takes longer is one that no index answers: better to say so.
STATEMENT_SECONDS = 20

#: How long closing a pool may take, until its connections are cut.
CLOSE_SECONDS = 5.0

#: Tables may be large and their statistics cold: what an index can answer must not read them whole
#: (performance.md, trap 1). What none can answer still may.
SETTINGS = {
    "application_name": "waitline reading",
    "default_transaction_read_only": "on",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": "5s",
    "jit": "off",
    "enable_seqscan": "off",
}

#: For a program that answers many questions. It plans a question for all of its askings. It never
#: sorts what an index brings in order: a page would read the whole of its list first. Its idle
#: connections are kept, so that what lies between may not forget them either.
POOL_SETTINGS = SETTINGS | {
    "enable_sort": "off",
    "plan_cache_mode": "force_generic_plan",
    "tcp_keepalives_idle": "60",
}

#: The kinds of arrays that questions bring along. The library asks Postgres about each that a
#: connection has not met before, which takes longer than most questions.
KINDS = """
select $1::uuid[], $2::bigint[], $3::int[], $4::smallint[], $5::text[], $6::bytea[],
  $7::timestamptz[], $8::boolean[], $9::json[]
"""


class NotMigrated(Exception):
    """The database has not the tables that this code reads."""


@asynccontextmanager
async def reading(dsn: str) -> AsyncIterator[Session]:
    """Open a session that only reads.

    Raises:
        Unavailable: the database cannot be reached, or took too long.
        NotMigrated: it lacks tables or columns.
    """
    with database_failures():
        async with (
            asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=1,
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS + 5.0,
                server_settings=SETTINGS,
            ) as pool,
            pool.acquire() as connection,
        ):
            yield Session(connection)


class ReadingPool:
    """Connections that only read, for a program that answers many questions at once."""

    def __init__(self, pool: asyncpg.Pool, size: int) -> None:
        self._pool = pool
        self._size = size

    @classmethod
    async def open(
        cls, dsn: str, size: int, command_timeout: float = STATEMENT_SECONDS + 5.0
    ) -> ReadingPool:
        """Open the pool; connections are made when they are first needed.

        `command_timeout` is how many seconds a server that is silent is waited for. As many as for
        a connection are waited once more, until a statement is given up.

        Raises:
            Unavailable: the address cannot be used.
        """
        with database_failures():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=0,
                max_size=size,
                timeout=CONNECT_SECONDS,
                command_timeout=command_timeout,
                server_settings=POOL_SETTINGS,
                max_inactive_connection_lifetime=0,
                init=_know_kinds,
                reset=keep_settings,
            )
        return cls(pool, size)

    async def fill(self) -> None:
        """Make all connections, so that no question waits for one to be made.

        Raises:
            Unavailable: the database cannot be reached, or has not so many for us. Then none is
                kept: others need them, too.
        """
        async with AsyncExitStack() as held:
            with ExitStack() as on_failure:
                for _ in range(self._size):
                    session = await held.enter_async_context(self.session())
                    on_failure.callback(session.connection.terminate)
                on_failure.pop_all()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a session.

        Raises:
            Unavailable: the database cannot be reached, or all connections are taken for long.
            NotMigrated: it lacks tables or columns.
        """
        with database_failures():
            connection = await self._pool.acquire(timeout=CONNECT_SECONDS)
        try:
            yield Session(connection)
        finally:
            # One that cannot be reset is closed by the pool: what was asked has its answer, or its
            # failure, all the same.
            with suppress(*LOST):
                await self._pool.release(connection)

    async def close(self) -> None:
        """Close all connections, when what they are busy with is done, or the hard way in time."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def _know_kinds(connection: asyncpg.Connection) -> None:
    await connection.prepare(KINDS)


@contextmanager
def database_failures() -> Iterator[None]:
    """Raise what an operator can act upon: the database is away, or not migrated.

    For commands, which connect anew each time, so that a refused login is a failure to reach it.
    """
    try:
        with named_failures():
            yield
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise NotMigrated(str(error)) from None
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.InsufficientPrivilegeError,
        asyncpg.ClientConfigurationError,
    ) as error:
        raise Unavailable(str(error).split("\n", 1)[0]) from None
