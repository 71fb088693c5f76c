"""Retention on a real Postgres: what goes, what holds the rest, and that nobody is in the way."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from state.postgres import retention as leaves_of
from state.postgres.audit import Action
from state.postgres.leaves import Leaf
from state.postgres.store import PostgresStore
from state.turn import Changes, LockRequest, Moved, RunChange
from stream.retention import is_time
from tests.integration.drawn import automation
from tests.integration.kept import (
    OPERATOR,
    SLACK,
    WORKER,
    counting_from,
    finished,
    happened,
    make_month,
    make_week,
    parked,
    retention,
    verdicts,
)
from tests.integration.kit import publish_version
from tests.stored import connected, email, event, new_contact, record, rows, save, until_blocked
from tests.waiting import until

WEEK = timedelta(days=7)
LEAVES = (
    "select relname::text from pg_class where relname ~ '^(dropped_)?(events|runs_done)_[0-9]+$'"
)


@pytest.fixture
async def now(store: PostgresStore) -> datetime:
    return await store.database_now()


@pytest.fixture
async def published(store: PostgresStore) -> UUID:
    (applied,) = await publish_version(store, automation())
    return applied.automation_id


@pytest.fixture
async def week(connection: asyncpg.Connection, store: PostgresStore, now: datetime) -> Leaf:
    """The leaf of three weeks ago, with one event, a day before its end by V."""
    leaf = await make_week(connection, now - 22 * timedelta(days=1))
    contact_id = await new_contact(store, email(900))
    await happened(store, 900, contact_id, leaf.upper - timedelta(hours=2), newest_v(leaf))
    return leaf


def newest_v(leaf: Leaf) -> datetime:
    return leaf.upper - timedelta(days=1)


async def names(database: str) -> set[str]:
    return {name for (name,) in await rows(database, LEAVES)}


# --- leaves of events -----------------------------------------------------------------------------


async def test_a_leaf_that_nobody_looks_into_is_dropped_and_that_is_audited(
    store: PostgresStore, database: str, week: Leaf, published: UUID
) -> None:
    """O5, O4: with its events, its size and who did it on record."""
    (judged,) = (await verdicts(store)).values()
    assert (judged.leaf.name, judged.verdict) == (week.name, "drop")
    assert judged.leaf.newest_v == newest_v(week)
    assert (judged.leaf.lower, judged.leaf.upper) == (week.lower, week.upper)
    told: list[tuple[str, int]] = []
    await retention().keep(store, OPERATOR, lambda *each: told.append(each))
    assert told == [(week.name, 0)]
    assert week.name not in await names(database)
    assert await rows(database, "select count(*) from events") == [(0,)]
    ((who, target, before),) = await rows(
        database, "select who, target, before from audit where what = 'retention.drop'"
    )
    assert (who, target) == ("ann", week.name)
    assert json.loads(before)["bytes"] > 0
    assert await verdicts(store) == {}


async def test_a_live_run_holds_the_leaf_it_may_look_into_and_is_named(
    store: PostgresStore, database: str, week: Leaf, published: UUID
) -> None:
    """O5, W2: a run at its send may still enter the wait that counts from its trigger's V."""
    first = await parked(store, 1, published, newest_v(week) - timedelta(hours=1))
    await parked(store, 2, published, newest_v(week))
    await parked(store, 3, published, newest_v(week) + SLACK + timedelta(microseconds=1))
    judged = (await verdicts(store))[week.name]
    assert judged.verdict == "held"
    assert judged.holder is not None
    assert (judged.holder.run_id, judged.holder.others) == (first.run_id, 1)
    assert judged.holder.automation == "Receipt and follow-up"
    await retention().keep(store, OPERATOR)
    assert week.name in await names(database)


async def test_the_floor_of_an_open_wait_holds_too(
    store: PostgresStore, week: Leaf, published: UUID, now: datetime
) -> None:
    """O5, I3: a merge lets an open wait look again, from the floor that it was parked with."""
    await parked(store, 1, published, now, floor=newest_v(week))
    assert (await verdicts(store))[week.name].verdict == "held"


async def test_a_parked_run_says_from_when_its_waits_count(
    store: PostgresStore, database: str, published: UUID, now: datetime
) -> None:
    """O5: by an index, whatever its documents weigh."""
    earlier = now - timedelta(days=3)
    await parked(store, 1, published, now, floor=earlier)
    await parked(store, 2, published, earlier, floor=now)
    assert await rows(database, "select looks_back_to from runs_active") == [(earlier,)] * 2


