"""E3: what the consumer survives of its broker and of its own client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from aiokafka.consumer.fetcher import Fetcher
from structlog.testing import capture_logs

from deploy.local.kafka import LocalBroker
from state.event import Rejected
from state.postgres.offsets import Held
from state.postgres.store import PostgresStore
from state.turn import Unavailable
from stream.consuming import reader
from stream.consuming.batches import Partition
from stream.consuming.client import KafkaClient
from stream.consuming.consumer import StalledError
from stream.decoding.decode import Sources
from stream.kafka import kafka_group_options
from stream.peek import peek
from tests.conftest import CreateTopics
from tests.logs import batch_of, create_topic, produce, produce_batch
from tests.members import Worker, holds_some, running, settings_for, states
from tests.waiting import until


async def test_it_survives_a_broker_that_is_killed(
    own_broker: LocalBroker, store: PostgresStore
) -> None:
    """E3: it goes on by itself, and applies nothing twice."""
    servers = own_broker.bootstrap_servers
    await create_topic(servers, "events")
    await produce(servers, "events", [b"{}"] * 5)
    async with running(Worker(store, settings_for(servers, "events"))) as worker:
        await until(lambda: len(worker.applied) == 5)
        own_broker.kill()
        await asyncio.to_thread(own_broker.start)
        await produce(servers, "events", [b"{}"] * 5)
        await until(lambda: len(worker.applied) >= 10, seconds=30)
        assert worker.offsets == list(range(10))


async def test_it_survives_a_broker_that_freezes(
    own_broker: LocalBroker, store: PostgresStore
) -> None:
    """E3: nothing waits for it without limit; meanwhile `low` stands still (W4)."""
    servers = own_broker.bootstrap_servers
    await create_topic(servers, "events")
    async with running(Worker(store, settings_for(servers, "events"))) as worker:
        worker.is_pressing = True
        await produce(servers, "events", [b"{}"] * 5)
        await until(lambda: len(worker.applied) == 5)
        own_broker.freeze()
        await asyncio.sleep(1)  # what was under way has ended
        frozen = (await states(store))[0].low
        await asyncio.sleep(1)
        assert (await states(store))[0].low == frozen
        own_broker.thaw()
        await produce(servers, "events", [b"{}"] * 5)
        await until(lambda: worker.offsets == list(range(10)), seconds=30)


async def test_it_ends_in_time_while_the_broker_is_frozen(
    own_broker: LocalBroker, store: PostgresStore
) -> None:
    """E3: a SIGTERM is obeyed, whoever does not answer."""
    servers = own_broker.bootstrap_servers
    await create_topic(servers, "events")
    settings = settings_for(servers, "events", drain_timeout=timedelta(seconds=6))
    async with running(Worker(store, settings)) as worker:
        await until(lambda: holds_some(worker))
        own_broker.freeze()
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 8
    own_broker.thaw()


async def test_it_waits_for_a_broker_that_is_not_there_yet(
    own_broker: LocalBroker, store: PostgresStore
) -> None:
    """E3: starting is tried again until it succeeds."""
    servers = own_broker.bootstrap_servers
    await create_topic(servers, "events")
    own_broker.stop()
    with capture_logs() as logs:
        async with running(Worker(store, settings_for(servers, "events"))) as worker:
            await until(lambda: [line for line in logs if line["event"] == "kafka.unreachable"])
            await asyncio.to_thread(own_broker.start)
            await produce(servers, "events", [b"{}"])
            await until(lambda: worker.offsets == [0], seconds=40)


def has_died(worker: Worker) -> bool:
    """Say whether the task that fetches records is gone, and its last request with it."""
    membership = worker.consumer._membership
    assert membership is not None
    fetcher = membership._client._consumer._fetcher
    return fetcher.error_future.done() and not fetcher._in_flight


async def test_a_client_that_stands_still_is_replaced_then_the_process_ends(
    kafka: str, topics: CreateTopics, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E3: a fetch task that dies says nothing; the watchdog mends it once, then gives up."""
    (topic,) = await topics("events")
    settings = settings_for(kafka, topic, stall_timeout=timedelta(seconds=3))
    worker = Worker(store, settings)
    worker.is_pressing = True
    living = Fetcher._get_actions_per_node

    def die(fetcher: Fetcher, assignment: object) -> None:
        raise ValueError("a bug in the library")

    async def break_mend_and_break_again() -> None:
        async with running(worker):
            await until(lambda: holds_some(worker))
            monkeypatch.setattr(Fetcher, "_get_actions_per_node", die)
            await until(lambda: has_died(worker))
            await produce(kafka, topic, [b"{}"])
            await until(lambda: worker.counters.value("kafka_clients_replaced") == 1)
            monkeypatch.setattr(Fetcher, "_get_actions_per_node", living)
            await until(lambda: worker.offsets == [0])
            monkeypatch.setattr(Fetcher, "_get_actions_per_node", die)
            await until(lambda: has_died(worker))
            await produce(kafka, topic, [b"{}"])
            await asyncio.Event().wait()  # the failure cuts it short

    with pytest.raises(ExceptionGroup) as raised:
        await break_mend_and_break_again()
    assert raised.group_contains(StalledError)


