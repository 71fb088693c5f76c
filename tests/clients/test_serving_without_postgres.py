"""What a server does while it has lost Postgres, and once it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from deploy.local.postgres import LocalPostgres
from state.postgres.migrate import migrate
from tests.clients.served import serve
from tests.conftest import CreateTopics
from tests.integration.drawn import waiting
from tests.integration.kit import House, a_house
from tests.stored import connected
from tests.waiting import until_so

SENT = {"event": "go", "email": "ann@example.com"}

#: One request of each kind: one that reads, one that writes a definition, one that sends.
REQUESTS = {
    "/automations": None,
    "/segments": {"name": "VIP"},
    "/events/send": SENT,
}


@pytest.fixture
async def house(
    kafka: str, own_postgres: LocalPostgres, topics: CreateTopics, tmp_path: Path
) -> AsyncIterator[House]:
    """A house on a Postgres that belongs to the test, without a worker."""
    database = await own_postgres.create_database("served")
    await migrate(database)
    async with a_house(kafka, database, topics, tmp_path) as made:
        yield made


async def statuses(client: httpx.AsyncClient) -> set[int]:
    """Return what the requests are answered with, all at once, within what clients wait."""

    async def status(path: str, body: object) -> int:
        answer = await (client.get(path) if body is None else client.post(path, json=body))
        if answer.status_code == 503:
            assert answer.json()["name"] == "service_unavailable"
            assert int(answer.headers["retry-after"]) >= 1
        return answer.status_code

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(status(*request)) for request in REQUESTS.items()]
    return {one.result() for one in asked}


async def test_a_database_that_is_lost_is_said_to_be_and_found_again(
    house: House, own_postgres: LocalPostgres
) -> None:
    """No restart is needed; nothing was written meanwhile."""
    await house.apply(waiting())
    async with serve(house) as served, served.client() as client:
        assert await statuses(client) == {200, 201, 202}
        own_postgres.kill()
        assert await statuses(client) == {503}
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert (ready.status_code, list(ready.json()["away"])) == (503, ["postgres"])
        own_postgres.start()

        async def is_ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until_so(is_ready, 60)
        assert len((await client.get("/segments")).json()["data"]) == 1
        assert await statuses(client) == {200, 409, 202}
        topic = await house.topic(house.events, 2)
        assert len(topic) == 2


async def test_a_database_that_is_silent_is_given_up_before_clients_give_up(
    house: House, own_postgres: LocalPostgres
) -> None:
    async with serve(house) as served, served.client() as client:
        assert await statuses(client) == {200, 201, 202}
        own_postgres.freeze()
        assert await statuses(client) == {503}
        own_postgres.thaw()
        assert await statuses(client) == {200, 409, 202}


async def test_a_server_with_fewer_connections_than_it_may_have_says_so_and_serves(
    house: House, own_postgres: LocalPostgres
) -> None:
    database = house.environment["DATABASE_URL"]
    async with connected(database) as connection:
        await connection.execute("create role few login password 'few' connection limit 4")
        await connection.execute("grant all on all tables in schema public to few")
    limited = urlsplit(database)
    limited = limited._replace(netloc=f"few:few@{limited.hostname}:{limited.port}")
    async with serve(house, DATABASE_URL=urlunsplit(limited)) as served, served.client() as client:
        assert "http.connections_not_made" in served.log.read_text()
        answers = [(await client.get("/automations")).status_code for _ in range(20)]
    assert answers == [200] * 20
