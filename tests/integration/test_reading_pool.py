"""A server's connections: made before they are needed, and none asks what it will need to know."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import import_module
from pkgutil import iter_modules
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

import state.postgres
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


KINDS = {
    "uuid": uuid4(),
    "bigint": 1,
    "int": 1,
    "smallint": 1,
    "text": "a",
    "bytea": b"a",
    "timestamptz": datetime(2026, 11, 28, tzinfo=UTC),
    "boolean": True,
    "json": "{}",
}


async def test_a_first_question_sends_nothing_but_itself(database: str) -> None:
    """The library looks kinds of arrays up, once a connection, when it first meets them."""
    pool = await ReadingPool.open(database, 1)
    asked = {f"select cardinality($1::{kind}[])": [value] for kind, value in KINDS.items()}
    sent: list[str] = []
    try:
        async with pool.session() as session:
            session.connection.add_query_logger(lambda record: sent.append(record.query))
            for sql, array in asked.items():
                assert await session.value(sql, array) == 1
        assert sent == list(asked)
    finally:
        await pool.close()


def test_every_kind_of_array_in_a_question_is_known() -> None:
    """Of any question: who adds another kind has it looked up beforehand."""
    asked = {
        {"integer": "int"}.get(kind, kind)
        for module in iter_modules(state.postgres.__path__)
        for text in vars(import_module(f"state.postgres.{module.name}")).values()
        if isinstance(text, str)
        for kind in re.findall(r"\$\d+::([a-z]+)\[\]", text)
    }
    assert asked <= KINDS.keys()
    assert asked > {"uuid", "bigint"}


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
        assert await connection.fetchval(OPEN) == 0
        async with pool.session() as session:
            assert await session.value("select 1") == 1
    finally:
        await pool.close()
        await connection.execute(f"drop role {role}")
