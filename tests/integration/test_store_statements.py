"""What the SQL promises as a whole: it fits the schema, and a batch's size changes no count."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import state.postgres
from state.postgres import outgoing
from state.postgres.contact_pages import ByNumber
from state.postgres.keyset import Listing
from state.postgres.marks import CLOCK
from state.postgres.session import MAY_BE_FORGOTTEN
from state.postgres.store import PostgresStore
from state.run import Run
from state.turn import (
    Changes,
    Claim,
    ClosedWait,
    Enrolment,
    LockRequest,
    NameSeen,
    Need,
    Position,
    Quarantined,
)
from tests.stored import (
    AT,
    AUTOMATION,
    connected,
    effect,
    email,
    event,
    new_contact,
    record,
    rejected,
    run,
    save,
)

SQL = re.compile(r"\s*(select|insert|update|delete|with)\b")


def constants() -> dict[str, str]:
    """Every SQL constant of the store's modules, those of listings too.

    Left out are those with an open name, a leaf's, and those that modules make others of.
    """
    return {
        name: sql
        for name, sql in _texts()
        if SQL.match(sql) and "{leaf}" not in sql and "._" not in name
    }


def _texts() -> Iterator[tuple[str, str]]:
    for module in pkgutil.iter_modules(state.postgres.__path__, "state.postgres."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.isupper() and isinstance(value, str):
                yield f"{module.name}.{name}", value
            elif name.isupper() and isinstance(value, Listing | ByNumber):
                for part, sql in value._asdict().items():
                    yield f"{module.name}.{name}.{part}", sql


async def test_every_statement_fits_the_schema(database: str) -> None:
    """Names, types and permissions: what PREPARE accepts cannot fail for them later."""
    found = constants()
    assert len(found) > 40
    async with connected(database) as connection:
        for name, sql in found.items():
            try:
                await connection.prepare(sql)
            except Exception as error:
                raise AssertionError(name) from error


async def test_only_bookkeeping_may_be_forgotten_by_a_crash(database: str) -> None:
    """E3: what a turn writes is on disk when it is committed; a claim to publish may be renewed."""
    relaxed = {name for name, sql in constants().items() if MAY_BE_FORGOTTEN in sql}
    assert relaxed == {
        "state.postgres.offsets.TOUCH",
        "state.postgres.outgoing.TAKE",
        "state.postgres.outgoing.DONE",
    }
    asked = "select current_setting('synchronous_commit')"
    async with connected(database) as connection:
        async with connection.transaction():
            await connection.fetch(outgoing.TAKE, "receipts", 1, outgoing.LEASE)
            assert await connection.fetchval(asked) == "off"
        assert await connection.fetchval(asked) == "on"


async def journeys(store: PostgresStore, count: int, first: int) -> tuple[int, ...]:
    """Let that many people start, wait and finish in turns of one batch each; count statements."""
    people = range(first, first + count)
    numbers = await store.contact_ids(count)
    counted = []

    async with store.transaction("events") as turn:
        await turn.catalogue_revision()
        await turn.definitions()
        assert await turn.resolve([email(n) for n in people]) == {}
        pairs = list(zip(people, numbers, strict=True))
        await turn.claim([Claim(email(n), number, AT, f"evt_{n}") for n, number in pairs])
        snapshot = await turn.lock(LockRequest(event_keys=[event(n).key for n in people]))
        await turn.look_back([Need(number, "order.completed", AT) for number in numbers])
        runs = [run(n, number) for n, number in pairs]
        changes = Changes(now=snapshot.now)
        changes.events = [record(event(n), number) for n, number in pairs]
        changes.runs = [(None, one) for one in runs]
        changes.enrolments = {(number, AUTOMATION): Enrolment(AT) for number in numbers}
        changes.effects = [effect(n, number, AT) for n, number in pairs]
        changes.receipts = [{"event_id": f"evt_{n}"} for n in people]
        changes.names = [NameSeen(f"name{n}", "t", 0, 1, AT, AT, n) for n in people]
        changes.positions = [Position("t", n, 1, 0, 1) for n in people]
        await turn.save(changes)
        counted.append(turn.statements)

    async with store.transaction("events") as turn:
        await turn.resolve([email(n) for n in people])
        request = LockRequest(
            numbers,
            [email(n) for n in people],
            [event(n).key for n in people],
            reads_watermark=True,
        )
        snapshot = await turn.lock(request)
        loaded = [one for number in numbers for one in snapshot.runs[number]]
        assert len(loaded) == count
        changes = Changes(now=snapshot.now)
        changes.runs = [(one, one.end("completed_end", snapshot.now)) for one in loaded]
        changes.closed_waits = [closed(one) for one in loaded]
        await turn.save(changes)
        counted.append(turn.statements)
    return tuple(counted)


def closed(one: Run) -> ClosedWait:
    return ClosedWait(
        one.contact_id, one.run_id, AUTOMATION, 3, "opened", AT, AT, AT, frozenset(), {}, {}
    )


@pytest.mark.timeout(120)
async def test_a_batch_of_a_thousand_runs_as_many_statements_as_one_of_ten(
    store: PostgresStore,
) -> None:
    """house.md: a batch of thousands of events is a handful of statements."""
    await store.take_partitions([("t", n) for n in range(2_020)], "one")
    small = await journeys(store, 10, first=0)
    large = await journeys(store, 1_000, first=1_000)
    assert small == large
    assert max(large) <= 25


async def test_what_is_not_there_costs_no_statement(store: PostgresStore) -> None:
    async with store.transaction("events") as turn:
        snapshot = await turn.lock(LockRequest())
        await turn.save(Changes(now=snapshot.now))
        assert turn.statements == 2  # the clock and the mark


async def test_a_turn_of_everything_at_once_is_stored(store: PostgresStore) -> None:
    """No write of a turn is in the way of another one of the same turn."""
    contact_id = await new_contact(store, email(1))
    await save(
        store,
        [contact_id],
        events=[record(event(1), contact_id)],
        runs=[(None, run(1, contact_id))],
        effects=[effect(1, contact_id, AT)],
        quarantined=[Quarantined(rejected(1))],
        message_events=[(effect(1, contact_id, AT).effect_id, contact_id, "email.opened")],
    )


async def test_a_connection_is_given_back_without_a_statement(store: PostgresStore) -> None:
    """Nothing is set on it for longer than a transaction; a reset would double an idle worker."""
    said: list[str] = []
    async with store._pool.acquire() as connection:
        connection.add_query_logger(lambda query: said.append(query.query))
    for _ in range(2):
        await store.database_now()
    assert said == [CLOCK, CLOCK]


async def test_a_connection_given_back_has_no_transaction_open(store: PostgresStore) -> None:
    """E3: what was not committed is nobody else's beginning."""
    async with store._pool.acquire() as connection:
        await connection.transaction().start()
        await connection.execute("create table left_behind ()")
    async with store._pool.acquire() as connection:
        assert await connection.fetchval("select to_regclass('left_behind')") is None
