"""What a worker counts, at the port that its settings name."""

from __future__ import annotations

import socket
from urllib.error import URLError
from urllib.request import urlopen

from deploy.local.process import free_port
from tests.integration.drawn import automation, post
from tests.integration.kit import House
from tests.unit.test_metrics import read
from tests.waiting import until


def metrics(port: int) -> dict[str, float]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return read(answer.read().decode())
    except URLError:
        return {}


async def test_a_worker_offers_what_it_counts(house: House) -> None:
    await house.apply(automation())
    port = free_port()
    with house.process(WAITLINE_METRICS_PORT=port) as worker:
        worker.start()
        places = await house.publish(
            *(post("order.completed", email=f"{number}@example.com") for number in range(7))
        )
        await house.until_applied(places)
        await until(lambda: metrics(port).get("waitline_records_total") == 7)
        found = metrics(port)
        assert found["waitline_runs_started_total"] == 7
        assert found["process_resident_memory_bytes"] > 10_000_000


async def test_a_port_that_is_taken_ends_the_worker_with_what_to_do(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with house.process(WAITLINE_METRICS_PORT=port) as worker:
            worker.start()
            assert await worker.ended() == 1
    (line,) = worker.lines("worker.cannot_start")
    assert "another program does" in line["remedy"]
    assert "WAITLINE_METRICS_PORT" in line["remedy"]
