"""Topics and publishing on the real broker."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from deploy.local.kafka import LocalBroker
from state.event import Coordinates
from stream import producer as producing
from stream.clock import SystemClock
from stream.producer import Outgoing, Publisher
from stream.topics import create_topics, partition_counts
from tests.conftest import CreateTopics

CLOCK = SystemClock()
WEEK = timedelta(days=7)


@pytest.fixture
async def publisher(kafka: str):
    publisher = Publisher({"bootstrap_servers": kafka}, CLOCK)
    await publisher.start()
    yield publisher
    assert await publisher.stop()


async def read_all(kafka: str, topic: str, partitions: int, count: int):
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        records = []
        async with asyncio.timeout(20):
            while len(records) < count:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records.extend(batch)
        return records
    finally:
        await consumer.stop()


async def made(kafka: str, *names: str, partitions: int = 3, retention: timedelta = WEEK):
    options = {"bootstrap_servers": kafka}
    return await create_topics(
        options, names, partitions=partitions, retention=retention, clock=CLOCK
    )


async def test_topics_are_made_with_append_time_and_explicit_retention(kafka: str) -> None:
    name = f"made-{uuid4().hex[:8]}"
    [state] = await made(kafka, name)
    assert state == (name, True, 3, WEEK, ())


async def test_topics_that_exist_stay_as_they_are(kafka: str) -> None:
    name, other = (f"kept-{uuid4().hex[:8]}" for _ in range(2))
    await made(kafka, name)
    kept, new = await made(kafka, name, other, partitions=5)
    assert (kept.is_new, kept.partitions) == (False, 3)
    assert (new.is_new, new.partitions) == (True, 5)


async def test_partitions_are_counted_and_missing_topics_are_not_created(
    kafka: str, topics: CreateTopics
) -> None:
    [name] = await topics("counted", partitions=4)
    missing = f"missing-{uuid4().hex[:8]}"
    options = {"bootstrap_servers": kafka}
    for _ in range(2):
        assert await partition_counts(options, [name, missing]) == {name: 4}


async def test_what_is_unsafe_about_a_topic_is_said(kafka: str, topics: CreateTopics) -> None:
    unsafe = {
        "message_timestamp_type": "CreateTime",
        "retention_ms": "-1",
        "cleanup_policy": "compact",
    }
    [name] = await topics("unsafe", **unsafe)
    [state] = await made(kafka, name)
    assert state.retention is None
    said = " ".join(state.warnings)
    assert all(key in said for key in ("message.timestamp.type", "retention.ms", "cleanup.policy"))


async def test_a_published_record_is_found_at_its_coordinates(
    kafka: str, topics: CreateTopics, publisher: Publisher
) -> None:
    [name] = await topics("published", partitions=2)
    written = await publisher.publish(name, b"ann", b"{}", [("ce_id", b"1")])
    [record] = await read_all(kafka, name, 2, 1)
    assert written == Coordinates(record.topic, record.partition, record.offset)
    assert (record.key, record.value, list(record.headers)) == (b"ann", b"{}", [("ce_id", b"1")])


async def test_many_records_arrive_once_each_and_in_order(
    kafka: str, topics: CreateTopics, publisher: Publisher
) -> None:
    [name] = await topics("many", partitions=2)
    records = [Outgoing(name, b"%d" % (n % 7), b"%d" % n) for n in range(2_000)]
    progress: list[int] = []
    assert await publisher.publish_many(records, progress.append, in_flight_max=100) == 2_000
    assert progress == sorted(progress)
    assert progress[-1] == 2_000
    assert all(later - earlier <= 100 for earlier, later in pairwise([0, *progress]))
    found = await read_all(kafka, name, 2, 2_000)
    assert sorted(int(record.value) for record in found) == list(range(2_000))
    for key in {record.key for record in found}:
        of_key = [int(record.value) for record in found if record.key == key]
        assert of_key == sorted(of_key)


async def test_a_record_that_is_too_large_fails_and_the_publisher_goes_on(
    kafka: str, topics: CreateTopics, publisher: Publisher
) -> None:
    [name] = await topics("large")
    records = [Outgoing(name, None, b"{}"), Outgoing(name, None, b" " * 2_000_000)]
    with pytest.raises(KafkaError):
        await publisher.publish_many(records)
    await publisher.publish(name, None, b"{}")
    assert len(await read_all(kafka, name, 1, 2)) == 2


async def test_starting_waits_for_a_broker_that_is_late(own_broker: LocalBroker) -> None:
    own_broker.stop()
    publisher = Publisher({"bootstrap_servers": own_broker.bootstrap_servers}, CLOCK)
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(publisher.start())
        await asyncio.sleep(1)
        assert not starting.done()
        await asyncio.to_thread(own_broker.start)
    assert await publisher.stop()


async def test_starting_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producing, "START_SECONDS", 1.0)
    publisher = Publisher({"bootstrap_servers": "127.0.0.1:9"}, CLOCK)
    async with asyncio.timeout(5):
        with pytest.raises((KafkaConnectionError, TimeoutError)):
            await publisher.start()
    assert await publisher.stop()


async def test_stopping_is_bounded_when_the_broker_is_silent(
    own_broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen broker holds its connections open and never answers."""
    monkeypatch.setattr(producing, "STOP_SECONDS", 1.0)
    options = {"bootstrap_servers": own_broker.bootstrap_servers}
    name = f"frozen-{uuid4().hex[:8]}"
    await create_topics(options, [name], partitions=1, retention=WEEK, clock=CLOCK)
    publisher = Publisher(options, CLOCK)
    await publisher.start()
    await publisher.publish(name, None, b"{}")
    own_broker.freeze()
    try:
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(publisher.publish(name, None, b"{}"))
            await asyncio.sleep(0.2)
            async with asyncio.timeout(5):
                assert not await publisher.stop()
            publishing.cancel()
    finally:
        own_broker.thaw()
