"""How long lists of a million runs, and single ones, take over HTTP beside a busy worker.

Half of what one worker can do comes in meanwhile, measured in the same run. The same requests are
made of an automation with a hundred runs: a list that is all but empty, with as much on each page.
Beside the same worker, a bare loop computes as often, for as long as a request takes the server.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from statistics import quantiles
from typing import NamedTuple

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal
from tests.bench.grown import LISTED, Listed, grow
from tests.bench.house import ROOT, House, house
from tests.bench.journeys import PLAIN, automations
from tests.bench.line import Line, get
from tests.bench.machine import Meter
from tests.bench.served import Served, served
from tests.bench.throughput import engine

RUNS = 1_000_000

#: As many runs as an all but empty list has: some of each status, and more than a page.
FEW = 100

#: How many requests a second, and for how long; in a small benchmark, for less.
PER_SECOND, SECONDS, SECONDS_QUICK = 50, 20, 2

#: For how long everything goes on before a request is counted.
WARM_SECONDS = 2

#: How many connections the requests come by, in turns.
LINES = 8

#: How many journeys tell what a worker can do at most; in a small benchmark, fewer.
JOURNEYS, JOURNEYS_QUICK = 8_000, 1_000

#: For how many milliseconds the bare loop computes: about as many as a request costs.
BARE_MS = 3

Request = tuple[str, bytes]


class Asked(NamedTuple):
    """What was measured beside a worker.

    Milliseconds of each request's kind, CPU milliseconds a request, journeys a second, and how many
    milliseconds 99 of 100 pieces of a bare loop's work took at most.
    """

    waited: dict[str, list[float]]
    cpu: float
    journeys: float
    bare: float


async def measure(stack: LocalStack, runs: int = RUNS) -> list[Figure]:
    """Ask for pages, the first and others, of all and of few, and for single runs."""
    is_quick = runs < RUNS
    maximum = (await engine(stack, PLAIN, 1, JOURNEYS_QUICK if is_quick else JOURNEYS)).rate
    seconds = SECONDS_QUICK if is_quick else SECONDS
    alone = await _bare_loop(seconds)
    few = await _asked(stack, FEW, maximum / 2, seconds)
    many = await _asked(stack, runs, maximum / 2, seconds)
    return [
        *_beside("list", many, few, ("first", "deep", "filtered", "rare")),
        *_beside("get", many, few, ("get",)),
        *(
            Figure(f"{kind} page, p50", "ms", [_percentile(many, (kind,), 50)])
            for kind in ("first", "deep", "filtered", "rare")
        ),
        Figure("bare loop, p99", "ms", [many.bare]),
        Figure("bare loop alone, p99", "ms", [alone]),
        Figure("CPU, server", "ms a request", [many.cpu]),
        Figure("beside", "journeys/s", [many.journeys]),
        Figure("beside", "of one worker's maximum", [many.journeys / maximum]),
    ]


def _beside(name: str, many: Asked, few: Asked, kinds: Sequence[str]) -> Iterator[Figure]:
    """Yield the median and the 99th percentile, in ms and beside those of the small list.

    The 99th percentile also beside that of the bare loop.
    """
    for percent, goal in ((50, None), (99, Goal("at most", 20))):
        large, small = _percentile(many, kinds, percent), _percentile(few, kinds, percent)
        yield Figure(f"{name}, p{percent}", "ms", [large], goal)
        yield Figure(f"{name}, p{percent}", f"of that with {FEW} runs", [large / small])
    yield Figure(f"{name}, p99", "of the bare loop's", [large / many.bare])


def _percentile(asked: Asked, kinds: Sequence[str], percent: int) -> float:
    waited = [each for kind in kinds for each in asked.waited[kind]]
    return quantiles(waited, n=100, method="inclusive")[percent - 1]


async def _asked(stack: LocalStack, runs: int, pace: float, seconds: int) -> Asked:
    """Make the requests of so many runs, beside a worker to which journeys come at this pace."""
    async with house(stack, [LISTED, *automations(PLAIN)]) as made, served(made) as server:
        listed = await grow(made, server, runs)
        requests = itertools.cycle(_requests(server, listed))
        applied = await made.applied()
        with made.workers(1):
            async with _journeys(made, pace) as published:
                await _paced(server, requests, WARM_SECONDS)
                meter, before = Meter({"server": server.process}), await made.applied()
                waited = await _paced(server, requests, seconds)
                spent, after = meter.read(), await made.applied()
                bare = await _bare_loop(seconds)
            await made.until_applied(applied + published[0])
        journeys = (after - before) / 2 / spent.wall
        return Asked(waited, 1_000 * spent.cpu["server"] / (PER_SECOND * seconds), journeys, bare)


async def _bare_loop(seconds: int) -> float:
    """Return how long 99 of 100 pieces of bare work take at most, in milliseconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.bare_loop", *map(str, (BARE_MS, PER_SECOND, seconds)),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    return float(json.loads(said)["p99"])


def _requests(server: Served, listed: Listed) -> list[Request]:
    """Return requests of all kinds by name, shuffled, the same each time."""
    chance = random.Random(1)
    runs, some = f"/automations/{listed.automation_id}/runs", listed.run_ids
    kinds = {
        "first": lambda run_id: f"{runs}?limit={chance.choice((20, 100))}",
        "deep": lambda run_id: f"{runs}?limit=20&{chance.choice(('after', 'before'))}={run_id}",
        "filtered": lambda run_id: (
            f"{runs}?status={chance.choice(('completed', 'failed', 'running'))}&after={run_id}"
        ),
        "rare": lambda run_id: f"{runs}?status=cancelled",
        "get": lambda run_id: f"{runs}/{run_id}",
    }
    made = [
        (name, get(path(run_id), server.key)) for run_id in some for name, path in kinds.items()
    ]
    chance.shuffle(made)
    return made


@asynccontextmanager
async def _journeys(made: House, per_second: float) -> AsyncIterator[list[int]]:
    """Publish journeys until the block ends; then the list has how many records those were."""
    published: list[int] = []
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.steady", made.topic, str(per_second),
        cwd=ROOT, env=os.environ | made.environment, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await made.until_applied(await made.applied() + 2)
        yield published
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = await process.communicate()
    published.append(int(said))


async def _paced(
    server: Served, requests: Iterator[Request], seconds: int
) -> dict[str, list[float]]:
    """Make requests at an even pace; return how many ms each took since it was due, by its kind.

    None waits for the one before; each takes the connection that has been free for longest.
    """
    waited: dict[str, list[float]] = defaultdict(list)
    free: asyncio.Queue[Line] = asyncio.Queue()
    for _ in range(LINES):
        free.put_nowait(await Line.open(server.port))

    async def ask(kind: str, request: bytes, due: float) -> None:
        line = await free.get()
        answer = await line.ask(request)
        waited[kind].append(1_000 * (time.monotonic() - due))
        free.put_nowait(line)
        assert answer.status == 200, (request, answer)

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, (kind, request) in zip(range(PER_SECOND * seconds), requests, strict=False):
            due = began + number / PER_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(ask(kind, request, due))
    while not free.empty():
        free.get_nowait().close()
    return waited
