"""The databases of a Postgres server, ours or another's."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg


class Databases:
    """Creates and drops the databases of one server, reached by the DSN of one of them."""

    def __init__(self, server_dsn: str) -> None:
        self._server_dsn = server_dsn

    def dsn(self, name: str) -> str:
        """Name a database of this server."""
        return urlunsplit(urlsplit(self._server_dsn)._replace(path=f"/{name}"))

    async def create(self, name: str, template: str | None = None) -> str:
        """Create a database, as a copy of `template` if one is given; answer its DSN.

        Nobody may be connected to the template meanwhile.
        """
        copied = f' TEMPLATE "{template}"' if template else ""
        await self._execute(f'CREATE DATABASE "{name}"{copied}')
        return self.dsn(name)

    async def drop(self, name: str) -> None:
        """Drop a database, with whatever is still connected to it."""
        await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
