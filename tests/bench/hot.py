"""How long all others wait while one contact has ten thousand events, among theirs or at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from statistics import quantiles

from aiokafka import AIOKafkaProducer

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal
from tests.bench.house import House, Record, house
from tests.bench.journeys import ANSWER, PLAIN, START, automations, record
from tests.bench.latency import DONE

HOT = 10_000

#: The others' answers: so many a second, for so long in each of three parts.
PER_SECOND = 50
SECONDS = 60

#: Answers at that pace before any is counted.
WARM = 100


async def measure(stack: LocalStack, hot: int = HOT) -> list[Figure]:
    """Answer the others' journeys at a calm pace, two workers: alone, then twice beside a hot one.

    The hot contact's events are journeys of its own, one after the other, all under one key. First
    they come among the others' events, evenly; then, of another such contact, all at once: they
    fill one of four partitions, and for that time one of two workers. A quarter of the others'
    answers lies behind them in their partition, another quarter in that worker's other one.
    """
    number = min(hot, SECONDS * PER_SECOND)
    parts = [range(WARM + part * number, WARM + (part + 1) * number) for part in range(3)]
    alone, among, behind = parts
    steady = _journeys("steady", behind.stop, hot)
    sudden = _journeys("sudden", behind.stop + hot // 2, hot)
    async with house(stack, automations(PLAIN)) as made:
        count = made.publish(record(PLAIN, START, each) for each in range(behind.stop))
        with made.workers(2):
            await made.until_applied(count)
            await made.until_shared(2)
            acknowledged = await _answered(made, range(alone.stop))
            acknowledged |= await _answered(made, among, steady)
            burst = asyncio.create_task(asyncio.to_thread(_burst, made, sudden))
            acknowledged |= await _answered(made, behind)
            arrived = await burst
            await made.until_applied(2 * count + len(steady) + len(sudden))
        rows = await made.connection.fetch(DONE)
    done = {row["trigger"]: row["at"].timestamp() for row in rows}
    waited = {each: done[_trigger(each)] - at for each, at in acknowledged.items()}
    first = behind.stop + hot // 2
    last = max(done[_trigger(each)] for each in range(first, first + hot // 2))
    without, amid, after = (_p99(waited[each] for each in part) for part in parts)
    return [
        Figure("the others alone, p99", "ms", [without]),
        Figure("amid the hot one's events, p99", "ms", [amid]),
        Figure("amid the hot one's events, p99", "of alone", [amid / without], Goal("at most", 2)),
        Figure("all of them at once, p99", "ms", [after]),
        Figure("all of them at once, p99", "of alone", [after / without], Goal("at most", 2)),
        Figure(
            "all of them at once, longest", "ms", [1_000 * max(waited[each] for each in behind)]
        ),
        Figure("the hot one at once", "events/s", [len(sudden) / (last - arrived)]),
    ]


def _trigger(number: int) -> str:
    return f"{START}-{number}"


def _journeys(who: str, first: int, events: int) -> list[Record]:
    """Return the journeys of one contact, one after the other."""
    return [
        _of(who, event, number)
        for number in range(first, first + events // 2)
        for event in (START, ANSWER)
    ]


def _of(who: str, event: str, number: int) -> Record:
    _, value = record(PLAIN, event, number)
    return who.encode(), value.replace(b"person%d@" % number, b"%s@" % who.encode())


def _burst(made: House, records: Sequence[Record]) -> float:
    """Publish all of a hot contact's events; return when they were acknowledged."""
    made.publish(records)
    return time.time()


async def _answered(made: House, numbers: range, beside: Sequence[Record] = ()) -> dict[int, float]:
    """Publish answers at an even pace; return when each was acknowledged.

    `beside` are records that are published among them, just as evenly.
    """
    acknowledged = {}
    servers = made.stack.bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers, linger_ms=0) as producer:
        began = time.monotonic()
        for place, number in enumerate(numbers):
            await asyncio.sleep(max(0.0, began + place / PER_SECOND - time.monotonic()))
            for key, value in beside[_share(beside, place, numbers)]:
                await producer.send(made.topic, value, key=key)
            key, value = record(PLAIN, ANSWER, number)
            await producer.send_and_wait(made.topic, value, key=key)
            acknowledged[number] = time.time()
    return acknowledged


def _share(beside: Sequence[Record], place: int, numbers: range) -> slice:
    """Return which of the records go out before the answer at this place."""
    first, last = (each * len(beside) // len(numbers) for each in (place, place + 1))
    return slice(first, last)


def _p99(seconds: Iterable[float]) -> float:
    return 1_000 * quantiles(seconds, n=100, method="inclusive")[98]
