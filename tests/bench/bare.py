"""A bare consumer, to compare with: it reads a topic and decodes the JSON, and nothing else.

`python -m tests.bench.bare TOPIC COUNT` prints how many records a second it has read.
"""

from __future__ import annotations

import os
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic_core import from_json

from tests.bench.house import PARTITIONS


async def read(topic: str, count: int) -> float:
    """Read so many records from the topic's beginning; return how many a second.

    As the engine, it is told of all partitions and delivers no aborted records.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    async with consumer:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        began, done = time.monotonic(), 0
        while done < count:
            done += await _some(consumer)
        return done / (time.monotonic() - began)


async def _some(consumer: AIOKafkaConsumer) -> int:
    found = await consumer.getmany(timeout_ms=1_000)
    return sum(len([from_json(each.value) for each in some]) for some in found.values())


if __name__ == "__main__":
    sys.stdout.write(f"{uvloop.run(read(sys.argv[1], int(sys.argv[2])))}\n")
