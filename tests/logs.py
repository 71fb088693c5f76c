"""Topics and what is in them, on any broker: made, filled, cut and asked by tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import TopicPartition
from typing_extensions import override


async def create_topic(servers: str, name: str, partitions: int = 1) -> None:
    """Make a topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    answer = await admin.create_topics([NewTopic(name, partitions, 1)])
    assert all(code == 0 for _, code, _ in answer.topic_errors), answer
    await admin.close()


async def add_partitions(servers: str, name: str, total: int) -> None:
    """Give a topic more partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_partitions({name: NewPartitions(total)})
    await admin.close()


async def delete_records(servers: str, topic: str, before: int, partition: int = 0) -> None:
    """Let a log begin later, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})
    await admin.close()


async def produce(
    servers: str,
    topic: str,
    values: Sequence[bytes | None],
    partition: int = 0,
    compression_type: str | None = None,
) -> None:
    """Append records to a partition, and wait until they are there."""
    async with AIOKafkaProducer(
        bootstrap_servers=servers, compression_type=compression_type
    ) as producer:
        sent = [await producer.send(topic, value, partition=partition) for value in values]
        if sent:
            await asyncio.wait(sent)


async def transact(
    servers: str, topic: str, values: Sequence[bytes], *, aborts: bool, partition: int = 0
) -> None:
    """Append records in one transaction, to be kept or taken back."""
    async with AIOKafkaProducer(
        bootstrap_servers=servers, transactional_id=f"transaction-{topic}"
    ) as producer:
        await producer.begin_transaction()
        for value in values:
            await producer.send_and_wait(topic, value, partition=partition)
        if aborts:
            await producer.abort_transaction()
        else:
            await producer.commit_transaction()


class NotUtf8(str):
    """A header's key as no library writes it, and as every broker takes it."""

    @override
    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe"


def batch_of(
    values: Sequence[bytes | None], *, poisoned: int | None = None, codec: int = 0
) -> bytearray:
    """Return one batch as a producer sends it; one of its records has a key that is not UTF-8."""
    builder = _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, -1, 1_000_000)
    for number, value in enumerate(values):
        name = NotUtf8("x") if number == poisoned else "trace"
        builder.append(number, 1_795_341_600_000 + number, b"k", value, [(name, b"1")])
    return builder.build()


async def produce_batch(servers: str, topic: str, batch: bytearray, partition: int = 0) -> None:
    """Append a batch as it is, and wait until it is there."""
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        builder = producer.create_batch()
        builder._buffer, builder._relative_offset = batch, 1  # it is asked how many
        builder.close()
        await (await producer.send_batch(builder, topic, partition=partition))
