"""E3: what the rebalance listener does, and in what order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition

from stream.consuming.batches import Partition
from stream.consuming.client import FIXED, KAFKA_FAILURES, KafkaClient, ReadError, _Listener

HERE = TopicPartition("events", 0)


class Noted:
    """A consumer and who hears of rebalances, in one: notes what happens, in order."""

    def __init__(self) -> None:
        self.notes: list[object] = []
        self.drained = asyncio.Event()

    def pause(self, *partitions: TopicPartition) -> None:
        self.notes.append(("pause", partitions))

    def assigned(self, partitions: frozenset[Partition]) -> None:
        self.notes.append(("assigned", partitions))

    async def revoked(self) -> None:
        self.notes.append("revoked")
        await self.drained.wait()


def listener(noted: Any) -> _Listener:
    return _Listener(noted, noted)


async def test_an_assignment_is_paused_before_anything_else_and_without_an_await() -> None:
    """E3: records may already be here, and nothing may be delivered from Kafka's own offset."""
    noted = Noted()
    listener(noted).on_partitions_assigned({HERE})
    assert noted.notes == [("pause", (HERE,)), ("assigned", {("events", 0)})]


async def test_a_revocation_is_heard_before_the_first_await() -> None:
    """E3: the rebalance waits for the drain, but everything is lost at once."""
    noted = Noted()
    telling = listener(noted).on_partitions_revoked({HERE})
    telling.send(None)
    assert noted.notes == ["revoked"]
    noted.drained.set()
    telling.close()


def test_no_member_relies_on_what_the_library_would_do_by_itself() -> None:
    """E3: neither its commits, nor its resets, nor uncommitted records, nor its poll interval."""
    assert FIXED["enable_auto_commit"] is False
    assert FIXED["auto_offset_reset"] == "none"
    assert FIXED["isolation_level"] == "read_committed"
    assert FIXED["max_poll_interval_ms"] >= 3_600_000
    assert not {"group_instance_id", "key_deserializer", "value_deserializer"} & FIXED.keys()


class Failing:
    """A consumer in which something breaks."""

    async def getmany(self, *_: TopicPartition, **__: int) -> None:
        raise ValueError("secret")


async def test_what_the_library_fails_with_by_itself_is_one_of_kafkas_failures() -> None:
    """E5: it would end this process, then the next one; so it is the watchdog's to judge."""
    client = KafkaClient.__new__(KafkaClient)
    failing: Any = Failing()
    client._consumer = failing
    with pytest.raises(KAFKA_FAILURES) as raised:
        await client.read([("events", 0)], records_max=1)
    assert isinstance(raised.value, ReadError)
    assert raised.value.args == ("ValueError",)
