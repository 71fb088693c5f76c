"""A database that goes away at the worst moment: E3, and reliability.md A1 to A4."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest

from deploy.local.postgres import LocalPostgres
from state.postgres.migrate import migrate
from state.postgres.store import PostgresStore
from state.turn import Changes, LockRequest, Moved, NameSeen, Position, Unavailable, Unknown
from tests.stored import (
    AT,
    connected,
    email,
    event,
    new_contact,
    record,
    rows,
    run,
    save,
    until_blocked,
)

COMMIT = b"commit\0"
NAME = NameSeen("order.completed", "t", 0, 1, AT, AT, 1)


class Wire:
    """A proxy before Postgres that cuts every connection before a COMMIT, or before its answer."""

    def __init__(self, dsn: str) -> None:
        self._server = urlsplit(dsn)
        self._pipes: set[asyncio.StreamWriter] = set()
        self._is_committing = False
        self.cuts: str | None = None
        self.dsn = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        place = f"{self._server.username}:{self._server.password}@127.0.0.1:{port}"
        self.dsn = urlunsplit(self._server._replace(netloc=place))
        async with server:
            yield self
            self.cut()

    def cut(self) -> None:
        self._is_committing = False
        for pipe in self._pipes:
            pipe.transport.abort()
        self._pipes.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._pipes |= {writer, forth}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry(reader, forth, from_client=True))
            group.create_task(self._carry(back, writer, from_client=False))

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, from_client: bool
    ) -> None:
        try:
            while data := await source.read(65536):
                is_answer_lost = self._is_committing and not from_client
                self._is_committing = from_client and COMMIT in data and self.cuts is not None
                if is_answer_lost or (self._is_committing and self.cuts == "before"):
                    self.cut()
                    return
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            self.cut()
        finally:
            sink.close()


@pytest.fixture
async def wire(database: str) -> AsyncIterator[Wire]:
    async with Wire(database).open() as opened:
        yield opened


@pytest.fixture
async def wired(wire: Wire) -> AsyncIterator[PostgresStore]:
    """A store whose connections go through the wire."""
    opened = await PostgresStore.open(wire.dsn, worker_id="wired", command_timeout=5)
    yield opened
    await opened.close()


@pytest.mark.parametrize(("cuts", "lands"), [("before", False), ("after", True)])
async def test_the_mark_tells_whether_a_commit_of_unknown_outcome_landed(
    wire: Wire, wired: PostgresStore, database: str, cuts: str, lands: bool
) -> None:
    """E3: never repeated blindly; offset, run and mark are all there or none of them."""
    contact_id = await new_contact(wired, email(1))
    await wired.take_partitions([("t", 0)], "wired")
    position = Position("t", 0, 1, 0, 1)
    wire.cuts = cuts
    with pytest.raises(Unknown) as unknown:
        await save(
            wired, [contact_id], lane="events",
            runs=[(None, run(1, contact_id))], positions=[position],
        )  # fmt: skip
    wire.cuts = None
    assert await wired.landed("events", unknown.value.turn) is lands
    written = "select (select count(*) from runs_active), next_offset from partitions"
    assert await rows(database, written) == [(1, 1) if lands else (0, None)]
    if not lands:
        await save(wired, [contact_id], lane="events", positions=[position])
        assert await wired.landed("events", unknown.value.turn) is False


async def test_whether_a_turn_landed_is_told_only_once_it_is_decided(
    store: PostgresStore, database: str
) -> None:
    """A commit that is still under way on the lost connection is waited for."""
    await save(store, [], lane="events")
    async with connected(database) as lost, asyncio.TaskGroup() as group, lost.transaction():
        await lost.execute("update turn_marks set turn = 2 where lane = 'one/events'")
        asked = group.create_task(store.landed("events", 2))
        await until_blocked(database)
    assert asked.result() is True


async def test_a_restarted_worker_counts_its_turns_on(database: str) -> None:
    """Else the mark of an earlier life would tell that a turn of this one landed."""
    turns = []
    for _ in range(3):
        store = await PostgresStore.open(database, worker_id="one")
        async with store.transaction("events") as transaction:
            snapshot = await transaction.lock(LockRequest())
            await transaction.save(Changes(now=snapshot.now))
            turns.append(transaction.turn)
        await store.close()
    assert turns == [1, 2, 3]


async def test_a_connection_cut_in_the_middle_of_a_turn_wrote_nothing_and_heals(
    wire: Wire, wired: PostgresStore, database: str
) -> None:
    contact_id = await new_contact(wired, email(1))

    async def turn() -> None:
        async with wired.transaction("events") as transaction:
            await transaction.definitions()
            wire.cut()
            await transaction.look_back([])
            await transaction.definitions()

    with pytest.raises(Unavailable):
        await turn()
    await save(wired, [contact_id], events=[record(event(1), contact_id)])
    assert await rows(database, "select count(*) from events") == [(1,)]


async def test_an_exception_inside_a_turn_rolls_it_back(
    store: PostgresStore, database: str
) -> None:

    async def turn(error: type[BaseException]) -> None:
        async with store.transaction("events") as transaction:
            snapshot = await transaction.lock(LockRequest())
            await transaction.save(Changes(now=snapshot.now, names=[NAME]))
            raise error

    for error in (ValueError, asyncio.CancelledError):
        with pytest.raises(error):
            await turn(error)
    assert await rows(database, "select count(*) from name_counts") == [(0,)]


async def test_a_failure_that_was_overlooked_does_not_pass_for_a_commit(
    store: PostgresStore,
) -> None:
    """Postgres answers COMMIT in a failed transaction with a silent ROLLBACK."""
    contact_id = await new_contact(store, email(1))

    async def turn() -> None:
        async with store.transaction("events") as transaction:
            snapshot = await transaction.lock(LockRequest([contact_id]))
            twice = [record(event(1), contact_id)] * 2
            with pytest.raises(Moved):
                await transaction.save(Changes(now=snapshot.now, events=twice))

    with pytest.raises(AssertionError, match="overlooked"):
        await turn()


async def test_a_lane_has_one_turn_at_a_time(store: PostgresStore) -> None:
    async with store.transaction("events"):
        with pytest.raises(AssertionError, match="under way"):
            async with store.transaction("events"):
                pass
        async with store.transaction("timers"):
            pass


async def test_a_frozen_server_is_given_up_and_a_thawed_one_serves_again(
    own_postgres: LocalPostgres,
) -> None:
    """A1: a half-open connection hangs nobody for ever, and the pool heals."""
    dsn = await own_postgres.create_database("frozen")
    await migrate(dsn)
    store = await PostgresStore.open(dsn, worker_id="one", command_timeout=0.5)
    try:
        async with asyncio.timeout(20):
            own_postgres.freeze()
            with pytest.raises(Unavailable):
                await store.database_now()
            own_postgres.thaw()
            assert await store.database_now()
            own_postgres.kill()
            with pytest.raises(Unavailable):
                await store.database_now()
            own_postgres.start()
            assert await store.database_now()
    finally:
        await store.close()


async def test_closing_is_bounded(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("state.postgres.store.CLOSE_SECONDS", 0.2)
    store = await PostgresStore.open(database, worker_id="one")

    async def turn() -> None:
        async with store.transaction("events") as transaction:
            async with asyncio.timeout(5):
                await store.close()
            await transaction.definitions()

    with pytest.raises(Unavailable):
        await turn()


async def test_workers_connections_are_set_as_performance_and_safety_need(
    store: PostgresStore,
) -> None:
    expected = {
        "enable_seqscan": "off",
        "jit": "off",
        "synchronous_commit": "on",
        "statement_timeout": "25s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "15s",
        "client_connection_check_interval": "5s",
        "application_name": "waitline one",
    }
    async with store.session() as session:
        found = {name: await session.value(f"show {name}") for name in expected}
    assert found == expected
