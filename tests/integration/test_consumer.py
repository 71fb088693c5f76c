"""E3, D1: the consumer on a real Kafka and a real Postgres: what is read, from where, by whom."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.testing import capture_logs

from state.postgres.offsets import Touch
from state.postgres.store import PostgresStore
from tests.conftest import CreateTopics
from tests.logs import delete_records, produce
from tests.members import Worker, holds_some, running, settings_for, states
from tests.waiting import until, until_so


async def test_it_begins_where_postgres_says_whatever_kafka_says(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """E3: no record before the sought offset; Kafka's committed offset is advice, and ignored."""
    (topic,) = await topics("events")
    await produce(kafka, topic, [b"{}"] * 10)
    settings = settings_for(kafka, topic)
    async with running(Worker(store, settings)) as first:
        await until(lambda: first.offsets == list(range(10)))
    await produce(kafka, topic, [b"{}"] * 2)
    misled = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=settings.group_id)
    await misled.start()
    misled.assign([TopicPartition(topic, 0)])
    await misled.commit({TopicPartition(topic, 0): 3})
    await misled.stop()
    async with running(Worker(store, settings)) as second:
        await until(lambda: second.offsets)
        assert second.offsets == [10, 11]


async def test_a_partition_never_consumed_begins_at_its_start(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """E3: what was there before we looked is read too, also where the log no longer begins at 0."""
    (topic,) = await topics("events", partitions=2)
    await produce(kafka, topic, [b"{}"] * 5, partition=0)
    await produce(kafka, topic, [b"{}"] * 3, partition=1)
    await delete_records(kafka, topic, before=2, partition=0)
    async with running(Worker(store, settings_for(kafka, topic))) as worker:
        await until(lambda: len(worker.applied) == 6)
        assert {place[1:] for place in worker.applied} == {
            (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2)
        }  # fmt: skip


async def test_kafka_is_told_how_far_we_are(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """E3: after Postgres, for lag tools."""
    (topic,) = await topics("events")
    await produce(kafka, topic, [b"{}"] * 4)
    settings = settings_for(kafka, topic)
    async with running(Worker(store, settings)) as worker:
        await until(lambda: len(worker.applied) == 4)
        observer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=settings.group_id)
        await observer.start()
        observer.assign([TopicPartition(topic, 0)])
        await until_so(lambda: observer.committed(TopicPartition(topic, 0)))
        assert await observer.committed(TopicPartition(topic, 0)) == 4
        await observer.stop()


@pytest.mark.parametrize("is_truncated", [True, False])
async def test_a_log_that_contradicts_our_offset_stops_its_partition_loudly(
    kafka: str, topics: CreateTopics, store: PostgresStore, is_truncated: bool
) -> None:
    """E3: a topic made anew, and records removed before they were read: never a silent jump."""
    (topic,) = await topics("events", partitions=2)
    await produce(kafka, topic, [b"{}"] * 6, partition=0)
    held = await store.take_partitions([(topic, 0)], "earlier owner")
    offset = 9 if is_truncated else 2
    epoch = held[topic, 0].epoch
    await store.touch_partitions([Touch(topic, 0, epoch, None, True, offset)])
    if not is_truncated:
        await delete_records(kafka, topic, before=4)
    with capture_logs() as logs:
        async with running(Worker(store, settings_for(kafka, topic))) as worker:
            await until(lambda: [line for line in logs if line["event"] == "partition.stopped"])
            await produce(kafka, topic, [b"{}"], partition=1)
            await until(lambda: worker.applied)
            assert worker.applied == [(topic, 1, 0)]
    stopped = next(line for line in logs if line["event"] == "partition.stopped")
    assert stopped["log_level"] == "error"
    assert stopped["partition"] == (topic, 0)
    assert stopped["next_offset"] == offset
    assert "STREAM_EPOCH" in stopped["remedy"]
    assert (await states(store))[0].resumed_since is None


async def test_records_that_retention_takes_before_us_stop_the_partition(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """E3: while it runs, too: an offset that has left the log is an incident, not a reset."""
    (topic,) = await topics("events")
    await produce(kafka, topic, [b"{}"] * 3)
    with capture_logs() as logs:
        async with running(Worker(store, settings_for(kafka, topic, batch_max=1))) as worker:
            await until(lambda: len(worker.applied) == 3)
            worker.may_go_on.clear()
            worker.entered.clear()
            await produce(kafka, topic, [b"{}"] * 3000)
            await worker.entered.wait()
            await delete_records(kafka, topic, before=3003)
            worker.may_go_on.set()
            await produce(kafka, topic, [b"{}"])
            stopped = await until(
                lambda: [line for line in logs if line["event"] == "partition.stopped"]
            )
    assert stopped[0]["log_level"] == "error"
    assert worker.offsets == list(range(len(worker.offsets)))


async def test_a_rebalance_moves_partitions_and_every_record_is_applied_once(
    kafka: str, topics: CreateTopics, store: PostgresStore, database: str
) -> None:
    """E3: workers come and go under load; each record is stored once, by who holds the fence."""
    (topic,) = await topics("events", partitions=4)
    settings = settings_for(kafka, topic)
    other_store = await PostgresStore.open(database, worker_id="other")
    total = 0
    async with running(Worker(store, settings)) as first:
        for _ in range(3):
            for partition in range(4):
                await produce(kafka, topic, [b"{}"] * 50, partition)
                total += 50
        other = Worker(other_store, settings)
        async with running(other):
            await until(lambda: holds_some(other))
            for partition in range(4):
                await produce(kafka, topic, [b"{}"] * 50, partition)
                total += 50
            await until(lambda: len(first.applied) + len(other.applied) == total)
            assert other.applied
        for partition in range(4):
            await produce(kafka, topic, [b"{}"] * 10, partition)
            total += 10
        await until(lambda: len(first.applied) + len(other.applied) == total)
    everything = first.applied + other.applied
    assert len(set(everything)) == len(everything) == total
    await other_store.close()


async def test_a_batch_of_a_partition_that_was_taken_away_is_refused_and_read_again(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """E3: the fence, however late the batch; the partition is taken anew, and nothing is lost."""
    (topic,) = await topics("events", partitions=2)
    async with running(Worker(store, settings_for(kafka, topic))) as worker:
        await until(lambda: holds_some(worker))
        worker.may_go_on.clear()
        await produce(kafka, topic, [b"{}"] * 3, partition=0)
        await worker.entered.wait()
        await store.take_partitions([(topic, 0)], "a thief")
        worker.may_go_on.set()
        await until(lambda: worker.fenced == [(topic, 0)])
        await until(lambda: worker.offsets == [0, 1, 2])
        assert worker.batches[-1].slices[0].epoch == 3


async def test_an_idle_partition_that_was_taken_away_is_noticed(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """E3: a refresh meets the fence as a batch does."""
    (topic,) = await topics("events")
    async with running(Worker(store, settings_for(kafka, topic))) as worker:
        await until(lambda: holds_some(worker))
        await store.take_partitions([(topic, 0)], "a thief")
        worker.is_pressing = True

        async def is_ours() -> bool:
            rows = await store.touch_partitions([Touch(topic, 0, 3, None, True, None)])
            return not rows

        await until_so(is_ours)
        await produce(kafka, topic, [b"{}"])
        await until(lambda: worker.offsets == [0])


async def test_a_hot_partition_starves_nobody(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """D1, E3: every partition is read in its turn, so a few records overtake a flood."""
    (topic,) = await topics("events", partitions=2)
    await produce(kafka, topic, [b"x" * 200] * 20_000, partition=0)  # many fetches long
    await produce(kafka, topic, [b"{}"] * 5, partition=1)
    async with running(Worker(store, settings_for(kafka, topic, batch_max=500))) as worker:
        await until(lambda: len([1 for place in worker.applied if place.partition == 1]) == 5)
        assert len([1 for place in worker.applied if place.partition == 0]) < 10_000
        assert max(map(len, worker.batches)) <= 500


async def test_records_gather_while_the_processor_is_busy(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """E3: the batch after a long one holds what came meanwhile."""
    (topic,) = await topics("events")
    async with running(Worker(store, settings_for(kafka, topic))) as worker:
        await until(lambda: holds_some(worker))
        worker.may_go_on.clear()
        await produce(kafka, topic, [b"{}"])
        await worker.entered.wait()
        await produce(kafka, topic, [b"{}"] * 300)
        membership = worker.consumer._membership
        assert membership is not None
        await until(lambda: membership._assignment.backlog.room == 3000 - 300)
        worker.may_go_on.set()
        await until(lambda: len(worker.applied) == 301)
        assert [len(batch) for batch in worker.batches] == [1, 300]


async def test_stopping_finishes_the_batch_in_flight_and_gives_the_partitions_back(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """E3: the next owner begins behind it at once, and nothing is fenced."""
    (topic,) = await topics("events")
    await produce(kafka, topic, [b"{}"] * 3)
    worker = Worker(store, settings_for(kafka, topic))
    worker.may_go_on.clear()
    async with running(worker):
        await worker.entered.wait()
        worker.consumer.stop()
        await asyncio.sleep(0.2)
        assert not worker.applied
    assert worker.offsets == [0, 1, 2]
    assert not worker.fenced
    assert (await states(store))[0].resumed_since is None
