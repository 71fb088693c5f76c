"""Schemas that requests ask for together: few questions, no old answer, a failure told to all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from state.postgres.event_definitions import create_event, update_event
from state.postgres.reading import ReadingPool
from state.postgres.session import Session
from state.postgres.store import PostgresStore
from state.turn import Unavailable
from stream.serving.schemas import Schemas
from tests.integration.definitions import do


class Gate:
    """Lends sessions of a pool, counts them, and holds them back while it is shut."""

    def __init__(self, pool: ReadingPool) -> None:
        self.pool = pool
        self.asked = 0
        self.failure: Exception | None = None
        self.lent = asyncio.Event()
        self.opened = asyncio.Event()
        self.opened.set()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        self.asked += 1
        async with self.pool.session() as session:
            self.lent.set()
            yield session
            await self.opened.wait()
            if self.failure is not None:
                raise self.failure


@pytest.fixture
async def gate(database: str) -> AsyncIterator[Gate]:
    pool = await ReadingPool.open(database, 2)
    yield Gate(pool)
    await pool.close()


async def test_a_crowd_takes_two_questions(store: PostgresStore, gate: Gate) -> None:
    await do(store, create_event, "one", {"plan": "string"}, "ann")
    await do(store, create_event, "two", None, "ann")
    schemas = Schemas(gate.reading)
    names = ["one", "two", "three"] * 30
    found = await asyncio.gather(*map(schemas.schema_of, names))
    assert found == [{"plan": "string"}, None, None] * 30
    assert gate.asked <= 2


async def test_a_request_is_bound_by_what_was_changed_before_it_came(
    store: PostgresStore, gate: Gate
) -> None:
    """Also while a question is under way that was asked before the change."""
    await do(store, create_event, "one", {"plan": "string"}, "ann")
    schemas = Schemas(gate.reading)
    gate.opened.clear()
    async with asyncio.TaskGroup() as group:
        earlier = group.create_task(schemas.schema_of("one"))
        await gate.lent.wait()
        await asyncio.sleep(0.1)  # it has its answer by now, or nothing is shown
        await do(store, update_event, "one", {"plan": "number"}, "ben")
        later = [group.create_task(schemas.schema_of("one")) for _ in range(3)]
        await asyncio.sleep(0)
        gate.opened.set()
    assert [task.result() for task in later] == [{"plan": "number"}] * 3
    assert earlier.result() in ({"plan": "string"}, {"plan": "number"})
    assert gate.asked == 2


async def test_a_failure_is_told_to_all_who_asked_and_to_nobody_else(gate: Gate) -> None:
    schemas = Schemas(gate.reading)
    gate.failure = Unavailable("away")
    told = await asyncio.gather(*map(schemas.schema_of, "aaab"), return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable] * 4
    gate.failure = None
    assert await schemas.schema_of("a") is None


async def test_who_asks_for_all_may_be_ended(gate: Gate) -> None:
    """The others are told to come again, and the next one asks anew."""
    schemas = Schemas(gate.reading)
    gate.opened.clear()
    first = asyncio.ensure_future(schemas.schema_of("a"))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(schemas.schema_of("b"))
    await asyncio.sleep(0)
    first.cancel()
    gate.opened.set()
    told = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(told[0], asyncio.CancelledError)
    assert told[1] is None or isinstance(told[1], Unavailable)
    assert await schemas.schema_of("a") is None
