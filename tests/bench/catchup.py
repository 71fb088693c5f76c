"""How fast a worker catches up on events of names that nobody uses, beside a bare consumer (E7)."""

from __future__ import annotations

import asyncio
import os
import sys

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal
from tests.bench.house import ROOT, House, house
from tests.bench.journeys import PLAIN, automations, record
from tests.bench.machine import Meter, peak_memory

EVENTS = 1_000_000

#: A name that no automation uses.
UNUSED = "page.viewed"

COUNTED = "select sum(count) from name_counts where name = $1"


async def measure(stack: LocalStack, events: int = EVENTS) -> list[Figure]:
    """Let a bare consumer and then one worker read the same backlog, each alone."""
    async with house(stack, automations(PLAIN)) as made:
        made.publish(record(PLAIN, UNUSED, number) for number in range(events))
        bare = await _bare(made, events)
        worker, peak = await _worker(made, events)
    return [
        Figure("bare consumer", "events/s", [bare]),
        Figure("one worker", "events/s", [worker]),
        Figure("one worker", "of the bare consumer", [worker / bare], Goal("at least", 0.5)),
        Figure("peak of the worker", "MB", [peak], Goal("at most", 200)),
    ]


async def _bare(made: House, events: int) -> float:
    """Run the bare consumer in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.bare", made.topic, str(events)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=os.environ | made.environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return float(said)


async def _worker(made: House, events: int) -> tuple[float, float]:
    """Return how many events a second a worker applies, and its peak of memory in MB."""
    with made.workers(1) as process:
        await made.until_applied(1)
        first = await made.applied()
        meter = Meter({"worker": process})
        await made.until_applied(events)
        spent = meter.read()
        peak = peak_memory(process.children(recursive=True) or [process])
    counted = await made.value(COUNTED, UNUSED)
    assert counted == events, f"{counted:.0f} of {events} events were counted"
    return (events - first) / spent.wall, peak
