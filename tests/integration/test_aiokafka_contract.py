"""What aiokafka does today, on a real broker: the pitfalls that the client is built around.

Each test states the library's behaviour, bad as it may be. One that fails after an upgrade says
that a guard may have become needless, or, worse, has stopped to guard: read K2 to K11 in
reliability.md, then change the guard and the test together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import (
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    TopicPartition,
)
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.record.memory_records import MemoryRecords

from deploy.local.kafka import LocalBroker
from deploy.local.process import free_port
from tests.conftest import CreateTopics
from tests.logs import batch_of, create_topic, produce, produce_batch
from tests.waiting import until

FIVE = [b"0", b"1", b"2", b"3", b"4"]


class Listener(ConsumerRebalanceListener):
    """Notes what it is told; may dawdle or fail in `assigned`."""

    def __init__(self, *, dawdle: float = 0.0, failure: Exception | None = None) -> None:
        self.assigned_at: float | None = None
        self.done_at: float | None = None
        self.revoked: list[set[TopicPartition]] = []
        self._dawdle = dawdle
        self._failure = failure

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.assigned_at = time.monotonic()
        await asyncio.sleep(self._dawdle)
        if self._failure is not None:
            raise self._failure
        self.done_at = time.monotonic()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self.revoked.append(set(revoked))


class Pausing(Listener):
    """Pauses in the first synchronous line."""

    consumer: AIOKafkaConsumer

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:  # type: ignore[override]  # the library takes both kinds
        self.consumer.pause(*assigned)


@asynccontextmanager
async def consuming(
    servers: str, topic: str, listener: Listener | None = None, **options: Any
) -> AsyncIterator[AIOKafkaConsumer]:
    given = {"group_id": f"group-{uuid4().hex[:8]}", "auto_offset_reset": "earliest"} | options
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, metadata_max_age_ms=1000, **given)
    await consumer.start()
    try:
        if isinstance(listener, Pausing):
            listener.consumer = consumer
        consumer.subscribe([topic], listener=listener)
        await until(consumer.assignment)
        yield consumer
    finally:
        await consumer.stop()


async def first_records(consumer: AIOKafkaConsumer) -> list[Any]:
    async with asyncio.timeout(8):
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                return list(records)


async def test_k2_records_are_delivered_before_the_listener_has_ended(
    kafka: str, topics: CreateTopics
) -> None:
    """K2: so the listener must pause in its first synchronous line."""
    (topic,) = await topics("events")
    await produce(kafka, topic, FIVE)
    listener = Listener(dawdle=3.0)
    async with consuming(kafka, topic, listener) as consumer:
        assert await first_records(consumer)
        assert listener.assigned_at is not None
        assert listener.done_at is None


async def test_k2_nothing_is_delivered_when_the_listener_pauses_first(
    kafka: str, topics: CreateTopics
) -> None:
    """K2: the guard holds, and the first record is the one that was sought."""
    (topic,) = await topics("events")
    await produce(kafka, topic, FIVE)
    partition = TopicPartition(topic, 0)

    async with consuming(kafka, topic, Pausing()) as consumer:
        assert not await consumer.getmany(timeout_ms=1500)
        consumer.seek(partition, 3)
        consumer.resume(partition)
        assert [record.offset for record in await first_records(consumer)] == [3, 4]


async def test_k3_what_a_listener_raises_is_swallowed(kafka: str, topics: CreateTopics) -> None:
    """K3: so the listener only takes note, and a supervised task does what can fail."""
    (topic,) = await topics("events")
    await produce(kafka, topic, FIVE)
    async with consuming(kafka, topic, Listener(failure=RuntimeError("no database"))) as consumer:
        assert len(await first_records(consumer)) == 5


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_k4_one_cancelled_read_disables_the_poll_interval(
    kafka: str, topics: CreateTopics, is_cancelled: bool
) -> None:
    """K4: so reads are never cancelled, and nothing relies on max_poll_interval_ms."""
    (topic,) = await topics("events")
    listener = Listener()
    options = {"max_poll_interval_ms": 1000, "heartbeat_interval_ms": 200}
    async with consuming(kafka, topic, listener, **options) as consumer:
        if is_cancelled:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(consumer.getone(), 0.1)
        told = len(listener.revoked)
        if is_cancelled:
            with pytest.raises(TimeoutError):
                await until(lambda: len(listener.revoked) > told, seconds=4)
        else:
            await until(lambda: len(listener.revoked) > told, seconds=4)


async def test_k5_a_dead_fetch_task_is_silent(
    kafka: str, topics: CreateTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K5: no error, no revocation, a high-water mark that stands still; only the broker knows."""
    (topic,) = await topics("events")
    partition = TopicPartition(topic, 0)
    listener = Listener()
    stopping = pytest.raises(KafkaError)  # it raises, before it has closed the connections
    with stopping:
        async with consuming(kafka, topic, listener, heartbeat_interval_ms=200) as consumer:
            await produce(kafka, topic, [b"1"])
            assert len(await first_records(consumer)) == 1
            seen = consumer.highwater(partition)

            def die(fetcher: Fetcher, assignment: object) -> None:
                raise ValueError("a bug in the library")

            monkeypatch.setattr(Fetcher, "_get_actions_per_node", die)
            await until(lambda: consumer._fetcher.error_future.done())
            await until(lambda: not consumer._fetcher._in_flight)  # the last request still delivers
            assert consumer._fetcher.error_future.exception() is not None
            told = len(listener.revoked)
            await produce(kafka, topic, [b"1"] * 3)
            for _ in range(5):
                assert not await consumer.getmany(timeout_ms=200)
            assert len(listener.revoked) == told
            assert consumer.highwater(partition) == seen
            assert (await consumer.end_offsets([partition]))[partition] == 4
    await consumer._client.close()


