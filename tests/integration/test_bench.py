"""The benchmarks run, and tell what they should; what they measure here says nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import BENCHMARKS

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(360)
def test_every_benchmark_runs_and_tells_its_figures(tmp_path: Path) -> None:
    """All journeys are completed, or the benchmark itself would fail."""
    command = [sys.executable, "-m", "tests.bench", "--quick", "--runs", "1", "--out", tmp_path]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode in (0, 1), said.stderr[-2000:]
    told = json.loads((tmp_path / "bench.json").read_text())
    figures = {name: [one["name"] for one in some] for name, some in told["results"].items()}
    assert set(figures) == set(BENCHMARKS)
    assert {"two workers", "floor, bare COPY", "WAL"} <= set(figures["throughput"])
    assert "answer to completion, p99" in figures["latency"]
    assert {"maximum", "answer to completion, p99"} <= set(figures["pressure"])
    assert {"all, p99", "early", "lost"} <= set(figures["timers"])
    assert {"CPU, worker", "CPU, Postgres", "CPU, broker"} <= set(figures["idle"])
    assert "of the bare consumer" in [one["unit"] for one in told["results"]["catchup"]]
    assert "two workers, settled" in figures["effects"]
    assert {"never analysed", "analysed"} <= set(figures["scale"])
    assert {"amid the hot one's events, p99", "all of them at once, p99"} <= set(figures["hot"])
    assert "100 automations" in figures["crowd"]
    assert {"trigger: survey.SURVEY", "answer: COPY runs_done"} <= set(figures["statements"])
    assert {"list, p99", "get, p99", "rare page, p50"} <= set(figures["listing"])
    assert {"kept connections", "bare producer", "CPU, server"} <= set(figures["ingest"])
    assert "throughput: WAL" in (tmp_path / "bench.svg").read_text()
