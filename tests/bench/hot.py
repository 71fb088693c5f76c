"""How long all others wait while one contact's ten thousand events arrive at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from statistics import quantiles

from aiokafka import AIOKafkaProducer

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal
from tests.bench.house import House, Record, house
from tests.bench.journeys import ANSWER, PLAIN, START, automations, record
from tests.bench.latency import DONE

HOT = 10_000

#: The others' answers: so many a second, for so long beside the hot contact, and as long without.
PER_SECOND = 50
SECONDS = 60

#: Answers at that pace before any is counted.
WARM = 100


async def measure(stack: LocalStack, hot: int = HOT) -> list[Figure]:
    """Answer the others' journeys at a calm pace, two workers; then the same beside the hot one.

    The hot contact's events are journeys of its own, one after the other. They have one key: they
    fill one of four partitions, and for that time one of two workers. A quarter of the others'
    answers lies behind them in their partition, another quarter in that worker's other one.
    """
    number = min(hot, SECONDS * PER_SECOND)
    alone, beside = range(WARM, WARM + number), range(WARM + number, WARM + 2 * number)
    async with house(stack, automations(PLAIN)) as made:
        count = made.publish(record(PLAIN, START, each) for each in range(beside.stop))
        with made.workers(2):
            await made.until_applied(count)
            await made.until_shared(2)
            acknowledged = await _answered(made, range(alone.stop))
            burst = asyncio.create_task(asyncio.to_thread(_burst, made, beside.stop, hot))
            acknowledged |= await _answered(made, beside)
            arrived = await burst
            await made.until_applied(2 * count + hot)
        rows = await made.connection.fetch(DONE)
    done = {row["trigger"]: row["at"].timestamp() for row in rows}
    waited = {number: done[_trigger(number)] - at for number, at in acknowledged.items()}
    last = max(done[_trigger(number)] for number in range(beside.stop, beside.stop + hot // 2))
    without, amid = (_p99(waited[each] for each in part) for part in (alone, beside))
    return [
        Figure("the others alone, p99", "ms", [without]),
        Figure("beside the hot one, p99", "ms", [amid]),
        Figure("beside the hot one, p99", "of alone", [amid / without], Goal("at most", 2)),
        Figure("beside the hot one, longest", "ms", [1_000 * max(waited[each] for each in beside)]),
        Figure("the hot one", "events/s", [hot / (last - arrived)]),
    ]


def _trigger(number: int) -> str:
    return f"{START}-{number}"


def _burst(made: House, first: int, events: int) -> float:
    """Publish the hot contact's events; return when they were acknowledged."""
    made.publish(
        _hot(event, number)
        for number in range(first, first + events // 2)
        for event in (START, ANSWER)
    )
    return time.time()


def _hot(event: str, number: int) -> Record:
    _, value = record(PLAIN, event, number)
    return b"hot", value.replace(b"person%d@" % number, b"hot@")


async def _answered(made: House, numbers: range) -> dict[int, float]:
    """Publish answers at an even pace; return when each was acknowledged."""
    acknowledged = {}
    servers = made.stack.bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers, linger_ms=0) as producer:
        began = time.monotonic()
        for place, number in enumerate(numbers):
            await asyncio.sleep(max(0.0, began + place / PER_SECOND - time.monotonic()))
            key, value = record(PLAIN, ANSWER, number)
            await producer.send_and_wait(made.topic, value, key=key)
            acknowledged[number] = time.time()
    return acknowledged


def _p99(seconds: Iterable[float]) -> float:
    return 1_000 * quantiles(seconds, n=100, method="inclusive")[98]
