"""What is seen of requests: ids, numbers, log lines; never a path, a key's secret or a person."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from handlers.http.watch import AccessLog, Means, Watch
from stream.metrics.registry import make_registry
from stream.serving.meter import MEANINGS, HttpMeter
from stream.telemetry import Counters, configure_logs
from tests.unit.test_metrics import read

FRESH = UUID(int=7)


class Clock:
    """Each look is half a second later."""

    now = 0.0

    def monotonic(self) -> float:
        self.now += 0.5
        return self.now


@pytest.fixture
def out() -> Iterator[StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    said = StringIO()
    configure_logs("json", "INFO", said)
    yield said
    root.handlers[:], root.level = before
    structlog.reset_defaults()


async def answer(request: Request) -> Response:
    structlog.get_logger().warning("inner")
    for name, value in request.query_params.items():
        setattr(request.state, name, value)
    request.scope["route"] = SimpleNamespace(path="/people/{who}")
    return Response("", int(request.path_params["status"]))


async def fail(_: Request) -> Response:
    raise RuntimeError("a bug")


def metered() -> tuple[HttpMeter, CollectorRegistry]:
    counters = Counters()
    registry = make_registry(counters, MEANINGS)
    meter = HttpMeter(counters, registry)
    meter.watch(connections=lambda: 3, is_connected=lambda: True)
    return meter, registry


def watched(meter: HttpMeter, access_log: AccessLog = "all") -> httpx.AsyncClient:
    routes = [
        Route("/{status:int}/ann@example.com", answer, methods=["GET", "POST"]),
        Route("/fail", fail),
    ]
    means = Means(meter, Clock().monotonic, lambda: FRESH, access_log)
    app = Watch(Starlette(routes=routes), means)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://served")


def lines(out: StringIO, event: str = "http.answered") -> list[dict[str, Any]]:
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    return [line for line in said if line["event"] == event]


async def test_an_answer_and_every_line_about_it_carry_one_id(out: StringIO) -> None:
    client = watched(metered()[0])
    path = "/200/ann@example.com?dialect=resend"
    assert (await client.get(path)).headers["x-request-id"] == FRESH.hex
    answered = await client.get(path, headers={"x-request-id": "proxy-1:a.b"})
    assert answered.headers["x-request-id"] == "proxy-1:a.b"
    assert [line["request_id"] for line in lines(out)] == [FRESH.hex, "proxy-1:a.b"]
    assert [line["request_id"] for line in lines(out, "inner")] == [FRESH.hex, "proxy-1:a.b"]


@pytest.mark.parametrize("theirs", ["", "ann@example.com", "a b", "a" * 129, "\u00e9"])
async def test_an_id_that_can_be_none_is_replaced(theirs: str, out: StringIO) -> None:
    client = watched(metered()[0])
    headers = {"x-request-id": theirs.encode("latin-1")}
    answered = await client.get("/200/ann@example.com", headers=headers)
    assert answered.headers["x-request-id"] == FRESH.hex
    assert "ann@" not in out.getvalue()


async def test_a_line_says_who_asked_for_what_and_how_long_it_took(out: StringIO) -> None:
    client = watched(metered()[0])
    said = "dialect=resend&key_id=0123456789ab&refusal=field_invalid"
    await client.post(f"/422/ann@example.com?{said}")
    (line,) = lines(out)
    del line["timestamp"], line["logger"]
    assert line == {
        "event": "http.answered",
        "level": "info",
        "dialect": "resend",
        "method": "POST",
        "route": "/people/{who}",
        "status": 422,
        "ms": 500.0,
        "key_id": "0123456789ab",
        "refusal": "field_invalid",
        "request_id": FRESH.hex,
    }
    assert "ann@" not in out.getvalue()


async def test_a_key_that_was_not_proved_is_named_too(out: StringIO) -> None:
    client = watched(metered()[0])
    await client.get("/401/ann@example.com?dialect=resend&key_claimed=0123456789ab")
    assert lines(out)[0]["key_id"] == "0123456789ab"


async def test_how_urgent_an_answer_is(out: StringIO) -> None:
    client = watched(metered()[0])
    await client.get("/200/ann@example.com")  # of no dialect: health, asked all the time
    await client.get("/200/ann@example.com?dialect=resend")
    await client.get("/503/ann@example.com?dialect=resend")
    await client.get("/503/ann@example.com")
    quiet = watched(metered()[0], "errors")
    await quiet.get("/200/ann@example.com?dialect=resend")
    await quiet.get("/404/ann@example.com?dialect=resend")
    said = [(line["status"], line["level"]) for line in lines(out)]
    assert said == [(200, "info"), (503, "warning"), (503, "info"), (404, "info")]


async def test_answers_are_counted_by_route_and_refusals_by_reason(out: StringIO) -> None:
    meter, registry = metered()
    client = watched(meter)
    for status in (200, 200, 429):
        refusal = "&refusal=rate_limited" if status == 429 else ""
        await client.get(f"/{status}/ann@example.com?dialect=resend{refusal}")
    await client.request("BREW", "/200/ann@example.com")
    assert (await client.get("/fail")).status_code == 500
    meter.refuse_connection(408)
    found = read(generate_latest(registry).decode())
    where = 'dialect="resend",method="GET",route="/people/{who}"'
    assert found[f'waitline_http_requests_total{{{where},status="200"}}'] == 2
    assert found[f'waitline_http_requests_total{{{where},status="429"}}'] == 1
    assert any('method="other"' in name and 'status="405"' in name for name in found)
    failed = 'dialect="health",method="GET",route="/fail",status="500"'
    assert found[f"waitline_http_requests_total{{{failed}}}"] == 1
    assert found['waitline_http_refusals_total{dialect="resend",reason="rate_limited"}'] == 1
    for bound, count in (("0.25", 0), ("0.5", 3)):
        within = f'dialect="resend",le="{bound}",method="GET",route="/people/{{who}}"'
        assert found[f"waitline_http_request_duration_seconds_bucket{{{within}}}"] == count
    assert found[f"waitline_http_request_duration_seconds_count{{{where}}}"] == 3
    assert found["waitline_http_requests_in_flight"] == 0
    assert found["waitline_http_connections"] == 3
    assert found['waitline_http_connections_refused_total{reason="head_too_slow"}'] == 1
    assert found["waitline_http_kafka_connected"] == 1