@pytest.mark.parametrize("codec", [0, 1, 4])
async def test_a_record_that_the_library_cannot_unpack_costs_only_itself(
    kafka: str, topics: CreateTopics, store: PostgresStore, codec: int
) -> None:
    """E5: handed on as rejected; those before and behind it come, those of its batch too."""
    (topic,) = await topics("events")
    good = b'{"event":"a","email":"a@example.com"}'
    await produce(kafka, topic, [good] * 3)
    await produce_batch(kafka, topic, batch_of([good, good, b"bad", good], poisoned=2, codec=codec))
    await produce_batch(kafka, topic, batch_of([b"bad", good], poisoned=0, codec=codec))
    await produce(kafka, topic, [good] * 3)
    async with running(Worker(store, settings_for(kafka, topic))) as worker:
        await until(lambda: len(worker.applied) == 12)
    decoded = [one for batch in worker.batches for part in batch.slices for one in part.decoded]
    assert [one.coordinates.offset for one in decoded] == list(range(12))
    rejected = [one for one in decoded if isinstance(one, Rejected)]
    assert [one.coordinates for one in rejected] == [(topic, 0, 5), (topic, 0, 7)]
    for one in rejected:
        assert (one.reason, one.raw) == ("unreadable_record", b"bad")
    assert (await store.take_partitions([(topic, 0)], "next"))[topic, 0].next_offset == 12
    sources = Sources(worker.consumer._settings.stream_epoch, frozenset())
    async with peek({"bootstrap_servers": kafka}, [topic], sources) as look:
        assert await look.record_at(rejected[0].coordinates) == rejected[0]


def corrupt(broker: LocalBroker, value: bytes) -> None:
    """Turn the bits of a value where it lies on the disk of a broker that is stopped."""
    (log,) = broker._folder.glob("data/events-0/*.log")
    written = log.read_bytes()
    assert written.count(value) == 1
    log.write_bytes(written.replace(value, bytes(byte ^ 0xFF for byte in value)))


@pytest.mark.timeout(120)
async def test_a_batch_that_is_corrupt_ends_in_the_watchdogs_judgement(
    own_broker: LocalBroker, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E5: it is the broker's fault, so nothing is passed over; and it says where it stands."""
    monkeypatch.setattr(reader, "FAILURE_SECONDS", 0.05)
    servers = own_broker.bootstrap_servers
    await create_topic(servers, "events")
    for value in (b"before", b"corrupt", b"behind"):
        await produce(servers, "events", [value])
    await asyncio.to_thread(own_broker.stop)
    corrupt(own_broker, b"corrupt")
    await asyncio.to_thread(own_broker.start)
    worker = Worker(store, settings_for(servers, "events", stall_timeout=timedelta(seconds=2)))
    worker.is_pressing = True

    async def wait_for_the_end() -> None:
        async with running(worker):
            await asyncio.Event().wait()

    with capture_logs() as logs, pytest.raises(ExceptionGroup) as raised:
        await wait_for_the_end()
    assert raised.group_contains(StalledError)
    assert worker.offsets == [0]
    stalled = [line for line in logs if line["event"] == "partitions.stalled"]
    assert [(line["partitions"], line["next_offsets"]) for line in stalled] == [
        ([("events", 0)], [1])
    ] * 2
    assert {line["log_level"] for line in stalled} == {"error"}


async def test_partitions_stay_paused_until_postgres_can_be_asked(
    kafka: str, topics: CreateTopics, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E3: a failure to take them is tried again, and nothing flows from Kafka's own offset."""
    (topic,) = await topics("events")
    await produce(kafka, topic, [b"{}"] * 3)
    take, attempts = store.take_partitions, 0

    async def fail_twice(partitions: Sequence[Partition], owner: str) -> Mapping[Partition, Held]:
        nonlocal attempts
        attempts += 1
        if attempts <= 2:
            raise Unavailable("down")
        return await take(partitions, owner)

    monkeypatch.setattr(store, "take_partitions", fail_twice)
    with capture_logs() as logs:
        async with running(Worker(store, settings_for(kafka, topic))) as worker:
            await until(lambda: worker.offsets == [0, 1, 2])
    assert [line["event"] for line in logs].count("partitions.untaken") == 2


class Nobody:
    """Hears of rebalances and does nothing."""

    def __init__(self) -> None:
        self.is_told = asyncio.Event()

    def assigned(self, partitions: frozenset[Partition]) -> None:
        self.is_told.set()

    async def revoked(self) -> None:
        pass


async def test_a_client_that_is_abandoned_leaves_no_task_behind(
    kafka: str, topics: CreateTopics
) -> None:
    """E3: least of all a heartbeat, which would keep its partitions from everybody."""
    (topic,) = await topics("events")
    before = asyncio.all_tasks()
    client = KafkaClient([topic], kafka_group_options(settings_for(kafka, topic)))
    nobody = Nobody()
    await client.start(nobody)
    await nobody.is_told.wait()
    await client.ends([(topic, 0)])
    client._consumer._closed = True  # a `stop` began, and was cut short
    await client._abandon()
    await until(lambda: asyncio.all_tasks() == before)


async def test_ends_are_told_while_a_fetch_waits_for_records(
    kafka: str, topics: CreateTopics
) -> None:
    """W4: the answer is what timeouts wait for; behind a fetch it would not come in time."""
    (topic,) = await topics("events")
    waiting = {"fetch_max_wait_ms": 30_000}
    client = KafkaClient([topic], kafka_group_options(settings_for(kafka, topic)) | waiting)
    nobody = Nobody()
    await client.start(nobody)
    await nobody.is_told.wait()
    client.seek((topic, 0), 0)
    assert not await client.read([(topic, 0)], records_max=1, wait_ms=500)  # now a fetch waits
    assert await client.ends([(topic, 0)]) == {(topic, 0): 0}
    assert await client.stop(10)
