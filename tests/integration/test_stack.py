"""The local stack: real servers that come, outlive what tests do to them, and leave nothing."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import guard as guard_program
from deploy.local.databases import Databases
from deploy.local.guard import lives
from deploy.local.jars import fetch_jars
from deploy.local.kafka import LocalBroker, count_brokers
from deploy.local.postgres import LocalPostgres
from deploy.local.process import Guard, ProcessFailedError
from deploy.local.stack import LocalStack
from tests.conftest import CreateTopics

ROOT = Path(__file__).parents[2]

Child = subprocess.Popen[str]


async def publish(servers: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        await producer.send_and_wait(topic, value)


async def first_value(servers: str, topic: str) -> bytes:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(20):
        record = await consumer.getone()
    return record.value


async def fetchval(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_a_record_goes_in_and_comes_out(kafka: str, topics: CreateTopics) -> None:
    (topic,) = await topics("stack", partitions=3)
    await publish(kafka, topic, b"hello")
    assert await first_value(kafka, topic) == b"hello"


async def test_a_killed_broker_comes_back_at_its_address_with_its_records(
    own_broker: LocalBroker,
) -> None:
    servers = own_broker.bootstrap_servers
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    await publish(servers, "kept", b"before")

    own_broker.kill()
    assert count_brokers(int(servers.split(":")[1])) == 0
    own_broker.start()
    assert await first_value(servers, "kept") == b"before"

    own_broker.stop()
    own_broker.start()
    assert await first_value(servers, "kept") == b"before"


def test_a_frozen_broker_keeps_its_port_and_says_nothing(own_broker: LocalBroker) -> None:
    port = int(own_broker.bootstrap_servers.split(":")[1])
    own_broker.freeze()
    assert count_brokers(port) == 0
    own_broker.thaw()
    assert count_brokers(port) == 1


async def test_a_test_has_a_migrated_database_of_its_own(
    database: str, empty_database: str
) -> None:
    tables = "select count(*) from information_schema.tables where table_schema = 'public'"
    assert await fetchval(database, tables) > 0
    assert await fetchval(empty_database, tables) == 0


async def test_a_killed_postgres_comes_back_with_what_it_committed(
    own_postgres: LocalPostgres,
) -> None:
    dsn = await own_postgres.create_database("kept")
    await fetchval(dsn, "create table told (word text)")
    await fetchval(dsn, "insert into told values ('before')")

    own_postgres.kill()
    with pytest.raises(ConnectionRefusedError):
        await fetchval(dsn, "select 1")
    own_postgres.start()
    assert await fetchval(dsn, "select word from told") == "before"

    own_postgres.stop()
    own_postgres.start()
    assert await fetchval(dsn, "select word from told") == "before"


async def test_a_frozen_postgres_answers_nothing_until_it_is_thawed(
    own_postgres: LocalPostgres,
) -> None:
    own_postgres.freeze()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await fetchval(own_postgres.dsn(), "select 1")
    own_postgres.thaw()
    assert await fetchval(own_postgres.dsn(), "select 1") == 1


async def test_fsync_is_on_unless_it_is_declined(
    own_postgres: LocalPostgres, postgres: Databases
) -> None:
    assert await fetchval(own_postgres.dsn(), "show fsync") == "on"
    if "DATABASE_URL" not in os.environ:
        assert await fetchval(postgres.dsn("postgres"), "show fsync") == "off"


def test_servers_named_in_the_environment_are_used_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/waitline")
    with LocalStack() as stack:
        assert (stack.broker, stack.postgres) == (None, None)
        assert stack.bootstrap_servers == "kafka.example:9092"
        assert stack.database_url == "postgresql://db.example/waitline"


# --- nothing is left ----------------------------------------------------------

# A shell ignores SIGINT for what it starts in the background, nohup ignores SIGHUP, and children
# inherit that; but these are to be ended.
PROGRAM = """
import signal, time
from deploy.local.stack import LocalStack

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

