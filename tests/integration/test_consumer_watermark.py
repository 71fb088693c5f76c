"""W4: how `low` moves on a real Kafka and a real Postgres."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import cast

import pytest

from state.postgres.store import PostgresStore
from state.turn import PartitionState
from stream.consuming.client import FIXED
from tests.conftest import CreateTopics
from tests.logs import add_partitions, produce, transact
from tests.members import Worker, holds_some, running, settings_for, states
from tests.waiting import until, until_so


async def test_low_moves_only_by_what_is_committed(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """W4: while a batch is in flight, or waits, its partition's `low` stands still."""
    (topic,) = await topics("events", partitions=2)
    async with running(Worker(store, settings_for(kafka, topic))) as worker:
        worker.is_pressing = True

        async def both_low() -> bool:
            lows = [state.low for state in (await states(store)).values()]
            return len(lows) == 2 and all(lows)

        await until_so(both_low)
        worker.may_go_on.clear()
        await produce(kafka, topic, [b"{}"])
        await worker.entered.wait()
        asked = (await states(store))[0].low
        assert asked is not None
        sent = await store.database_now()
        await asyncio.sleep(1)
        assert (await states(store))[0].low == asked < sent
        worker.may_go_on.set()

        async def has_moved() -> bool:
            low = (await states(store))[0].low
            return low is not None and low > sent

        await until_so(has_moved)
        assert worker.offsets == [0]


async def test_low_is_kept_fresh_only_while_a_timer_is_due(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """W4: every 250 ms then, every 5 s else; presence is renewed all the same."""
    (topic,) = await topics("events")
    async with running(Worker(store, settings_for(kafka, topic))) as worker:

        async def low() -> datetime | None:
            return (await states(store)).get(0, PartitionState("", 0, None, None, None)).low

        first = await until_so(low)
        await asyncio.sleep(1)
        assert await low() == first
        worker.is_pressing = True
        wanted = await store.database_now()

        async def is_fresh() -> bool:
            now = await low()
            return now is not None and now > wanted

        await until_so(is_fresh, seconds=1)
        assert (await states(store))[0].resumed_since is not None


async def test_what_a_transaction_took_back_does_not_hold_low(
    kafka: str, topics: CreateTopics, store: PostgresStore
) -> None:
    """W4: aborted records and markers are passed, though no record of them is ever delivered."""
    (topic,) = await topics("events")
    async with running(Worker(store, settings_for(kafka, topic))) as worker:
        await until(lambda: holds_some(worker))
        worker.is_pressing = True
        await transact(kafka, topic, [b"{}"], aborts=False)
        await transact(kafka, topic, [b"{}"] * 3, aborts=True)
        wanted = await store.database_now()

        async def has_passed() -> bool:
            state = (await states(store))[0]
            return state.low is not None and state.low > wanted

        await until_so(has_passed)
        assert worker.offsets == [0]
        await produce(kafka, topic, [b"{}"])  # behind a marker, four records' places and another
        await until(lambda: worker.offsets == [0, 6])
        assert not worker.fenced


async def test_a_new_partition_holds_timers_until_it_is_read(
    kafka: str, topics: CreateTopics, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W4: it has a row without `low` as soon as Kafka shows it, and is then read from its start."""
    monkeypatch.setitem(cast("dict[str, object]", FIXED), "metadata_max_age_ms", 500)
    (topic,) = await topics("events")
    async with running(Worker(store, settings_for(kafka, topic))) as worker:
        await until(lambda: holds_some(worker))
        await add_partitions(kafka, topic, 2)
        await produce(kafka, topic, [b"{}"] * 2, partition=1)
        await until(lambda: len(worker.applied) == 2)
        assert {place.partition for place in worker.applied} == {1}
        assert set(await states(store)) == {0, 1}