async def test_k6_the_rebalance_timeout_is_the_session_timeout() -> None:
    """K6: so it is set, and longer than the drain it must contain."""
    consumer = AIOKafkaConsumer(group_id="group")
    assert consumer._rebalance_timeout_ms == consumer._session_timeout_ms == 10_000
    await consumer.stop()


async def test_k7_stop_revokes_nothing(kafka: str, topics: CreateTopics) -> None:
    """K7: so we pause, drain and give back before we stop."""
    (topic,) = await topics("events")
    listener = Listener()
    async with consuming(kafka, topic, listener):
        told = len(listener.revoked)
    assert len(listener.revoked) == told


async def test_k8_a_commit_without_offsets_commits_what_was_only_handed_out(
    kafka: str, topics: CreateTopics
) -> None:
    """K8: so commits name their offsets, and the automatic one, the default, is off."""
    (topic,) = await topics("events")
    await produce(kafka, topic, FIVE)
    partition = TopicPartition(topic, 0)
    async with consuming(kafka, topic, enable_auto_commit=False) as consumer:
        await first_records(consumer)  # not one of them is processed
        await consumer.commit()
        assert await consumer.committed(partition) == 5
        await consumer.commit({partition: 2})
        assert await consumer.committed(partition) == 2
        assert AIOKafkaConsumer.__init__.__kwdefaults__["enable_auto_commit"] is True


async def test_k9_a_commit_lasts_as_long_as_the_broker_is_silent(own_broker: LocalBroker) -> None:
    """K9: so commits have a timeout of ours, which does the client no harm."""
    servers = own_broker.bootstrap_servers
    await create_topic(servers, "events")
    await produce(servers, "events", FIVE)
    partition = TopicPartition("events", 0)
    async with consuming(servers, "events", enable_auto_commit=False) as consumer:
        await first_records(consumer)
        own_broker.freeze()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await consumer.commit({partition: 1})
        own_broker.thaw()
        async with asyncio.timeout(10):
            await consumer.commit({partition: 2})
            assert await consumer.committed(partition) == 2


async def test_k9_start_fails_at_once_when_no_broker_answers() -> None:
    """K9: so starting is tried again and again, with a pause of ours."""
    consumer = AIOKafkaConsumer(bootstrap_servers=f"127.0.0.1:{free_port()}")
    began = time.monotonic()
    with pytest.raises(KafkaConnectionError):
        await consumer.start()
    assert time.monotonic() - began < 20  # far from the library's own timeouts of 40 s
    await consumer.stop()


async def test_k10_an_offset_that_is_gone_becomes_the_newest_by_default(
    kafka: str, topics: CreateTopics
) -> None:
    """K10: records are passed over without a word, so the policy is `none`."""
    (topic,) = await topics("events")
    await produce(kafka, topic, FIVE)
    partition = TopicPartition(topic, 0)
    default = AIOKafkaConsumer.__init__.__kwdefaults__["auto_offset_reset"]
    assert default == "latest"
    async with consuming(kafka, topic, auto_offset_reset=default) as consumer:
        consumer.seek(partition, 1000)
        assert not await consumer.getmany(timeout_ms=1000)
        assert await consumer.position(partition) == 5


async def test_k10_with_none_a_lost_offset_raises_and_names_its_partition(
    kafka: str, topics: CreateTopics
) -> None:
    """K10: the reader stops the partition that the error names."""
    (topic,) = await topics("events")
    await produce(kafka, topic, FIVE)
    partition = TopicPartition(topic, 0)
    async with consuming(kafka, topic, auto_offset_reset="none") as consumer:
        with pytest.raises(NoOffsetForPartitionError):
            await consumer.getmany(timeout_ms=5000)
        consumer.seek(partition, 1000)
        with pytest.raises(OffsetOutOfRangeError) as raised:
            await consumer.getmany(timeout_ms=5000)
        assert raised.value.args[0] == {partition: 1000}
        consumer.seek(partition, 3)
        assert [record.offset for record in await first_records(consumer)] == [3, 4]


