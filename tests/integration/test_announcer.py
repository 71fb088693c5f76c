"""What is published to Kafka from the outbox, topic by topic: E5, S6."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from state.postgres.store import PostgresStore
from state.turn import Emitted, Quarantined
from stream import announcer
from stream.announcer import Announcer
from stream.bell import Bell
from stream.clock import SystemClock
from stream.producer import Outgoing
from tests.integration.doors import Door, Log
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


class Listening(Forbidding):
    """A Kafka that takes everything."""

    async def publish_many(self, records: Iterable[Outgoing]) -> int:
        self.written += [record.topic for record in records]
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
    news = defaultdict[str, Bell](Bell)
    telling = asyncio.create_task(Announcer(store, kafka, TOPICS, news, SystemClock()).run())
    await until(lambda: kafka.refusals and len(kafka.written) == 2)
    sql = "select topic, count(*) from kafka_outbox group by topic"

    async def others_are_told() -> bool:
        return len(await rows(database, sql)) == 1

    await until_so(others_are_told)
    telling.cancel()
    assert await rows(database, sql) == [("dead-letters", 10)]
    assert sorted(kafka.written) == ["e", "r"]


async def test_what_a_turn_leaves_is_told_without_looking_for_it_all_the_time(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E5: an idle announcer waits for the turns' word; only what others left is looked for."""
    monkeypatch.setattr(announcer, "IDLE_SECONDS", 3600.0)
    kafka, log = Listening(), Log()
    news = door.processor.outgoing_made
    telling = asyncio.create_task(Announcer(door.store, kafka, TOPICS, news, SystemClock()).run())
    await until(lambda: len(news) == len(TOPICS))  # each has looked once
    for told in (1, 2):
        await door.feed([log.raw(b"what is this?")])
        await until(lambda told=told: kafka.written == ["d"] * told)
    telling.cancel()
