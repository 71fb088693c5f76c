"""Events a second over HTTP, each on Kafka before it is accepted, beside a bare producer's."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure
from tests.bench.house import PARTITIONS, ROOT, House, house
from tests.bench.journeys import PLAIN, automations
from tests.bench.machine import Meter, peak_memory
from tests.bench.served import Served, served

EVENTS = 20_000

#: How many requests are on their way at once.
AT_ONCE = 64

#: How many requests come before any is counted.
WARM = 200

#: How many times as many records the bare producer publishes, which takes it no longer.
BARE_TIMES = 5


class Sent(NamedTuple):
    """Events a second, and milliseconds of CPU an event by who spent them."""

    rate: float
    cpu: dict[str, float]


async def measure(stack: LocalStack, events: int = EVENTS) -> list[Figure]:
    """Let a client send as fast as one server accepts; then let a bare producer publish."""
    async with house(stack, automations(PLAIN)) as made:
        async with served(made) as server:
            await _sent(made, server, WARM, is_reused=True)
            kept = await _sent(made, server, events, is_reused=True)
            anew = await _sent(made, server, events, is_reused=False)
            peak = peak_memory([server.process])
        sizes = await _sizes(made, WARM + 2 * events)
        bare = await _said_by(made, "bare_producer", made.topic, BARE_TIMES * events, *sizes)
    return [
        Figure("kept connections", "events/s", [kept.rate]),
        Figure("bare producer", "events/s", [bare]),
        Figure("kept connections", "of the bare producer", [kept.rate / bare]),
        Figure("a connection each", "events/s", [anew.rate]),
        *(Figure(f"CPU, {who}", "ms an event", [spent]) for who, spent in kept.cpu.items()),
        Figure("CPU, server, a connection each", "ms an event", [anew.cpu["server"]]),
        Figure("peak of the server", "MB", [peak]),
    ]


async def _sent(made: House, server: Served, events: int, *, is_reused: bool) -> Sent:
    """Have the client send events; the strangers' CPU is the client's, mostly."""
    groups = made.groups(server.process)
    groups["server"] = groups.pop("workers")
    meter = Meter(groups)
    asked = (server.port, server.key, events, AT_ONCE, int(is_reused))
    rate = await _said_by(made, "client", *asked)
    spent = meter.read()
    return Sent(rate, {who: 1_000 * cpu / events for who, cpu in spent.cpu.items()})


async def _said_by(made: House, program: str, *arguments: object) -> float:
    """Run one of our programs in a process of its own; return the number that it prints."""
    command = [sys.executable, "-m", f"tests.bench.{program}", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=os.environ | made.environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, f"{program} ended with {process.returncode}"
    return float(said)


async def _sizes(made: House, events: int) -> tuple[int, int]:
    """Return the bytes of a record's key and value; all events that were accepted must be there."""
    servers = made.stack.bootstrap_servers
    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer:
        partitions = [TopicPartition(made.topic, number) for number in range(PARTITIONS)]
        ends = await consumer.end_offsets(partitions)
        there = sum(ends.values())
        assert there == events, f"{events} events were accepted, {there} are on Kafka"
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        record = await consumer.getone()
    return len(record.key), len(record.value)