async def test_a_run_from_before_the_column_holds_by_what_its_document_says(
    store: PostgresStore, connection: asyncpg.Connection, week: Leaf, published: UUID, now: datetime
) -> None:
    """O5: a database that was migrated with runs in it, or is shared with an older worker."""
    await parked(store, 1, published, now, floor=newest_v(week))
    await parked(store, 2, published, now)
    await connection.execute("update runs_active set looks_back_to = null")
    held = (await verdicts(store))[week.name]
    assert held.holder is not None
    assert held.holder.others == 0
    await connection.execute("delete from runs_active where trigger ->> 'id' = 'evt_1'")
    await parked(store, 3, published, newest_v(week))
    await connection.execute("update runs_active set looks_back_to = null")
    assert (await verdicts(store))[week.name].verdict == "held"


async def test_a_step_further_on_no_run_of_the_version_holds(
    store: PostgresStore, week: Leaf, published: UUID
) -> None:
    """O5: behind the last wait nothing looks back."""
    await parked(store, 1, published, newest_v(week), step_key="thanks")
    assert (await verdicts(store))[week.name].verdict == "drop"


async def test_a_wait_that_looks_back_three_weeks_holds_whenever_its_run_began(
    store: PostgresStore, week: Leaf, now: datetime
) -> None:
    """O5, W2: its run is alive, or still to start."""
    (applied,) = await publish_version(store, automation(since="22 days"))
    coming = (await verdicts(store))[week.name]
    assert coming.holder is not None
    assert coming.holder.run_id is None
    live = await parked(store, 1, applied.automation_id, now)
    held = (await verdicts(store))[week.name]
    assert held.holder is not None
    assert (held.holder.run_id, held.holder.others) == (live.run_id, 0)


async def test_events_are_looked_for_by_v_wherever_in_the_leaf_they_stand(
    store: PostgresStore, connection: asyncpg.Connection, now: datetime
) -> None:
    """O5: the leaf is by processing, the look-back by V; late imports reach far, skew a little."""
    leaf = await make_week(connection, now - timedelta(days=22))
    contact_id = await new_contact(store, email(1))
    for number, v in enumerate((leaf.lower - WEEK, leaf.lower - timedelta(days=40))):
        await happened(store, number, contact_id, leaf.upper - timedelta(hours=1), v)
    horizon = now - timedelta(days=35)

    async def newest() -> datetime | None:
        async with store.session() as session:
            (stored,) = [
                one for one in await leaves_of.stored_leaves(session) if one.name == leaf.name
            ]
            return (await leaves_of.with_newest_v(session, stored, horizon)).newest_v

    expected = leaf.lower - WEEK
    assert await newest() == (expected if expected >= horizon else None)
    await happened(store, 7, contact_id, leaf.lower, leaf.upper + timedelta(minutes=3))
    assert await newest() == leaf.upper + timedelta(minutes=3)


async def test_events_older_than_35_days_are_held_by_nobody(
    store: PostgresStore, connection: asyncpg.Connection, published: UUID, now: datetime
) -> None:
    """O5, W2: at most 35 days."""
    leaf = await make_week(connection, now - timedelta(days=43))
    contact_id = await new_contact(store, email(1))
    await happened(store, 1, contact_id, leaf.lower, leaf.lower)
    await parked(store, 2, published, leaf.lower)
    judged = (await verdicts(store))[leaf.name]
    assert (judged.verdict, judged.leaf.newest_v) == ("drop", None)


# --- finished runs --------------------------------------------------------------------------------


async def test_a_finished_run_takes_its_messages_and_late_matches_with_it(
    store: PostgresStore, connection: asyncpg.Connection, database: str, now: datetime
) -> None:
    """O5, R4: they are kept as long as the run, and not longer; `once` remembers for ever (S2)."""
    contact_id = await new_contact(store, email(1))
    month = await make_month(connection, now - timedelta(days=450))
    old = await finished(store, 1, contact_id, month.lower + timedelta(days=3))
    young = await finished(store, 2, contact_id, now)
    await connection.execute(
        "insert into enrolments values ($1, $2, $3)", contact_id, old.automation_id, month.lower
    )
    assert [one.verdict for one in (await verdicts(store)).values()] == ["drop"]
    told: list[tuple[str, int]] = []
    await retention().keep(store, WORKER, lambda *each: told.append(each))
    assert told == [(month.name, 2)]
    for table in ("runs_done", "messages", "closed_waits"):
        assert await rows(database, f"select run_id from {table}") == [(young.run_id,)], table
    assert await rows(database, "select count(*) from enrolments") == [(1,)]
    assert await rows(database, "select who from audit") == [("worker",)]


# --- interruptions --------------------------------------------------------------------------------


async def test_a_leaf_that_was_detached_and_not_dropped_is_finished_the_next_time(
    store: PostgresStore, connection: asyncpg.Connection, database: str, now: datetime
) -> None:
    """O5: a process that dies between the two leaves a table that nobody reads."""
    contact_id = await new_contact(store, email(1))
    month = await make_month(connection, now - timedelta(days=450))
    await finished(store, 1, contact_id, month.lower + timedelta(days=3))
    async with store.session() as session:
        stored = await leaves_of.stored_leaves(session)
        (old,) = [one for one in stored if one.name == month.name]
        await leaves_of.detach_leaf(session, old, Action("worker", now), "test")
    async with store.session() as session:
        survey = await retention().survey(session)
    assert survey.unfinished == [f"dropped_{month.name}"]
    assert await rows(database, "select count(*) from messages") == [(1,)]
    await retention().keep(store, OPERATOR)
    assert not [name for name in await names(database) if month.name in name]
    assert await rows(database, "select count(*) from messages") == [(0,)]


