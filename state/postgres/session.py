"""One connection at work: it runs statements, counts them and names their failures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from state.postgres.errors import LOST, named_failures

Record = asyncpg.Record

#: A condition that always holds, for statements of bookkeeping: their commits do not wait for the
#: disk, and so neither does a turn that commits beside them. A crash of the server may forget what
#: they did in its last moments; it is done again then. No turn has it.
MAY_BE_FORGOTTEN = "(select set_config('synchronous_commit', 'off', true)) = 'off'"

BEGIN = "begin isolation level read committed"


class Session:
    """A connection, for statements of their own or for one transaction.

    It is READ COMMITTED: each statement sees what the locks before it have waited for. Once a
    statement has failed, the transaction is lost, and that nobody overlooked it is asserted:
    Postgres would answer COMMIT with a silent ROLLBACK.
    """

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self.connection = connection
        self.statements = 0
        self._has_failed = False

    @asynccontextmanager
    async def transaction(self, *first: str) -> AsyncIterator[int]:
        """Begin a transaction and roll it back if anything goes wrong inside; `commit` ends it.

        `first` are statements without arguments. They are sent along with the BEGIN, in one round
        trip, and still run one after the other, each with a snapshot of its own. Yields how many
        rows the last of them found.
        """
        try:
            with named_failures():
                tag = await self.connection.execute(";".join((BEGIN, *first)))
            yield int(tag.rpartition(" ")[2]) if first else 0
            assert not self._has_failed, "a failed statement was overlooked"
        except BaseException:
            await self._rollback()
            raise

    async def commit(self) -> None:
        """Commit the transaction; after Unavailable nobody knows whether it landed."""
        with named_failures():
            await self.connection.execute("commit")

    async def _rollback(self) -> None:
        """Roll back; a connection that cannot is closed, which does the same."""
        try:
            await self.connection.execute("rollback")
        except LOST:
            with suppress(asyncpg.InterfaceError):  # it was lost, and has left the pool already
                self.connection.terminate()

    async def rows(self, sql: str, *arguments: object) -> list[Record]:
        """Run a statement and return its rows."""
        with self._statement():
            return await self.connection.fetch(sql, *arguments)

    async def value(self, sql: str, *arguments: object) -> Any:
        """Run a statement and return the first column of its first row, None if there is no row."""
        with self._statement():
            return await self.connection.fetchval(sql, *arguments)

    async def run(self, sql: str, *arguments: object) -> int:
        """Run a statement and return how many rows it wrote."""
        with self._statement():
            tag = await self.connection.execute(sql, *arguments)
        return int(tag.rpartition(" ")[2])

    async def copy(
        self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
    ) -> None:
        """Append rows to a table by binary COPY: the way in for tables that are only appended to.

        It was as fast as `unnest` at 20 rows and 16 % faster at 200 (performance.md), so one way
        serves every size. It knows no ON CONFLICT; tables that need that use `unnest`.
        """
        with self._statement():
            await self.connection.copy_records_to_table(table, columns=list(columns), records=rows)

    @contextmanager
    def _statement(self) -> Iterator[None]:
        self.statements += 1
        try:
            with named_failures():
                yield
        except BaseException:
            self._has_failed = True
            raise


async def keep_settings(_connection: asyncpg.Connection) -> None:
    """Give a pool's connection back as it is: what is set on it lasts for its transaction at most.

    The library's own reset is a statement, as many as all others of an idle worker together, and a
    second round trip of each short question. A transaction that is still open is rolled back all
    the same.
    """
