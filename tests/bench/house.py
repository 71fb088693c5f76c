"""A broker, a database and workers for one measurement; the servers stay, the rest is fresh."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import confluent_kafka
import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.databases import Databases
from deploy.local.stack import LocalStack
from state.postgres.migrate import migrate
from state.postgres.store import PostgresStore
from tests.integration.kit import publish_version

ROOT = Path(__file__).parents[2]
PARTITIONS = 4

#: How often it is looked how far the workers are, in seconds.
LOOK_SECONDS = 0.05

#: How long nothing may move before a measurement is given up, in seconds.
STALL_SECONDS = 120.0

Record = tuple[bytes, bytes]


@dataclass(slots=True)
class House:
    """Topics and a migrated database of one measurement."""

    stack: LocalStack
    dsn: str
    topic: str
    environment: dict[str, str]
    connection: asyncpg.Connection

    def publish(self, records: Iterable[Record]) -> int:
        """Put records into the topic; return how many there are, when all are acknowledged."""
        options = {"linger.ms": 20, "batch.num.messages": 10_000, "log_level": 0}
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": self.stack.bootstrap_servers, **options}
        )
        count = 0
        for key, value in records:
            count += 1
            while True:
                try:
                    producer.produce(self.topic, value=value, key=key)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush()
        return count

    @contextmanager
    def workers(self, number: int, **changes: str) -> Iterator[psutil.Process]:
        """Run workers until the block ends.

        Raises:
            RuntimeError: they have ended before; the message has the end of their log.
        """
        log = self.stack.folder / f"workers-{uuid4().hex[:6]}.log"
        command = [sys.executable, "-m", "stream", "run", "--workers", str(number)]
        environment = os.environ | self.environment | changes
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
            try:
                yield psutil.Process(process.pid)
                if process.poll() is not None:
                    raise RuntimeError(log.read_text()[-3000:])
            finally:
                process.terminate()
                process.wait(30)

    def groups(self, workers: psutil.Process) -> dict[str, psutil.Process]:
        """Return whose CPU is measured: those servers that are ours, and the workers."""
        groups = {"workers": workers}
        for name, server in (("Postgres", self.stack.postgres), ("broker", self.stack.broker)):
            if server is not None:
                groups[name] = psutil.Process(server.pid)
        return groups

    async def until_shared(self, workers: int) -> None:
        """Wait until so many workers have partitions of their own."""
        sql = "select count(distinct owner) from partitions where topic = $1"
        while await self.value(sql, self.topic) < workers:  # noqa: ASYNC110 - only Postgres knows
            await asyncio.sleep(LOOK_SECONDS)

    async def applied(self) -> int:
        """Return how many records of the topic have been applied and committed."""
        sql = "select coalesce(sum(next_offset), 0) from partitions where topic = $1"
        return int(await self.connection.fetchval(sql, self.topic))

    async def until_applied(self, count: int) -> None:
        """Wait until so many records have been applied.

        Raises:
            TimeoutError: nothing has moved for a while; the workers' log says why.
        """
        applied, moved_at = -1, time.monotonic()
        while (now := await self.applied()) < count:
            if now > applied:
                applied, moved_at = now, time.monotonic()
            if time.monotonic() - moved_at > STALL_SECONDS:
                raise TimeoutError(f"workers stand still at {applied} of {count} records")
            await asyncio.sleep(LOOK_SECONDS)

    async def value(self, sql: str, *arguments: object) -> float:
        """Return a number that a statement answers."""
        return float(await self.connection.fetchval(sql, *arguments) or 0)


@asynccontextmanager
async def house(
    stack: LocalStack, documents: Sequence[Mapping[str, object]]
) -> AsyncIterator[House]:
    """Make topics and a database of their own, with these automations enabled."""
    databases = Databases(stack.database_url)
    name = f"bench_{uuid4().hex[:8]}"
    dsn = await databases.create(name)
    await migrate(dsn)
    store = await PostgresStore.open(dsn, worker_id="bench")
    try:
        if documents:
            await publish_version(store, *documents)
    finally:
        await store.close()
    connection = await asyncpg.connect(dsn)
    try:
        async with _topics(stack, name) as environment:
            told = environment | {"DATABASE_URL": dsn, "WAITLINE_LOG_LEVEL": "WARNING"}
            yield House(stack, dsn, told["WAITLINE_TOPICS_EVENTS"], told, connection)
    finally:
        await connection.close()
        await databases.drop(name)


@asynccontextmanager
async def _topics(stack: LocalStack, name: str) -> AsyncIterator[dict[str, str]]:
    """Make the four topics; yield the settings that name them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    await admin.start()
    named = {kind: f"{kind}-{name}" for kind in ("events", "contacts", "receipts", "dead_letters")}
    settings = {"message.timestamp.type": "LogAppendTime"}
    try:
        await admin.create_topics(
            [
                NewTopic(topic, PARTITIONS if kind == "events" else 1, 1, topic_configs=settings)
                for kind, topic in named.items()
            ]
        )
        yield {
            "KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
            "WAITLINE_GROUP_ID": name,
            "WAITLINE_OUTBOX_DIR": str(stack.folder / f"outbox-{name}"),
            **{f"WAITLINE_TOPICS_{kind.upper()}": topic for kind, topic in named.items()},
        }
        await admin.delete_topics(list(named.values()))
    finally:
        await admin.close()