print("starting", flush=True)
with LocalStack(kafka={kafka}) as stack:
    (stack.folder / "file").touch()
    print("started", flush=True)
    {then}
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files that other users may pass through, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@contextmanager
def running(temporary: Path, then: str = "time.sleep(60)", kafka: bool = False) -> Iterator[Child]:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(kafka=kafka, then=then)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "starting\n"
        yield program
        program.kill()


def await_started(program: Child) -> None:
    assert program.stdout is not None
    assert program.stdout.readline() == "started\n"


def await_nothing_left(family: list[psutil.Process], temporary: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    while left(family, temporary) and time.monotonic() < until:
        time.sleep(0.02)
    assert left(family, temporary) == []


def left(family: list[psutil.Process], temporary: Path) -> list[object]:
    return [member for member in family if lives(member.pid)] + list(temporary.iterdir())


def family_of(program: Child) -> list[psutil.Process]:
    return psutil.Process(program.pid).children(recursive=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_end_leaves_nothing_when_it_returns(temporary: Path, how: signal.Signals) -> None:
    with running(temporary) as program:
        await_started(program)
        family = family_of(program)
        program.send_signal(how)
        program.wait(20)
        assert len(family) > 2
        await_nothing_left(family, temporary, seconds=0.5)


def test_an_exception_leaves_nothing(temporary: Path) -> None:
    with running(temporary, then="time.sleep(0.3); 1 / 0") as program:
        await_started(program)
        family = family_of(program)
        assert program.wait(20) == 1
        await_nothing_left(family, temporary, seconds=0.5)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP])
def test_a_rude_end_leaves_nothing_soon_after(temporary: Path, how: signal.Signals) -> None:
    with running(temporary) as program:
        await_started(program)
        family = family_of(program)
        program.send_signal(how)
        await_nothing_left(family, temporary, seconds=10)


@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        (signal.SIGINT, 0.4),
        (signal.SIGTERM, 2.5),
        (signal.SIGKILL, 0.1),
        (signal.SIGKILL, 0.4),
        (signal.SIGKILL, 2.5),
    ],
)
def test_an_end_while_starting_leaves_nothing(
    temporary: Path, how: signal.Signals, seconds: float
) -> None:
    with running(temporary, kafka=True) as program:
        time.sleep(seconds)
        family = family_of(program)
        program.send_signal(how)
        program.wait(20)
        await_nothing_left(family, temporary, seconds=10)


def test_a_guard_whose_program_is_gone_before_it_speaks_leaves_no_folder(temporary: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    subprocess.run(
        [sys.executable, "-I", "-S", guard_program.__file__, "waitline-"],
        stdin=subprocess.DEVNULL,
        stdout=write,
        env={"TMPDIR": str(temporary)},
        check=True,
    )
    os.close(write)
    assert list(temporary.iterdir()) == []


def test_kill_9_of_a_whole_stack_leaves_nothing_soon_after(temporary: Path) -> None:
    with running(temporary, kafka=True) as program:
        await_started(program)
        family = family_of(program)
        program.kill()
        await_nothing_left(family, temporary, seconds=10)


def test_a_program_that_fails_shows_its_last_lines() -> None:
    with Guard() as guard, pytest.raises(ProcessFailedError, match="no such luck"):
        guard.run(["/bin/sh", "-c", "echo no such luck; exit 3"], log=guard.folder / "log")


# --- the jars -----------------------------------------------------------------

SLOW_MAVEN = """#!/bin/sh
echo called >> "$COUNT"
for argument; do case $argument in -DoutputDirectory=*) output=${argument#*=} ;; esac; done
mkdir "$output" && touch "$output/first.jar" && sleep 0.5 && touch "$output/last.jar"
"""


def test_two_starts_at_once_fetch_the_jars_once_and_never_see_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text(SLOW_MAVEN)
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Guard() as one, Guard() as other, ThreadPoolExecutor(2) as threads:
        folders = list(threads.map(fetch_jars, [one, other]))
    assert folders[0] == folders[1]
    assert sorted(jar.name for jar in folders[0].iterdir()) == ["first.jar", "last.jar"]
    assert (tmp_path / "count").read_text() == "called\n"
