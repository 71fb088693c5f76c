"""How long after its answer was acknowledged by Kafka a journey is committed as completed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import asyncpg
from aiokafka import AIOKafkaProducer

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal, percentiles
from tests.bench.house import House, house
from tests.bench.journeys import ANSWER, PLAIN, START, automations, record

JOURNEYS = 600
PER_SECOND = 20

#: Until triggers have been applied, and the worker is warm.
WARM = 100

#: A turn's own instant is that of its locks; what counts is when it was committed.
DONE = """
select doc -> 'trigger' ->> 'id' as trigger, pg_xact_commit_timestamp(xmin) as at from runs_done
"""


async def measure(stack: LocalStack, journeys: int = JOURNEYS) -> list[Figure]:
    """Answer one journey after the other at a calm pace, one worker, nothing else to do."""
    async with house(stack, automations(PLAIN)) as made:
        made.publish(record(PLAIN, START, number) for number in range(WARM + journeys))
        with made.workers(1):
            await made.until_applied(WARM + journeys)
            acknowledged = await _answered(made, WARM + journeys)
            await made.until_applied(2 * (WARM + journeys))
        late = list(lateness(acknowledged, await made.connection.fetch(DONE)))
    return percentiles(
        "answer to completion", "ms", late, p50=Goal("at most", 8), p99=Goal("at most", 25)
    )


async def _answered(made: House, journeys: int) -> dict[str, float]:
    """Publish the answers at an even pace; return when each was acknowledged, by its trigger."""
    acknowledged: dict[str, float] = {}
    async with AIOKafkaProducer(
        bootstrap_servers=made.stack.bootstrap_servers, linger_ms=0
    ) as producer:
        began = time.monotonic()
        for number in range(journeys):
            await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
            key, value = record(PLAIN, ANSWER, number)
            await producer.send_and_wait(made.topic, value, key=key)
            if number >= WARM:
                acknowledged[f"{START}-{number}"] = time.time()
    return acknowledged


def lateness(acknowledged: dict[str, float], done: list[asyncpg.Record]) -> Iterator[float]:
    """Yield, in ms, from each acknowledgement to the commit of the completion that followed it."""
    for row in done:
        if row["trigger"] in acknowledged:
            yield 1_000 * (row["at"].timestamp() - acknowledged[row["trigger"]])