async def test_a_leaf_half_detached_by_hand_is_finished_when_its_time_has_come(
    store: PostgresStore, database: str, week: Leaf, published: UUID
) -> None:
    """O5: DETACH CONCURRENTLY that was interrupted while it waited for a reader."""
    async with connected(database) as reader, connected(database) as hand, reader.transaction():
        await reader.execute("select count(*) from events")
        await hand.execute("set statement_timeout = '500ms'")
        with pytest.raises((asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)):
            await hand.execute(f"alter table events detach partition {week.name} concurrently")
    judged = (await verdicts(store))[week.name]
    assert (judged.leaf.is_half_detached, judged.verdict) == (True, "drop")
    await retention().keep(store, OPERATOR)
    assert not [name for name in await names(database) if week.name in name]


async def test_two_that_keep_at_once_drop_each_leaf_once(
    store: PostgresStore, other: PostgresStore, database: str, week: Leaf, published: UUID
) -> None:
    """O5: an operator beside a worker."""
    async with asyncio.TaskGroup() as group:
        for one in (store, other):
            group.create_task(retention().keep(one, OPERATOR))
    assert week.name not in await names(database)
    assert await rows(database, "select count(*) from audit where what = 'retention.drop'") == [
        (1,)
    ]


async def test_of_many_workers_one_keeps_an_hour(
    store: PostgresStore, other: PostgresStore, connection: asyncpg.Connection
) -> None:
    assert [await is_time(one) for one in (store, other, store)] == [True, False, False]
    await connection.execute("update chores set begun_at = begun_at - interval '1 hour'")
    assert [await is_time(one) for one in (other, store)] == [True, False]


# --- beside turns ---------------------------------------------------------------------------------


async def test_a_run_that_starts_while_a_leaf_is_judged_is_seen(
    store: PostgresStore, other: PostgresStore, database: str, week: Leaf, published: UUID
) -> None:
    """O5: the drop waits for the turn that is under way, and then judges again."""
    contact_id = await new_contact(store, email(1))
    async with asyncio.TaskGroup() as group, other.transaction("events") as turn:
        await turn.catalogue_revision()
        keeping = group.create_task(retention().keep(store, OPERATOR))
        await until_blocked(database)
        snapshot = await turn.lock(LockRequest([contact_id]))
        live = counting_from(newest_v(week), 1, contact_id, published)
        await turn.save(Changes(now=snapshot.now, runs=[RunChange(None, live)]))
        assert not keeping.done()
    assert week.name in await names(database)
    assert (await verdicts(store))[week.name].verdict == "held"


async def test_who_cannot_get_the_locks_in_a_moment_lets_the_writers_go_first(
    store: PostgresStore, database: str, week: Leaf, published: UUID
) -> None:
    """O5: a reader that stays for long stops the drop, and never the turns behind it for long."""
    contact_id = await new_contact(store, email(1))
    async with connected(database) as reader, reader.transaction():
        await reader.execute("select count(*) from events")
        with pytest.raises(Moved):
            await retention().keep(store, OPERATOR)
        await save(store, [contact_id], events=[record(event(1), contact_id)])
    assert await rows(database, "select count(*) from events") == [(2,)]
    await retention().keep(store, OPERATOR)
    assert await rows(database, "select count(*) from events") == [(1,)]


@pytest.mark.timeout(60)
async def test_leaves_are_dropped_beside_a_worker_that_writes(
    store: PostgresStore, other: PostgresStore, connection: asyncpg.Connection, database: str,
    now: datetime, published: UUID,
) -> None:  # fmt: skip
    """O5: no turn fails, and nothing that was written is lost."""
    contact_id = await new_contact(store, email(1))
    for week in range(6, 12):
        leaf = await make_week(connection, now - week * WEEK)
        await happened(store, 1000 + week, contact_id, leaf.lower, leaf.lower)
    is_over = asyncio.Event()
    written = 0

    async def write() -> None:
        nonlocal written
        while not is_over.is_set():
            await save(other, [contact_id], "events", events=[record(event(written), contact_id)])
            written += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        await until(lambda: written >= 20)
        await retention().keep(store, WORKER)
        before = written
        await until(lambda: written >= before + 20)
        is_over.set()
    assert await rows(database, "select count(*) from events") == [(written,)]
    assert await rows(database, "select count(*) from audit where what = 'retention.drop'") == [
        (6,)
    ]
