"""Measures Waitline: see `./deploy/bench --help`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.stack import LocalStack
from tests.bench import (
    catchup,
    crowd,
    effects,
    hot,
    idle,
    ingest,
    latency,
    listing,
    plot,
    pressure,
    report,
    scale,
    statements,
    throughput,
    timers,
)
from tests.bench.figures import Figure, joined
from tests.bench.machine import Meter

Measure = Callable[..., Awaitable[list[Figure]]]

#: Each benchmark with its full size, and a small one that only shows that it works.
BENCHMARKS: dict[str, tuple[Measure, int, int]] = {
    "throughput": (throughput.measure, throughput.JOURNEYS, 2_000),
    "latency": (latency.measure, latency.JOURNEYS, 40),
    "catchup": (catchup.measure, catchup.EVENTS, 20_000),
    "effects": (effects.measure, effects.MESSAGES, 500),
    "pressure": (pressure.measure, pressure.SECONDS, 1),
    "timers": (timers.measure, timers.SECONDS, 1),
    "idle": (idle.measure, idle.SECONDS, 1),
    "scale": (scale.measure, scale.PARKED, 1_000),
    "hot": (hot.measure, hot.HOT, 40),
    "crowd": (crowd.measure, crowd.RUNS, 500),
    "statements": (statements.measure, statements.JOURNEYS, 100),
    "listing": (listing.measure, listing.RUNS, 2_000),
    "ingest": (ingest.measure, ingest.EVENTS, 300),
}


def main() -> int:
    """Measure what was asked for; return 1 if a goal was missed."""
    options = _options()
    names = options.name or list(BENCHMARKS)
    console = Console(stderr=True)
    results = {}
    with LocalStack(report=console.print) as stack, _progress(console) as progress:
        asyncio.run(_tell_commits(stack))
        task = progress.add_task("", total=len(names) * options.runs)
        for name in names:
            progress.update(task, description=name)
            measure, full, quick = BENCHMARKS[name]
            runs: list[Sequence[Figure]] = []
            for _ in range(options.runs):
                runs.append(_beside_strangers(measure, stack, quick if options.quick else full))
                progress.advance(task)
            results[name] = joined(runs)
    Console().print(report.table(results))
    console.print(f"written: {report.save(results, options.runs, options.out)}")
    console.print(f"written: {plot.save(results, options.out)}")
    figures = [figure for some in results.values() for figure in some]
    return int(any(one.goal and not one.goal.is_met(one.middle) for one in figures))


def _beside_strangers(measure: Measure, stack: LocalStack, size: int) -> list[Figure]:
    """Measure once; add how much of the processors others used, here and on the same host."""
    meter, stolen_before = Meter({"ours": psutil.Process()}), _stolen()
    figures = asyncio.run(measure(stack, size))
    spent, stolen = meter.read(), _stolen() - stolen_before
    foreign = 100 * spent.cpu["strangers"] / spent.wall
    return [
        *figures,
        Figure("foreign CPU", "% of a core", [foreign]),
        Figure("stolen by the host", "% of a core", [100 * stolen / spent.wall]),
    ]


def _stolen() -> float:
    """Return for how many seconds processors of ours were the host's: 0 where nobody tells."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./deploy/bench",
        description="Starts a real Kafka and Postgres and measures Waitline on them. Ratios count: "
        "figures depend on the machine. Exit code 1: a goal was missed.",
    )
    named = f"{', '.join(BENCHMARKS)} (default: all of them)"
    parser.add_argument("name", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help=named)
    parser.add_argument("--quick", action="store_true", help="small: shows that it works, no more")
    parser.add_argument("--runs", type=int, default=3, help="how often (default: 3)")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder for the results")
    return parser.parse_args()


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console)


async def _tell_commits(stack: LocalStack) -> None:
    """Have Postgres keep the instant of each commit, from its next start on."""
    if stack.postgres is None:
        return
    connection = await asyncpg.connect(stack.database_url)
    await connection.execute("alter system set track_commit_timestamp = on")
    await connection.close()
    stack.postgres.stop()
    stack.postgres.start()


if __name__ == "__main__":
    sys.exit(main())
