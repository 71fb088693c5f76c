"""The schema's way forward, and the partitions that are made ahead of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import asyncpg
import pytest

from state.postgres import migrate as migrating
from state.postgres.leaves import ensure_partitions, leaves
from state.postgres.migrate import Migration, MigrationError, known_migrations, migrate, pending
from state.postgres.store import PostgresStore
from state.run import STATUS_OF
from state.turn import Unavailable
from tests.stored import connected, email, event, new_contact, record, rows, save

NAMES = [one.name for one in known_migrations()]


async def test_a_database_is_migrated_once(empty_database: str) -> None:
    assert await pending(empty_database) == NAMES
    assert await migrate(empty_database) == NAMES
    assert await pending(empty_database) == []
    assert await migrate(empty_database) == []


async def test_four_that_migrate_at_once_apply_each_file_once(empty_database: str) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(migrate(empty_database)) for _ in range(4)]
    assert sorted(name for task in tasks for name in task.result()) == NAMES


async def test_a_file_changed_after_it_was_applied_is_an_error(database: str) -> None:
    async with connected(database) as connection:
        await connection.execute("update schema_migrations set checksum = 'other'")
    for attempt in (migrate, pending):
        with pytest.raises(MigrationError, match="was changed after it was applied"):
            await attempt(database)


async def test_a_database_newer_than_the_code_is_an_error(database: str) -> None:
    async with connected(database) as connection:
        await connection.execute("insert into schema_migrations values ('9999_x.sql', '', now())")
    for attempt in (migrate, pending):
        with pytest.raises(MigrationError, match=r"9999_x\.sql.*newer Waitline"):
            await attempt(database)


async def test_a_migration_that_fails_leaves_nothing_and_those_before_it_stay(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Migration("9998_broken.sql", "create table half (a int); select 1 / 0;")
    known = [*known_migrations(), broken]
    monkeypatch.setattr(migrating, "known_migrations", lambda: known)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database)
    assert await pending(empty_database) == [broken.name]
    assert await rows(empty_database, "select to_regclass('half')::text") == [(None,)]


def test_partitions_cover_four_weeks_and_two_months_without_a_gap() -> None:
    now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    for parent, ahead in (("events", timedelta(weeks=4)), ("runs_done", timedelta(days=59))):
        made = [leaf for leaf in leaves(now) if leaf.parent == parent]
        assert made[0].lower <= now < made[0].upper
        assert all(left.upper == right.lower for left, right in pairwise(made))
        assert made[-1].upper >= now + ahead
        assert len({leaf.name for leaf in made}) == len(made)


async def test_partitions_are_made_ahead_once_beside_an_open_write(
    store: PostgresStore, database: str
) -> None:
    contact_id = await new_contact(store, email(1))
    async with connected(database) as writer, connected(database, lock_timeout="2s") as maker:
        now = await store.database_now()
        async with writer.transaction():
            await writer.execute("lock table events in row exclusive mode")  # as an insert does
            later = now + timedelta(days=40)
            made = await ensure_partitions(maker, later)
            assert made
            assert await ensure_partitions(maker, later) == []
    await save(store, [contact_id], events=[record(event(1), contact_id)])
    assert await rows(database, "select count(*) from events") == [(1,)]


async def test_the_key_of_an_event_is_unique_in_each_leaf(database: str) -> None:
    indexed = """
        select indexdef like 'CREATE UNIQUE%' from pg_inherits join pg_indexes
          on tablename = inhrelid::regclass::text
        where inhparent = $1::text::regclass and indexname = tablename || '_' || $2
        """
    for parent, key in (("events", "event_key"), ("runs_done", "run_id")):
        found = await rows(database, indexed, parent, key)
        assert len(found) >= 3
        assert all(is_unique for (is_unique,) in found)


async def test_a_row_that_no_partition_takes_is_no_fault_of_its_event(
    store: PostgresStore, database: str
) -> None:
    """E5: bisecting would quarantine every event until somebody made the partition."""
    contact_id = await new_contact(store, email(1))
    async with connected(database) as connection:
        for (name,) in await connection.fetch(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'events'::regclass"
        ):
            await connection.execute(f"alter table events detach partition {name}")
    with pytest.raises(Unavailable, match="no partition"):
        await save(store, [contact_id], events=[record(event(1), contact_id)])


async def test_the_table_of_finished_runs_knows_the_same_reasons(database: str) -> None:
    """R2: every ending has a reason from the list, and each reason its status."""
    insert = """
        insert into runs_done (run_id, automation_id, contact_id, created_at, started_at,
          completed_at, version, status, reason, doc, past)
        values (gen_random_uuid(), gen_random_uuid(), 1, now(), now(), now(), 1, $1, $2, '{}', '')
        """
    async with connected(database) as connection:
        for reason, status in STATUS_OF.items():
            for told in ("running", "completed", "failed", "cancelled"):
                if told == status:
                    await connection.execute(insert, told, reason)
                else:
                    with pytest.raises(asyncpg.CheckViolationError):
                        await connection.execute(insert, told, reason)
