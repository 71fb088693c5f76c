"""What a started run costs where an event starts a hundred of them, and where it starts one."""

from __future__ import annotations

from typing import NamedTuple

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal
from tests.bench.house import house
from tests.bench.journeys import PLAIN, START, automation, record
from tests.bench.machine import Meter, peak_memory

AUTOMATIONS = 100
RUNS = 50_000


class Measured(NamedTuple):
    """Runs started a second, milliseconds of CPU of workers and Postgres a run, and memory."""

    rate: float
    cpu: float
    peak_mb: float


async def measure(stack: LocalStack, runs: int = RUNS) -> list[Figure]:
    """Start as many runs by a hundred automations as by one, with a hundredth of the events.

    CPU is compared: to publish the many events of the one takes a while that is not the workers'.
    """
    one = await _started(stack, 1, runs)
    crowd = await _started(stack, AUTOMATIONS, runs)
    return [
        *_told("one automation", one),
        *_told(f"{AUTOMATIONS} automations", crowd),
        Figure("CPU a run", "of that with one", [crowd.cpu / one.cpu], Goal("at most", 1.1)),
    ]


def _told(name: str, measured: Measured) -> list[Figure]:
    return [
        Figure(name, "runs/s", [measured.rate]),
        Figure(f"{name}, CPU", "ms a run", [measured.cpu]),
        Figure(f"{name}, peak of a worker", "MB", [measured.peak_mb]),
    ]


async def _started(stack: LocalStack, automations: int, runs: int) -> Measured:
    """Publish, to workers that are idle and warm, events of which each starts some runs."""
    count = runs // automations
    named = [automation(f"Journey {number}") for number in range(automations)]
    async with house(stack, named) as made:
        made.publish([record(PLAIN, START, 0)])
        with made.workers(2) as process:
            await made.until_applied(1)
            await made.until_shared(2)
            meter = Meter(made.groups(process))
            made.publish(record(PLAIN, START, 1 + number) for number in range(count))
            await made.until_applied(1 + count)
            spent = meter.read()
            peak = peak_memory(process.children(recursive=True))
        parked = await made.value("select count(*) from runs_active")
    started = automations * count
    assert parked == started + automations, f"{parked:.0f} runs wait"
    cpu = sum(spent.cpu.get(who, 0) for who in ("workers", "Postgres"))
    return Measured(started / spent.wall, 1_000 * cpu / started, peak)
