"""A server's connections: made before they are needed, and none asks what it will need to know."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from state.postgres import contacts, reading_runs
from state.postgres.reading import ReadingPool
from state.turn import Unavailable

OPEN = """
select count(*) from pg_stat_activity
where datname = current_database() and application_name = 'waitline reading'
"""


async def test_a_filled_pool_has_all_its_connections(
    connection: asyncpg.Connection, database: str
) -> None:
    pool = await ReadingPool.open(database, 3)
    try:
        assert await connection.fetchval(OPEN) == 0
        await pool.fill()
        assert await connection.fetchval(OPEN) == 3
    finally:
        await pool.close()


async def test_a_first_question_sends_nothing_but_itself(database: str) -> None:
    """The library looks kinds of arrays up, once a connection, when it first meets them."""
    pool = await ReadingPool.open(database, 1)
    sent: list[str] = []
    try:
        async with pool.session() as session:
            session.connection.add_query_logger(lambda record: sent.append(record.query))
            asked = (reading_runs.MESSAGES, [uuid4()]), (contacts.LINKS, [1])
            for sql, argument in asked:
                await session.rows(sql, argument)
        assert sent == [sql for sql, _ in asked]
    finally:
        await pool.close()


async def test_a_pool_with_fewer_connections_than_it_may_have_still_answers(
    connection: asyncpg.Connection, database: str
) -> None:
    """A server that has begun without all of them makes do with those that there are."""
    role = f"few_{uuid4().hex[:8]}"
    await connection.execute(f"create role {role} login password 'few' connection limit 2")
    place = urlsplit(database)
    netloc = f"{role}:few@{place.hostname}:{place.port}"
    pool = await ReadingPool.open(urlunsplit(place._replace(netloc=netloc)), 3)
    try:
        with pytest.raises(Unavailable, match="too many connections"):
            await pool.fill()
        async with pool.session() as session:
            assert await session.value("select 1") == 1
    finally:
        await pool.close()
        await connection.execute(f"drop role {role}")
