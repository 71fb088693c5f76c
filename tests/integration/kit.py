"""A house of its own for each test: topics, a database, workers; driven by a client not ours."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Message, TopicPartition

from handlers.publishing.catalogue import compile_version
from handlers.publishing.publish import parse_automation
from state.event import Coordinates
from state.postgres.automations import Applied, Publication, apply_automations, set_enabled
from state.postgres.store import PostgresStore
from stream.clock import SystemClock
from stream.config import Settings
from stream.kafka import kafka_client_options
from stream.producer import Publisher
from stream.service import Worker
from tests.conftest import CreateTopics
from tests.integration.drawn import Post
from tests.integration.processes import NURSERY, WARM_WORKER, Nursery, Process
from tests.integration.recorded import record_of
from tests.waiting import until_so

ROOT = Path(__file__).parents[2]


async def publish_version(store: PostgresStore, *documents: Mapping[str, object]) -> list[Applied]:
    """Publish and enable automations, all or none."""
    publications = []
    for document in documents:
        draft = parse_automation(document)
        names = compile_version(uuid4(), draft.name, 1, draft.definition).names
        publications.append(Publication(draft.name, draft.definition, names, draft.is_enabled))
    async with store.session() as session:
        return await apply_automations(session, publications, {}, "test")


@dataclass(slots=True)
class House:
    """Topics, a database and settings that belong to one test."""

    kafka: str
    database: str
    folder: Path
    events: str
    contacts: str
    receipts: str
    dead_letters: str
    connection: asyncpg.Connection
    store: PostgresStore
    environment: dict[str, str]
    _producer: confluent_kafka.Producer = field(init=False)

    def __post_init__(self) -> None:
        options = {"bootstrap.servers": self.kafka, "linger.ms": 2, "log_level": 0}
        self._producer = confluent_kafka.Producer(options)

    @property
    def outbox(self) -> Path:
        """The recorder's folder."""
        return self.folder / "outbox"

    def settings(self, **changes: object) -> Settings:
        given = self.environment | {name: str(value) for name, value in changes.items()}
        given.pop("PYTHONUNBUFFERED")
        return Settings(
            **{
                name if name in _BARE else name.removeprefix("WAITLINE_").lower(): value
                for name, value in given.items()
            }
        )

    # --- automations and events -------------------------------------------------------------------

    async def apply(self, *documents: Mapping[str, object]) -> list[Applied]:
        return await publish_version(self.store, *documents)

    async def enable(self, name: str, is_enabled: bool) -> None:
        async with self.store.session() as session:
            await set_enabled(session, name, is_enabled, "test")

    async def publish(self, *posts: Post) -> list[Coordinates]:
        """Put records on Kafka; return where each of them stands."""
        places: list[Coordinates | None] = [None] * len(posts)

        def note(at: int) -> Callable[[object, Message], None]:
            def written(error: object, message: Message) -> None:
                assert error is None, error
                place = (message.topic(), message.partition(), message.offset())
                places[at] = Coordinates(*place)

            return written

        for at, one in enumerate(posts):
            where = {} if one.partition is None else {"partition": one.partition}
            self._producer.produce(
                one.topic or self.events,
                value=one.value,
                key=one.key,
                headers=list(one.headers),
                on_delivery=note(at),
                **where,
            )
            if at % 1000 == 999:
                self._producer.poll(0)
        await asyncio.to_thread(self._producer.flush, 20)
        return [place for place in places if place is not None]

    def read_topic(self, topic: str, count: int, seconds: float = 20.0) -> list[Message]:
        """Return the first `count` records of a topic, of all partitions; blocks until then."""
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.kafka, "group.id": uuid4().hex, "log_level": 0}
        )
        try:
            numbers = consumer.list_topics(topic, 10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])
            found: list[Message] = []
            while len(found) < count:
                got = consumer.consume(count - len(found), seconds)
                assert got, f"{topic}: {len(found)} of {count} records within {seconds} s"
                found += got
            return found
        finally:
            consumer.close()

    async def topic(self, topic: str, count: int) -> list[Message]:
        return await asyncio.to_thread(self.read_topic, topic, count)

    # --- workers ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def worker(self, **changes: object) -> AsyncIterator[Worker]:
        """Run a worker in this process; end it in order."""
        settings, clock = self.settings(**changes), SystemClock()
        store = await PostgresStore.open(str(settings.database_url), worker_id=uuid4().hex)
        publisher = Publisher(kafka_client_options(settings), clock)
        await publisher.start()
        try:
            worker = Worker(settings, store, publisher, clock)
            async with asyncio.TaskGroup() as group:
                group.create_task(worker.run())
                try:
                    yield worker
                finally:
                    worker.stop()
        finally:
            await publisher.stop()
            await store.close()

    @contextmanager
    def process(self, **changes: object) -> Iterator[Process]:
        """Make a warm worker process; it begins at `start()` and is dead afterwards."""
        environment = os.environ | self.environment
        environment |= {name: str(value) for name, value in changes.items()}
        log = self.folder / f"worker-{uuid4().hex[:8]}.log"
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-c", WARM_WORKER],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
            )
        process = Process(popen.pid, log, popen)
        try:
            yield process
        finally:
            process.close()

    @contextmanager
    def nursery(self) -> Iterator[Nursery]:
        """Have workers forked by a process in which all is imported; they end with it."""
        with subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            cwd=ROOT,
            env=os.environ | self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as popen:
            try:
                yield Nursery(popen, self.folder)
            finally:
                popen.kill()

    async def waitline(self, *arguments: str) -> Any:
        """Run a reading command as a user does, and return the JSON it prints."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "stream", *arguments, "--json"],
            cwd=ROOT,
            env=os.environ | self.environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    # --- what is stored ---------------------------------------------------------------------------

    async def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.connection.fetch(sql, *arguments)]

    async def value(self, sql: str, *arguments: object) -> Any:
        return await self.connection.fetchval(sql, *arguments)

    async def count(self, table: str) -> int:
        return int(await self.value(f"select count(*) from {table}"))

    async def run(self, event_id: str) -> dict[str, Any] | None:
        """Return the record of the run that the event of this id started, if there is one."""
        found = await self.value(
            "select run_id from runs_active where trigger ->> 'id' = $1 union all"
            " select run_id from runs_done where doc -> 'trigger' ->> 'id' = $1",
            event_id,
        )
        return None if found is None else await self.record(found)

    async def record(self, run_id: UUID) -> dict[str, Any]:
        return await record_of(self.database, run_id)

    async def run_when(
        self, event_id: str, condition: Callable[[dict[str, Any]], object], seconds: float = 20.0
    ) -> dict[str, Any]:
        """Wait until the run of this trigger is so; return its record."""
        last: dict[str, Any] | None = None

        async def is_so() -> dict[str, Any] | None:
            nonlocal last
            last = await self.run(event_id)
            return last if last is not None and condition(last) else None

        try:
            found = await until_so(is_so, seconds)
        except TimeoutError:
            raise AssertionError(f"the run of {event_id} stands at {last}") from None
        assert found is not None
        return found

    async def until_count(self, table: str, count: int, seconds: float = 30.0) -> None:
        """Wait until a table, with a `where` behind it if need be, has so many rows."""
        last = -1

        async def is_so() -> bool:
            nonlocal last
            last = await self.count(table)
            return last >= count

        try:
            await until_so(is_so, seconds)
        except TimeoutError:
            raise AssertionError(f"{table}: {last} of {count} rows in {seconds} s") from None
        assert last == count, f"{table}: {last} rows, not {count}"

    async def until_applied(self, places: Iterable[Coordinates], seconds: float = 30.0) -> None:
        """Wait until the offsets of these records are committed."""
        ends: Counter[tuple[str, int]] = Counter()
        for topic, partition, offset in places:
            ends[topic, partition] = max(ends[topic, partition], offset + 1)

        async def are_applied() -> bool:
            rows = await self.rows("select topic, partition, next_offset from partitions")
            at = {(topic, number): offset or 0 for topic, number, offset in rows}
            return all(at.get(place, 0) >= end for place, end in ends.items())

        await until_so(are_applied, seconds)

    async def until_passed(self, instant: datetime) -> None:
        """Wait until an instant has passed by the database's clock."""

        async def has_passed() -> bool:
            return await self.store.database_now() > instant

        await until_so(has_passed)

    def files(self) -> dict[str, bytes]:
        """Return the recorder's whole files by name."""
        paths = [path for path in self.outbox.glob("*") if not path.name.startswith(".")]
        return {path.name: path.read_bytes() for path in paths}


