"""Metrics: what is counted, how it is written, and the port at which it is read."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable

import pytest

from deploy.local.process import free_port
from stream.listening import CannotListen
from stream.metrics.endpoint import offered
from stream.metrics.families import (
    Family,
    Histogram,
    Sample,
    counter_families,
    gauge,
    written,
)
from stream.metrics.settings import MetricsSettings
from stream.telemetry import Counters

LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')


def read(text: str) -> dict[str, float]:
    """Every sample of a text, by its name and labels; no line may be anything else."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            name, labels, value = LINE.fullmatch(line).groups()
            found[f"{name}{{{labels}}}" if labels else name] = float(value)
    return found


def test_counters_become_families_by_name() -> None:
    counters = Counters()
    counters.count("records", 3)
    counters.count("effects_settled", settlement="sent")
    counters.count("effects_settled", 2, settlement="failed")
    text = written(counter_families(counters.samples(), {"records": "Records applied."}))
    assert text == (
        "# TYPE waitline_effects_settled_total counter\n"
        'waitline_effects_settled_total{settlement="failed"} 2\n'
        'waitline_effects_settled_total{settlement="sent"} 1\n'
        "# HELP waitline_records_total Records applied.\n"
        "# TYPE waitline_records_total counter\n"
        "waitline_records_total 3\n"
    )


def test_labels_are_escaped_and_large_numbers_are_whole() -> None:
    labels = (("route", 'a"b\\c\nd'),)
    text = written([Family("x", "gauge", "", [Sample(labels, 123_456_789_012)])])
    assert text == '# TYPE x gauge\nx{route="a\\"b\\\\c\\nd"} 123456789012\n'
    assert len(read(text)) == 1


def test_a_histogram_counts_what_is_below_each_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value, (("route", "/a"),))
    histogram.observe(0.2, (("route", "/b"),))
    found = read(written([Family("s", "histogram", "", list(histogram.samples()))]))
    assert found == {
        's_bucket{route="/a",le="0.1"}': 2,
        's_bucket{route="/a",le="1"}': 3,
        's_bucket{route="/a",le="+Inf"}': 4,
        's_sum{route="/a"}': pytest.approx(7.65),
        's_count{route="/a"}': 4,
        's_bucket{route="/b",le="0.1"}': 0,
        's_bucket{route="/b",le="1"}': 1,
        's_bucket{route="/b",le="+Inf"}': 1,
        's_sum{route="/b"}': pytest.approx(0.2),
        's_count{route="/b"}': 1,
    }


def collect() -> Iterable[Family]:
    return [gauge("waitline_seven", "Seven.", 7)]


async def talk(port: int, said: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_one_path_answers_one_method_and_nothing_else_is_said() -> None:
    port = free_port()
    async with offered(MetricsSettings(metrics_port=port), 0, collect):
        answer = await talk(port, b"GET /metrics?x=1 HTTP/1.1\r\nhost: x\r\n\r\n")
        head, _, body = answer.decode().partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 200 OK\r\n")
        assert f"content-length: {len(body)}\r\n" in head
        assert read(body)["waitline_seven"] == 7
        assert read(body)["process_cpu_seconds_total"] > 0
        assert (await talk(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
        assert (await talk(port, b"POST /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
        assert (await talk(port, b"\x00\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
        assert await talk(port, b"GET /metrics") == b""
        assert await talk(port, b"GET /" + b"a" * 100_000) in (b"", b"HTTP/1.1 404 ")


async def test_each_process_has_the_next_port() -> None:
    port = free_port()
    async with offered(MetricsSettings(metrics_port=port - 2), 2, collect):
        assert b"waitline_seven 7" in await talk(port, b"GET /metrics HTTP/1.1\r\n\r\n")


async def test_without_a_port_nothing_is_offered() -> None:
    async with offered(MetricsSettings(), 0, collect):
        pass


async def test_a_port_that_is_taken_is_said_with_the_setting_that_moves_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen) as raised:
            async with offered(MetricsSettings(metrics_port=port), 0, collect):
                pass
    assert str(raised.value) == (
        f"cannot listen at 127.0.0.1:{port}: another program does\n"
        "stop it, or give another WAITLINE_METRICS_PORT"
    )


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("192.0.2.1", 9464, "no such address\ngive another WAITLINE_METRICS_HOST"),
        ("nowhere.invalid", 9464, "no such address\ngive another WAITLINE_METRICS_HOST"),
        ("127.0.0.1", 65_535, "no such port\ngive a lower WAITLINE_METRICS_PORT"),
    ],
)
async def test_an_address_that_cannot_be_is_said_too(host: str, port: int, said: str) -> None:
    settings = MetricsSettings(metrics_host=host, metrics_port=port)
    with pytest.raises(CannotListen, match=said):
        async with offered(settings, 1, collect):
            pass
