"""What is published to Kafka from the outbox, topic by topic: E5, S6."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka.errors import TopicAuthorizationFailedError

from state.postgres.store import PostgresStore
from state.turn import Emitted, Quarantined
from stream.announcer import Announcer
from stream.clock import SystemClock
from stream.producer import Outgoing
from tests.stored import rejected, rows, save
from tests.waiting import until, until_so

TOPICS = {"receipts": "r", "dead-letters": "d", "events": "e", "contacts": "c"}


class Forbidding:
    """A Kafka that takes no dead letters from us."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.refusals = 0

    async def publish_many(self, records: Iterable[Outgoing]) -> int:
        for record in records:
            if record.topic == "d":
                self.refusals += 1
                raise TopicAuthorizationFailedError(record.topic)
            self.written.append(record.topic)
        return len(self.written)


async def test_a_topic_that_cannot_be_written_to_holds_up_no_other(
    store: PostgresStore, database: str
) -> None:
    """E5, S6: what steps emit goes out, once; the dead letters stay until they can."""
    emitted = Emitted("events", {"event": "joined", "contact_id": "1"})
    for number in range(10):  # more rows than are taken at once
        await save(store, [], quarantined=[Quarantined(rejected(number))])
    await save(store, [], receipts=[{"event_id": "evt_1"}], emitted=[emitted])
    kafka = Forbidding()
    telling = asyncio.create_task(Announcer(store, kafka, TOPICS, SystemClock()).run())
    await until(lambda: kafka.refusals and len(kafka.written) == 2)
    sql = "select topic, count(*) from kafka_outbox group by topic"

    async def others_are_told() -> bool:
        return len(await rows(database, sql)) == 1

    await until_so(others_are_told)
    telling.cancel()
    assert await rows(database, sql) == [("dead-letters", 10)]
    assert sorted(kafka.written) == ["e", "r"]
