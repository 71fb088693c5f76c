"""How a server starts, and what it says where it cannot, to whoever typed the command."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from deploy.local.process import free_port
from tests.clients.served import Served, serve
from tests.integration.command import ROOT
from tests.waiting import until_so

SEND = {"event": "order.completed", "email": "ann@example.com"}
NOWHERE = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


class Ended(NamedTuple):
    code: int | None
    said: str


async def typed(*arguments: str, **environment: str) -> Ended:
    """Type `waitline serve` where Kafka is away; wait for its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stream", "serve", *arguments),
        cwd=ROOT,
        env=os.environ | NOWHERE | environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return Ended(process.returncode, said.decode())


def last_words(ended: Ended) -> list[str]:
    """What is said beneath the log, to a person: never a traceback."""
    assert "Traceback" not in ended.said
    return [line for line in ended.said.splitlines() if not line.startswith("{")]


@contextmanager
def taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield str(taken.getsockname()[1])


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_port_that_is_taken(database: str, workers: str) -> None:
    with taken_port() as port:
        ended = await typed("--port", port, "--workers", workers, DATABASE_URL=database)
    assert ended.code == 1
    assert last_words(ended) == [
        f"waitline: cannot listen at 127.0.0.1:{port}: another program does",
        "stop it, or give another WAITLINE_HTTP_PORT",
    ]
    assert "http.crashed" not in ended.said
    assert "supervisor." not in ended.said


async def test_a_port_of_metrics_that_is_taken(database: str) -> None:
    with taken_port() as port:
        ended = await typed(
            *("--port", str(free_port())), DATABASE_URL=database, WAITLINE_METRICS_PORT=port
        )
    assert ended.code == 1
    assert last_words(ended)[1] == "stop it, or give another WAITLINE_METRICS_PORT"


async def test_an_address_that_is_not_of_this_machine(database: str) -> None:
    ended = await typed("--host", "192.0.2.1", DATABASE_URL=database)
    assert ended.code == 1
    assert "no such address\ngive another WAITLINE_HTTP_HOST" in ended.said


async def test_a_database_that_is_away() -> None:
    url = "postgresql://waitline:hunter2@127.0.0.1:1/waitline"
    ended = await typed(DATABASE_URL=url)
    assert ended.code == 1
    first, second = last_words(ended)
    assert first.startswith("waitline: Postgres at 127.0.0.1:1/waitline cannot be used: ")
    assert second == "check DATABASE_URL"
    assert "hunter2" not in ended.said


async def test_a_database_that_is_not_migrated(empty_database: str) -> None:
    ended = await typed(DATABASE_URL=empty_database)
    assert ended.code == 1
    (said,) = last_words(ended)
    assert said.startswith("waitline: the database lacks 0001_")
    assert said.endswith(": run `waitline migrate`")


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--port", "70000"], {}, "--port"),
        (["--workers", "0"], {}, "--workers"),
        ([], {"WAITLINE_HTTP_PORT": "http"}, "WAITLINE_HTTP_PORT"),
        ([], {"WAITLINE_HTTP_ACCESS_LOG": "none"}, "WAITLINE_HTTP_ACCESS_LOG: expected one of"),
        ([], {"WAITLINE_METRICS_PORT": "0"}, "WAITLINE_METRICS_PORT"),
    ],
)
async def test_wrong_use_ends_with_2(
    arguments: list[str], environment: dict[str, str], said: str
) -> None:
    ended = await typed(*arguments, **environment)
    assert ended.code == 2
    assert said in ended.said
    assert "Traceback" not in ended.said


async def test_kafka_that_is_away_is_told_with_what_to_do_and_what_works_without(
    served: Served,
) -> None:
    async with serve(served.house, "/healthz", **NOWHERE) as alone:

        async def is_told() -> bool:
            return '"kafka.unreachable"' in alone.log.read_text()

        await until_so(is_told)
        (line, *_) = told(alone.log, "kafka.unreachable")
        assert "check KAFKA_BOOTSTRAP_SERVERS" in line["remedy"]
        async with alone.client() as client:
            assert (await client.get("/automations")).is_success
            assert (await client.post("/events/send", json=SEND)).status_code == 503
        assert await alone.stop() == 0


async def test_topics_that_are_missing_are_named_with_the_command_that_makes_them(
    served: Served,
) -> None:
    async with serve(served.house, "/healthz", WAITLINE_TOPICS_EVENTS="nobody-made-me") as lacking:

        async def is_told() -> bool:
            return bool(told(lacking.log, "http.kafka_not_ready"))

        await until_so(is_told)
        async with lacking.client() as client:
            ready = await client.get("/readyz")
            refused = await client.post("/events/send", json=SEND)
        assert ready.status_code == 503
        assert ready.json()["away"] == {
            "kafka": "it lacks nobody-made-me: run `waitline topics create`"
        }
        assert refused.status_code == 503
        assert "not there yet: nothing was sent" in refused.json()["message"]
        (line,) = told(lacking.log, "topics.missing")
        assert line["request_id"] == refused.headers["x-request-id"]


async def test_ctrl_c_ends_it_in_order_and_what_had_begun_is_answered(served: Served) -> None:
    body = json.dumps(SEND).encode()
    head = (
        f"POST /events/send HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {served.key}\r\n"
        f"content-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(head.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")  # its body is waited for

    served.popen.send_signal(signal.SIGINT)
    await until_so(lambda: _refuses(served))
    writer.write(body)
    assert b"HTTP/1.1 202 " in await reader.read()
    writer.close()
    assert await asyncio.to_thread(served.popen.wait, 20) == 0
    assert told(served.log, "http.drained")


async def _refuses(served: Served) -> bool:
    try:
        async with served.client() as late:
            await late.get("/healthz")
    except httpx.TransportError:
        return True
    return False


def told(log: Path, event: str) -> list[dict[str, str]]:
    said = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    return [line for line in said if line["event"] == event]
