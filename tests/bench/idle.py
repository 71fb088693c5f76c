"""What an engine uses that has nothing to do: runs are parked, nothing comes and nothing is due."""

from __future__ import annotations

import asyncio

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal
from tests.bench.house import house
from tests.bench.journeys import PLAIN, START, automations, record
from tests.bench.machine import Meter

SECONDS = 20
PARKED = 1_000

#: How long a worker that has just parked its runs is left to itself before it is measured.
CALM_SECONDS = 3


async def measure(stack: LocalStack, seconds: int = SECONDS) -> list[Figure]:
    """Watch one worker and its servers idle."""
    async with house(stack, automations(PLAIN)) as made:
        made.publish(record(PLAIN, START, number) for number in range(PARKED))
        with made.workers(1) as process:
            await made.until_applied(PARKED)
            await asyncio.sleep(CALM_SECONDS)
            meter = Meter(made.groups(process))
            await asyncio.sleep(seconds)
            spent = meter.read()
    shares = {who: 100 * cpu / spent.wall for who, cpu in spent.cpu.items()}
    return [
        Figure("CPU, worker", "% of a core", [shares.pop("workers")], Goal("at most", 2)),
        *(Figure(f"CPU, {who}", "% of a core", [share]) for who, share in shares.items()),
    ]
