"""Migrations beside workers at work: each gets its turn, nobody waits for long, nothing is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest

from state.postgres import migrate as migrating
from state.postgres.migrate import Migration, MigrationError, known_migrations, migrate, pending
from state.turn import Moved, Unavailable
from tests.integration.doors import EVENTS, Door, Log, open_door
from tests.integration.drawn import automation
from tests.integration.kit import publish_version
from tests.stored import connected, rows, until_blocked
from tests.waiting import until_so

T = TypeVar("T")

#: Tables that an upgrade may change: all but partitions of others, and the list of migrations.
TABLES = """
select relname from pg_class
where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace
  and relname <> 'schema_migrations'
"""

#: How many migrations come while people make their journeys, and how many of those go together.
UPHEAVALS = 4
TOGETHER = 5


def knows(monkeypatch: pytest.MonkeyPatch, *more: Migration) -> None:
    known = [*known_migrations(), *more]
    monkeypatch.setattr(migrating, "known_migrations", lambda: known)


async def names_of_tables(dsn: str) -> list[str]:
    return [name for (name,) in await rows(dsn, TABLES)]


async def test_every_migration_after_the_first_gets_its_turn_beside_writers(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers hold tables in any order, as workers do; who meets a migration begins again."""
    first, *later = known_migrations()
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "known_migrations", lambda: [first])
        await migrate(empty_database)
    monkeypatch.setattr(migrating, "PAUSE", 0.05)
    tables = await names_of_tables(empty_database)
    written: Counter[str] = Counter()
    is_over = asyncio.Event()

    async def write(seed: int) -> None:
        order = random.Random(seed)
        async with connected(empty_database) as connection:
            while not is_over.is_set():
                try:
                    async with connection.transaction():
                        for table in order.sample(tables, 5):
                            await connection.execute(f"lock table {table} in row exclusive mode")
                        await asyncio.sleep(0.01)
                    written["done"] += 1
                except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError):
                    written["again"] += 1

    async with asyncio.TaskGroup() as group:
        for seed in range(4):
            group.create_task(write(seed))
        assert await migrate(empty_database) == [each.name for each in later]
        so_far = written["done"]
        while written["done"] < so_far + 20:  # noqa: ASYNC110 - any progress
            await asyncio.sleep(0.01)
        is_over.set()
    assert await pending(empty_database) == []


@pytest.mark.timeout(300)
async def test_nothing_is_lost_while_every_table_is_changed(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E3, F2: turns that a migration throws out are taken again; each journey happens once."""
    monkeypatch.setattr(migrating, "PAUSE", 0.05)
    tables = await names_of_tables(database)
    upheavals: list[Migration] = []
    async with (
        open_door(database, "one", (EVENTS, 0), folder=tmp_path) as one,
        open_door(database, "two", (EVENTS, 1), folder=tmp_path) as two,
    ):
        await publish_version(one.store, automation())
        is_quiet = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            loads = [
                group.create_task(journeys(door, number, is_quiet))
                for number, door in enumerate((one, two))
            ]
            for number in range(UPHEAVALS):
                upheavals.append(upheaval(number, tables))
                knows(monkeypatch, *upheavals)
                assert await migrate(database) == [upheavals[-1].name]
                await asyncio.sleep(0.2)  # workers have to get on, too
            is_quiet.set()
        made = sum(load.result() for load in loads)

        async def is_over() -> bool:
            # What a sweep had claimed that a migration threw out is claimed again after its lease.
            await repeated(one.settle)
            return await rows(database, "select count(*) from runs_active") == [(0,)]

        await until_so(is_over, 150)
    ended = "select reason, count(*) from runs_done group by reason"
    assert await rows(database, ended) == [("completed_end", made)]
    sent = "select channel, status, count(*) from messages group by 1, 2 order by 1"
    assert await rows(database, sent) == [("email", "sent", made), ("push", "sent", made)]
    for table in ("runs_active", "outbox", "quarantine", "duplicates"):
        assert await rows(database, f"select count(*) from {table}") == [(0,)], table


def upheaval(number: int, tables: list[str]) -> Migration:
    """Return a migration that changes every table, in an order that no worker has."""
    column = f"upheaval_{number}"
    changes = [
        f"alter table {table} add column {column} integer not null default 0;"
        f" alter table {table} add constraint {table}_{column} check ({column} = 0) not valid;"
        for table in random.Random(number).sample(tables, len(tables))
    ]
    return Migration(f"99{number:02}_upheaval.sql", "\n".join(changes))


async def journeys(door: Door, partition: int, is_quiet: asyncio.Event) -> int:
    """Let people order and open their mail, a few at a time, for as long as migrations come.

    Returns how many did.
    """
    log, made = Log(), 0
    while not is_quiet.is_set():
        people = [f"p{partition}-{made + each}@example.com" for each in range(TOGETHER)]
        for event in ("order.completed", "email.opened"):
            log.clock = await repeated(door.store.database_now)
            await door.feed(log.add(event, to=partition, email=each) for each in people)
            await repeated(door.settle)
        made += TOGETHER
    return made


async def repeated(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again until it was possible, as a worker's loops do."""
    while True:
        try:
            return await ask()
        except (Moved, Unavailable):
            await asyncio.sleep(0.01)


async def test_a_migration_does_not_stand_in_the_way_while_it_waits(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes after one that waits for a table waits too: so it waits briefly, and often."""
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", "300ms")
    monkeypatch.setattr(migrating, "PAUSE", 0.1)
    change = Migration("9900_change.sql", "alter table outbox add column extra integer")
    knows(monkeypatch, change)
    async with connected(database) as holder, connected(database) as writer:
        held = holder.transaction()
        await held.start()
        await holder.execute("lock table outbox in row exclusive mode")
        async with asyncio.TaskGroup() as group:
            migration = group.create_task(migrate(database))
            await until_blocked(database)
            await writer.execute("delete from outbox")  # it would wait for as long as both do
            assert not migration.done()
            await held.rollback()
    assert migration.result() == [change.name]


async def test_a_migration_gives_up_and_says_what_to_do(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LOCK_TIMEOUT", "50ms"), ("PAUSE", 0.01), ("TRIES", 3)):
        monkeypatch.setattr(migrating, name, value)
    knows(monkeypatch, Migration("9900_change.sql", "alter table outbox add column extra integer"))
    async with connected(database) as holder, holder.transaction():
        await holder.execute("lock table outbox in row exclusive mode")
        with pytest.raises(MigrationError, match=r"in use whenever.*pg_stat_activity"):
            await migrate(database)
        assert await pending(database) == ["9900_change.sql"]
    assert await migrate(database) == ["9900_change.sql"]
