"""A bare producer, to compare with: it publishes records of one size, and does nothing else.

`python -m tests.bench.bare_producer TOPIC COUNT KEY_BYTES VALUE_BYTES` prints how many records a
second were acknowledged. It is told what the server's producer is told (stream/producer.py).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import uvloop
from aiokafka import AIOKafkaProducer

from stream.producer import FIXED

#: How many records are on their way at once.
IN_FLIGHT = 1_000


async def published(topic: str, count: int, key_bytes: int, value_bytes: int) -> float:
    """Publish so many records; return how many a second were acknowledged by all replicas."""
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    value = b"v" * value_bytes
    async with AIOKafkaProducer(bootstrap_servers=servers, **FIXED) as producer:
        await producer.send_and_wait(topic, value, key=b"first")
        began = time.monotonic()
        for first in range(0, count, IN_FLIGHT):
            numbers = range(first, min(first + IN_FLIGHT, count))
            keys = [b"%0*d" % (key_bytes, number) for number in numbers]
            sent = [await producer.send(topic, value, key=key) for key in keys]
            await asyncio.gather(*sent)
        return count / (time.monotonic() - began)


if __name__ == "__main__":
    topic, *numbers = sys.argv[1:]
    sys.stdout.write(f"{uvloop.run(published(topic, *map(int, numbers)))}\n")
