"""Journeys at an even pace, published by a process of its own until it is ended.

`python -m tests.bench.steady TOPIC PER_SECOND` publishes triggers, and `APART` of them later the
answer to each. Told to end, it prints how many records it has published.
"""

from __future__ import annotations

import os
import signal
import sys
import time

import confluent_kafka

from tests.bench.journeys import ANSWER, PLAIN, START, record

#: How many journeys lie between a trigger and its answer.
APART = 500

#: How often what has become due is published: a record at a time would keep a processor busy.
TICK_SECONDS = 0.02


def publish(topic: str, per_second: float) -> int:
    """Publish until SIGTERM; return how many records were acknowledged."""
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    producer = confluent_kafka.Producer({"bootstrap.servers": servers, "log_level": 0})
    ends: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ends.append(number))
    began, done = time.monotonic(), 0
    while not ends:
        for number in range(done, due := int((time.monotonic() - began) * per_second)):
            key, value = record(PLAIN, START, number)
            producer.produce(topic, value=value, key=key)
            if number >= APART:
                key, value = record(PLAIN, ANSWER, number - APART)
                producer.produce(topic, value=value, key=key)
        done = due
        producer.poll(0)
        time.sleep(TICK_SECONDS)
    assert producer.flush(30) == 0, "some were not acknowledged"
    return done + max(0, done - APART)


if __name__ == "__main__":
    sys.stdout.write(f"{publish(sys.argv[1], float(sys.argv[2]))}\n")
