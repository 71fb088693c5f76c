"""What a server does while it has lost Kafka or Postgres, when they are back, and at its end."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deploy.local.kafka import LocalBroker
from tests.clients.served import Served, serve
from tests.conftest import CreateTopics
from tests.integration.drawn import waiting
from tests.integration.kit import House, a_house
from tests.waiting import until_so

ANN = "ann@example.com"
GO = {"event": "go", "email": ANN}
KEY = {"idempotency-key": "order-7"}

#: How long an event may take here; whoever asks waits a little longer.
BOUND = {"WAITLINE_HTTP_PUBLISH_TIMEOUT": "2"}


@pytest.fixture
def kafka(own_broker: LocalBroker) -> str:
    """A broker that belongs to the test."""
    return own_broker.bootstrap_servers


@pytest.fixture
async def house(
    kafka: str, database: str, topics: CreateTopics, tmp_path: Path
) -> AsyncIterator[House]:
    """A house on that broker, without a worker."""
    async with a_house(kafka, database, topics, tmp_path) as made:
        yield made


async def refused(client: httpx.AsyncClient) -> str:
    """Send the event while it cannot be taken; return what is said."""
    async with asyncio.timeout(20):
        answer = await client.post("/events/send", json=GO, headers=KEY)
    body = answer.json()
    assert (answer.status_code, body["name"]) == (503, "service_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    return str(body["message"])


async def away(client: httpx.AsyncClient) -> list[str]:
    """Return what the server misses; it lives all the same."""
    assert (await client.get("/healthz")).status_code == 200
    ready = await client.get("/readyz")
    return [] if ready.status_code == 200 else list(ready.json()["away"])


async def test_a_broker_that_is_lost_is_waited_for_within_bounds_and_nothing_is_done_twice(
    house: House, own_broker: LocalBroker
) -> None:
    """Whoever is told to send again does, by the same key, and one run starts."""
    (applied,) = await house.apply(waiting())
    runs = f"/automations/{applied.automation_id}/runs"
    async with serve(house, **BOUND) as served, served.client() as client:
        assert (await client.post("/events/send", json={**GO, "event": "other"})).is_success
        own_broker.freeze()
        assert "Idempotency-Key order-7" in await refused(client)
        assert await away(client) == ["kafka"]
        assert (await client.get("/automations")).status_code == 200
        own_broker.kill()
        await refused(client)
        assert await away(client) == ["kafka"]
        own_broker.start()

        async def is_ready() -> bool:
            return not await away(client)

        await until_so(is_ready, 60)
        sent = await client.post("/events/send", json=GO, headers=KEY)
        assert (sent.status_code, sent.json()["id"]) == (202, "order-7")
        last = await client.post("/events/send", json={**GO, "event": "answer"})
        assert last.status_code == 202
        async with house.worker():
            await house.run_when("order-7", lambda run: run["status"] == "completed", 60)
        assert len((await client.get(runs)).json()["data"]) == 1


async def test_told_to_stop_it_answers_what_it_was_asked_and_takes_nothing_new(
    house: House, own_broker: LocalBroker
) -> None:
    async with serve(house, **BOUND) as served:
        own_broker.freeze()
        begun = await asyncio.open_connection("127.0.0.1", served.port)
        try:
            await say(*begun, served)
            served.popen.send_signal(signal.SIGTERM)
            await until_so(lambda: is_closed(served))
            own_broker.thaw()
            async with asyncio.timeout(20):
                said = await begun[0].read()
        finally:
            begun[1].close()
        assert said.startswith(b"HTTP/1.1 202 "), said
        assert await asyncio.to_thread(served.popen.wait, 30) == 0
        [sent] = await house.topic(house.events, 1)
        assert json.loads(sent.value() or b"")["event"] == "go"


async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: Served) -> None:
    """Send the event on a bare connection, and see that others are answered meanwhile."""
    body = json.dumps(GO)
    head = [
        "POST /events/send HTTP/1.1",
        "host: x",
        f"authorization: Bearer {served.key}",
        f"content-length: {len(body)}",
    ]
    writer.write("\r\n".join([*head, "", body]).encode())
    await writer.drain()
    async with served.client() as client:
        assert (await client.get("/automations")).status_code == 200
    assert not reader.at_eof()


async def is_closed(served: Served) -> bool:
    """Tell whether new connections are refused."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False
