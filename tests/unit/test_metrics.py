"""Metrics: what is counted, and the port at which it is read."""

from __future__ import annotations

import asyncio
import socket
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.process import free_port
from stream.listening import CannotListen
from stream.metrics.endpoint import offered
from stream.metrics.registry import make_registry
from stream.metrics.settings import MetricsSettings
from stream.telemetry import Counters


def read(text: str) -> dict[str, float]:
    """Every sample of a text, by its name and sorted labels."""
    return {
        _written(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _written(name: str, labels: dict[str, str]) -> str:
    inner = ",".join(f'{label}="{said}"' for label, said in sorted(labels.items()))
    return f"{name}{{{inner}}}" if inner else name


def test_counters_become_families_by_name() -> None:
    counters = Counters()
    counters.count("records", 3)
    counters.count("effects_settled", settlement="sent")
    counters.count("effects_settled", 2, settlement="failed")
    registry = make_registry(counters, {"records": "Records applied."})
    text = generate_latest(registry).decode()
    assert "# HELP waitline_records_total Records applied.\n" in text
    found = read(text)
    assert {name: value for name, value in found.items() if name.startswith("waitline_")} == {
        "waitline_records_total": 3,
        'waitline_effects_settled_total{settlement="failed"}': 2,
        'waitline_effects_settled_total{settlement="sent"}': 1,
    }
    assert found["process_cpu_seconds_total"] > 0
    counters.count("records", 4)
    assert read(generate_latest(registry).decode())["waitline_records_total"] == 7


def seven() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("waitline_seven", "Seven.", registry=registry).set(7)
    return registry


def asked(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return read(answer.read().decode())


async def test_a_busy_process_is_watched_all_the_same() -> None:
    port = free_port()
    async with offered(MetricsSettings(metrics_port=port), 0, seven()):
        assert asked(port)["waitline_seven"] == 7  # this thread, whose loop stands still meanwhile
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_each_process_has_the_next_port() -> None:
    port = free_port()
    async with offered(MetricsSettings(metrics_port=port - 2), 2, seven()):
        assert asked(port)["waitline_seven"] == 7


async def test_without_a_port_nothing_is_offered() -> None:
    async with offered(MetricsSettings(), 0, seven()):
        pass


async def test_a_port_that_is_taken_is_said_with_the_setting_that_moves_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen) as raised:
            async with offered(MetricsSettings(metrics_port=port), 0, seven()):
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
        async with offered(settings, 1, seven()):
            pass
