"""What a server bears: bodies, heads, crowds, odd requests, a broker that is away, its own end."""

from __future__ import annotations

import asyncio
import os
import sys

import httpx

from tests.clients.served import Served, serve
from tests.integration.command import ROOT
from tests.integration.drawn import automation
from tests.waiting import until_so

SEND = {"event": "order.completed", "email": "ann@example.com"}


async def talk(served: Served, said: bytes) -> bytes:
    """Say something on a bare connection; return what is answered until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        writer.write(said)
        await writer.drain()
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def test_bodies_that_are_too_much_are_refused_in_the_dialects_words(served: Served) -> None:
    async with served.client() as client:
        big = await client.post("/events/send", content=b'{"event": "' + b"a" * 10_000_000 + b'"}')
        assert (big.status_code, big.json()["name"]) == (413, "validation_error")
        deep = await client.post("/events/send", content=b"[" * 10_000 + b"]" * 10_000)
        assert (deep.status_code, deep.json()["name"]) == (400, "validation_error")
        assert (await client.get("/automations")).status_code == 200


async def test_odd_requests_are_understood(served: Served) -> None:
    (applied,) = await served.house.apply(automation())
    path = f"/automations/{applied.automation_id}"
    async with served.client() as client:
        # Python's client sends `{}` with GET, Node's a content type and nothing.
        assert (await client.request("GET", path, json={})).status_code == 200
        json_type = {"content-type": "application/json"}
        assert (await client.get(path, headers=json_type)).status_code == 200
        empty = await client.post("/events/send", headers=json_type)
        assert (empty.status_code, empty.json()["name"]) == (422, "missing_required_field")
        nulls = {**SEND, "contact_id": None, "payload": None, "data": 1}
        assert (await client.post("/events/send", json=nulls)).status_code == 202
        runs = await client.get(f"{path}/runs?status=running%2Cfailed")
        assert runs.status_code == 200
        odd = await client.get(f"{path}/runs?status=done")
        assert (odd.status_code, odd.json()["name"]) == (422, "validation_error")
        no_id = await client.get("/automations/7")
        assert (no_id.status_code, no_id.json()["name"]) == (422, "invalid_parameter")
        nowhere = await client.get("/nowhere")
        assert (nowhere.status_code, nowhere.json()["name"]) == (404, "not_found")
        other = await client.put("/automations")
        assert (other.status_code, other.json()["name"]) == (405, "method_not_allowed")
        long = await client.post("/events/send", json=SEND, headers={"idempotency-key": "k" * 257})
        assert (long.status_code, long.json()["name"]) == (400, "invalid_idempotency_key")


async def test_an_event_sent_twice_under_one_key_counts_once(served: Served) -> None:
    (applied,) = await served.house.apply(automation())
    path = f"/automations/{applied.automation_id}/runs"
    async with served.client() as client:
        for _ in range(2):
            sent = await client.post(
                "/events/send", json=SEND, headers={"idempotency-key": "order-1"}
            )
            assert (sent.status_code, sent.json()["id"]) == (202, "order-1")
        last = {**SEND, "email": "ben@example.com"}
        await client.post("/events/send", json=last)

        async def both() -> bool:
            return await served.house.count("duplicates") == 1 and (
                len((await client.get(path)).json()["data"]) == 2
            )

        await until_so(both)


async def test_it_speaks_by_prefix_and_by_host_and_documents_itself(served: Served) -> None:
    async with serve(served.house, WAITLINE_HTTP_HOSTS_RESEND="api.resend.com") as named:
        async with named.client() as client:
            assert (await client.get("/resend/automations")).status_code == 200
            headers = {"host": "api.resend.com"}
            assert (await client.get("/automations", headers=headers)).status_code == 200
        async with httpx.AsyncClient(base_url=served.url) as stranger:
            assert (await stranger.get("/healthz")).json() == {"status": "live"}
            docs = await stranger.get("/resend/docs")
            assert "/resend/docs/assets/swagger-ui-bundle.js" in docs.text
            assert "cdn" not in docs.text
            assert (await stranger.get("/docs/assets/swagger-ui.css")).status_code == 200
            paths = (await stranger.get("/openapi.json")).json()["paths"]
            assert {"/events/send", "/automations/{automation_id}/runs/{run_id}"} <= set(paths)
            assert (await stranger.get("/automations")).json()["name"] == "missing_api_key"


async def test_heads_that_never_end_and_crowds_that_do_nothing_keep_nobody_out(
    served: Served,
) -> None:
    bounds = {"WAITLINE_HTTP_HEAD_TIMEOUT": "1", "WAITLINE_HTTP_CONNECTIONS_MAX": "100"}
    async with serve(served.house, **bounds) as narrow:
        slow = await talk(narrow, b"GET /automations HTTP/1.1\r\nhost: x\r\n")
        assert slow.startswith(b"HTTP/1.1 408 ")
        huge = await talk(narrow, b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000)
        assert huge.startswith(b"HTTP/1.1 431 ")
    async with serve(served.house, WAITLINE_HTTP_CONNECTIONS_MAX="100") as narrow:
        crowd = [await asyncio.open_connection("127.0.0.1", narrow.port) for _ in range(1000)]
        try:
            async with narrow.client() as client:
                assert (await client.get("/automations")).status_code == 200
            first, _ = crowd[0]
            assert (await first.read()).startswith(b"HTTP/1.1 503 ")
        finally:
            for _, writer in crowd:
                writer.close()


async def test_without_a_broker_it_reads_and_says_when_to_send_again(served: Served) -> None:
    await served.house.apply(automation())
    away = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    async with serve(served.house, "/healthz", **away) as alone, alone.client() as client:
        assert len((await client.get("/automations")).json()["data"]) == 1
        refused = await client.post("/events/send", json=SEND)
        assert (refused.status_code, refused.json()["name"]) == (503, "service_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        ready = await client.get("/readyz")
        assert (ready.status_code, list(ready.json()["away"])) == (503, ["kafka"])


async def test_told_to_stop_it_ends_in_order(served: Served) -> None:
    async with served.client() as client:
        assert (await client.get("/automations")).status_code == 200
        assert await served.stop() == 0


async def test_several_processes_share_an_address_and_end_together(served: Served) -> None:
    async with serve(served.house, WAITLINE_HTTP_WORKERS=2) as pair:
        for _ in range(8):
            async with pair.client() as client:
                assert (await client.get("/automations")).status_code == 200
        assert await pair.stop() == 0


async def test_an_address_that_is_taken_is_said_to_be(served: Served) -> None:
    place = served.url.rpartition(":")[2]
    second = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stream", "serve", "--port", place),
        cwd=ROOT,
        env=os.environ | served.house.environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await second.communicate()
    assert second.returncode == 1
    assert f"cannot listen at 127.0.0.1:{place}" in said.decode()
