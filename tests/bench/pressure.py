"""How long after its answer was acknowledged a journey is completed, at half the maximum rate.

The maximum is measured first, in the same run: what two workers make of journeys that lie in the
topic already. Then triggers and answers are published at half of that, by this process, on the
same processors: what it takes from the workers is counted, among the strangers. The first answers
warm everything up; they are not judged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import confluent_kafka

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal, percentiles
from tests.bench.house import House, Record, house
from tests.bench.journeys import PLAIN, START, automations, records
from tests.bench.latency import DONE, lateness
from tests.bench.machine import Meter
from tests.bench.throughput import engine

SECONDS = 20

#: How many journeys the measuring of the maximum takes for every second that is paced after it.
JOURNEYS_A_SECOND = 1_000

#: Which part of the journeys comes first, and only warms up.
WARM = 0.25

#: How often what has become due is published: a record at a time would keep a processor busy.
TICK_SECONDS = 0.005


async def measure(stack: LocalStack, seconds: int = SECONDS) -> list[Figure]:
    """Measure the maximum, then publish at half of it; two workers each time."""
    maximum = (await engine(stack, PLAIN, 2, seconds * JOURNEYS_A_SECOND)).rate
    journeys = int(seconds * maximum / 2)
    async with house(stack, automations(PLAIN)) as made:
        with made.workers(2) as process:
            await made.until_shared(2)
            meter = Meter(made.groups(process))
            acknowledged = _published(made, list(records(PLAIN, journeys)), maximum)
            spent = meter.read()
            await made.until_applied(2 * journeys)
        for number in range(int(WARM * journeys)):
            del acknowledged[f"{START}-{number}"]
        late = list(lateness(acknowledged, await made.connection.fetch(DONE)))
    return [
        Figure("maximum", "journeys/s", [maximum]),
        Figure("published", "of the maximum", [journeys / spent.wall / maximum]),
        *percentiles("answer to completion", "ms", late, p99=Goal("at most", 500)),
        *(
            Figure(f"CPU, {who}", "ms a journey", [1_000 * cpu / journeys])
            for who, cpu in spent.cpu.items()
        ),
    ]


def _published(made: House, records: Sequence[Record], per_second: float) -> dict[str, float]:
    """Publish records at an even pace; return when answers were acknowledged, by their trigger.

    A person's answer is acknowledged after the trigger, so what is kept of both is the answer's.
    """
    acknowledged: dict[bytes, float] = {}

    def note(error: confluent_kafka.KafkaError | None, message: confluent_kafka.Message) -> None:
        assert error is None, error
        acknowledged[message.key()] = time.time()

    producer = confluent_kafka.Producer(
        {"bootstrap.servers": made.stack.bootstrap_servers, "log_level": 0}
    )
    began = time.monotonic()
    at_once = max(1, round(per_second * TICK_SECONDS))
    for place in range(0, len(records), at_once):
        while (rest := began + place / per_second - time.monotonic()) > 0:
            producer.poll(rest)
        for key, value in records[place : place + at_once]:
            producer.produce(made.topic, value=value, key=key, on_delivery=note)
    producer.flush()
    return {f"{START}-{key[1:].decode()}": at for key, at in acknowledged.items()}
