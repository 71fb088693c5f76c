"""What operators see of a server: metrics, log lines, and the ids that join them to answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from deploy.local.process import free_port
from state.api_key import parse_token
from tests.clients.served import Served, make_key, serve
from tests.integration.drawn import automation
from tests.unit.test_metrics import read
from tests.waiting import until, until_so

SEND = {"event": "order.completed", "email": "ann@example.com"}


async def metrics(port: int) -> Mapping[str, float]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as watcher:
        answer = await watcher.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return read(answer.text)


def lines(served: Served, event: str = "http.answered") -> list[dict[str, Any]]:
    """The server's log lines of this event."""
    said = [json.loads(line) for line in served.log.read_text().splitlines()]
    return [line for line in said if line["event"] == event]


def asked_of_resend(served: Served) -> list[dict[str, Any]]:
    """What is logged of requests in that dialect: each when its answer is on its way."""
    return [line for line in lines(served) if line["dialect"] == "resend"]


async def test_metrics_tell_what_was_asked_by_dialect_route_and_status(served: Served) -> None:
    await served.house.apply(automation())
    port = free_port()
    async with serve(served.house, WAITLINE_METRICS_PORT=port) as watched:
        async with watched.client() as client:
            for _ in range(2):
                assert (await client.get("/resend/automations")).is_success
            assert (await client.get(f"/automations/{uuid4()}")).status_code == 404
            assert (await client.get("/nowhere")).status_code == 404
            assert (await client.post("/events/send", json=SEND)).status_code == 202
            assert (await client.post("/events/send", content=b"{")).status_code == 400
            assert (await client.get("/revkeen/v2/automations")).status_code == 401
            assert (await client.get("/docs/assets/swagger-ui.css")).is_success

        async def is_settled() -> bool:
            return (await metrics(port))["waitline_http_requests_in_flight"] == 0

        await until_so(is_settled)
        found = await metrics(port)

    def asked(dialect: str, method: str, route: str, status: int) -> float:
        labels = f'dialect="{dialect}",method="{method}",route="{route}",status="{status}"'
        return found.get(f"waitline_http_requests_total{{{labels}}}", 0)

    assert asked("resend", "GET", "/automations", 200) == 2
    assert asked("resend", "GET", "/automations/{automation_id}", 404) == 1
    assert asked("resend", "GET", "", 404) == 1
    assert asked("resend", "POST", "/events/send", 202) == 1
    assert asked("resend", "POST", "", 400) == 1
    assert asked("revkeen", "GET", "/v2/automations", 401) == 1
    assert asked("health", "GET", "/readyz", 200) >= 1
    where = 'dialect="resend",method="POST",route="/events/send"'
    assert found[f"waitline_http_request_duration_seconds_count{{{where}}}"] == 1
    for dialect, reason in [
        ("resend", "not_found"),
        ("resend", "route_unknown"),
        ("resend", "body_unreadable"),
        ("revkeen", "key_missing"),
    ]:
        labels = f'dialect="{dialect}",reason="{reason}"'
        assert found[f"waitline_http_refusals_total{{{labels}}}"] == 1
    assert found["waitline_http_requests_in_flight"] == 0
    assert found["waitline_http_kafka_connected"] == 1
    assert not any("ann@" in name for name in found)


async def test_metrics_are_at_no_port_that_clients_reach(served: Served) -> None:
    async with served.client() as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_each_process_of_a_server_has_metrics_at_a_port_of_its_own(served: Served) -> None:
    port = free_port()
    given = {"WAITLINE_HTTP_WORKERS": 2, "WAITLINE_METRICS_PORT": port}
    async with serve(served.house, **given) as pair:

        async def counted() -> bool:
            async with pair.client() as client:
                await client.get("/automations")
            both = [await metrics(port), await metrics(port + 1)]
            return all(any('route="/automations"' in name for name in one) for one in both)

        await until_so(counted)


async def test_an_answer_and_its_log_line_name_the_same_request(served: Served) -> None:
    token = parse_token(served.key)
    async with served.client() as client:
        sent = await client.post("/events/send", json=SEND)
        given = await client.get("/automations", headers={"x-request-id": "theirs-1"})
    revoked = await make_key(served.house, "--expires", "0.001")
    async with served.client(revoked) as stranger:
        refused = await stranger.get("/automations")
        assert refused.status_code == 403
    assert re.fullmatch(r"[0-9a-f]{32}", sent.headers["x-request-id"])
    assert given.headers["x-request-id"] == "theirs-1"
    wanted = {answer.headers["x-request-id"] for answer in (sent, given, refused)}
    await until(lambda: wanted <= {line["request_id"] for line in lines(served)})
    found = {line["request_id"]: line for line in lines(served)}
    line = found[sent.headers["x-request-id"]]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/events/send", 202)
    assert (line["dialect"], line["key_id"], line["level"]) == ("resend", token.key_id, "info")
    assert line["ms"] > 0
    assert found["theirs-1"]["route"] == "/automations"
    # Whose key it was is told of one that is good no more, too.
    line = found[refused.headers["x-request-id"]]
    assert (line["key_id"], line["refusal"]) == (parse_token(revoked).key_id, "key_invalid")
    said = served.log.read_text()
    assert "ann@" not in said
    assert token.secret not in said


async def test_a_line_about_trouble_names_the_request_that_met_it(served: Served) -> None:
    away = {"WAITLINE_HTTP_PUBLISH_TIMEOUT": "0.001"}
    async with serve(served.house, **away) as hasty, hasty.client() as client:
        refused = await client.post("/events/send", json=SEND)
        assert refused.status_code == 503
        (line,) = lines(hasty, "http.not_acknowledged")
        assert line["request_id"] == refused.headers["x-request-id"]
        await until(lambda: asked_of_resend(hasty))
        (answered,) = asked_of_resend(hasty)
        assert (answered["level"], answered["refusal"]) == ("warning", "unavailable")


async def test_only_errors_are_logged_where_that_is_asked_for(served: Served) -> None:
    async with serve(served.house, WAITLINE_HTTP_ACCESS_LOG="errors") as quiet:
        async with quiet.client() as client:
            assert (await client.get("/automations")).is_success
            assert (await client.get("/nowhere")).status_code == 404
        await until(lambda: asked_of_resend(quiet))
        assert [line["status"] for line in asked_of_resend(quiet)] == [404]