async def test_k10_reading_only_what_was_sought_does_not_meet_the_error_of_the_others(
    kafka: str, topics: CreateTopics
) -> None:
    """K10: partitions that are not yet taken are never asked for."""
    (topic,) = await topics("events", partitions=2)
    await produce(kafka, topic, FIVE)
    ready, waiting = TopicPartition(topic, 0), TopicPartition(topic, 1)
    async with consuming(kafka, topic, auto_offset_reset="none") as consumer:
        consumer.pause(waiting)
        consumer.seek(ready, 0)
        async with asyncio.timeout(8):
            while not (found := await consumer.getmany(ready, timeout_ms=200)):
                pass
        assert len(found[ready]) == 5


async def test_k11_a_deserialiser_that_raises_blocks_its_partition(
    kafka: str, topics: CreateTopics
) -> None:
    """K11: again and again, and nothing behind it ever comes; so we read bytes, and decode them."""
    (topic,) = await topics("events")
    await produce(kafka, topic, FIVE)

    def deserialise(value: bytes) -> bytes:
        raise ValueError("poison")

    async with consuming(kafka, topic, value_deserializer=deserialise) as consumer:
        for _ in range(3):
            with pytest.raises(ValueError, match="poison"):
                await first_records(consumer)
        assert await consumer.position(TopicPartition(topic, 0)) == 0


async def test_a_read_of_several_partitions_loses_records_when_one_of_them_fails(
    kafka: str, topics: CreateTopics
) -> None:
    """Beside K14: so more than one record is only ever read from one partition at a time."""
    (topic,) = await topics("events", partitions=2)
    good, bad = TopicPartition(topic, 0), TopicPartition(topic, 1)

    def deserialise(value: bytes) -> bytes:
        if value == b"bad":
            raise ValueError("poison")
        return value

    async with consuming(kafka, topic, value_deserializer=deserialise) as consumer:
        consumer.pause(good, bad)
        await produce(kafka, topic, [b"good"], partition=0)
        await produce(kafka, topic, [b"bad"], partition=1)
        for partition in (good, bad):
            await consumer.position(partition)
            consumer.resume(partition)
            await until(lambda: partition in consumer._fetcher._records)  # noqa: B023 - called at once
        with pytest.raises(ValueError, match="poison"):
            await consumer.getmany(timeout_ms=1000)
        assert await consumer.position(good) == 1  # delivered to nobody


async def test_k14_a_hot_partition_takes_the_whole_budget(kafka: str, topics: CreateTopics) -> None:
    """K14: so every partition is read for itself, in turns."""
    (topic,) = await topics("events", partitions=2)
    await produce(kafka, topic, FIVE * 100, partition=0)
    await produce(kafka, topic, FIVE, partition=1)
    async with consuming(kafka, topic) as consumer:
        await until(lambda: len(consumer._fetcher._records) == 2)
        found = await consumer.getmany(timeout_ms=1000, max_records=5)
        assert [len(records) for records in found.values()] == [5]


async def test_what_is_fetched_may_wait_a_tenth_of_a_second_to_be_read(
    kafka: str, topics: CreateTopics
) -> None:
    """Then only the other partitions are asked for: if all are idle, for half a second of silence.

    No option says how long; the client sets the attribute that this test names.
    """
    (topic,) = await topics("events")
    await produce(kafka, topic, FIVE)
    async with consuming(kafka, topic) as consumer:
        assert consumer._fetcher._prefetch_backoff == 0.1
        await until(lambda: consumer._fetcher._records)
        (unread,) = consumer._fetcher._records.values()
        assert unread.calculate_backoff() <= 0.1


async def test_k13_the_sticky_assignor_remembers_for_the_whole_process() -> None:
    """K13: two consumers of one process would mix their memories; so the assignor is roundrobin."""
    assert "member_assignment" in vars(StickyPartitionAssignor)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_k20_every_codec_can_be_read(kafka: str, topics: CreateTopics, codec: str) -> None:
    """K20: three of the four need cramjam; a consumer without it dies of the first such batch."""
    (topic,) = await topics("events")
    await produce(kafka, topic, FIVE, compression_type=codec)
    async with consuming(kafka, topic) as consumer:
        assert [record.value for record in await first_records(consumer)] == FIVE


async def test_one_record_that_cannot_be_unpacked_hides_all_behind_it_in_its_batch(
    kafka: str, topics: CreateTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside K11: and no seek gets past it, so `unpacking` takes the library's place."""
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    (topic,) = await topics("events")
    await produce_batch(kafka, topic, batch_of(list(FIVE), poisoned=2))
    await produce(kafka, topic, [b"5"])
    partition = TopicPartition(topic, 0)
    async with consuming(kafka, topic) as consumer:
        with pytest.raises(UnicodeDecodeError):
            await first_records(consumer)
        assert await consumer.position(partition) == 0  # what stands before it is held back, too
        for offset in (2, 3, 4):
            consumer.seek(partition, offset)
            with pytest.raises(UnicodeDecodeError):
                await first_records(consumer)
        consumer.seek(partition, 5)
        assert [record.offset for record in await first_records(consumer)] == [5]