@asynccontextmanager
async def a_house(
    kafka: str, database: str, topics: CreateTopics, folder: Path, partitions: int = 4
) -> AsyncIterator[House]:
    """Make the topics, and settings that let nothing take longer than a test has."""
    events, contacts = await topics("events", "contacts", partitions=partitions)
    receipts, dead_letters = await topics("receipts", "dead-letters")
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "DATABASE_URL": database,
        "WAITLINE_TOPICS_EVENTS": events,
        "WAITLINE_TOPICS_CONTACTS": contacts,
        "WAITLINE_TOPICS_RECEIPTS": receipts,
        "WAITLINE_TOPICS_DEAD_LETTERS": dead_letters,
        "WAITLINE_GROUP_ID": f"group-of-{events}",
        "WAITLINE_OUTBOX_DIR": str(folder / "outbox"),
        "WAITLINE_TIMEOUT_GRACE": "0",
        "WAITLINE_LOOKBACK_SLACK": "0",
        "WAITLINE_SESSION_TIMEOUT": "2",
        "WAITLINE_HEARTBEAT_INTERVAL": "0.3",
        "WAITLINE_SEND_LEASE": "2",
        "WAITLINE_LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
    }
    store = await PostgresStore.open(database, worker_id="operator")
    connection = await asyncpg.connect(database)
    try:
        yield House(
            *(kafka, database, folder, events, contacts, receipts, dead_letters),
            connection=connection,
            store=store,
            environment=environment,
        )
    finally:
        await connection.close()
        await store.close()


_BARE = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
