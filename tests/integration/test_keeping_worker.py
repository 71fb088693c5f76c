"""What workers keep by themselves: leaves ahead, nothing that is over; and what comes again."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from handlers.world import Rules
from state.postgres.store import PostgresStore
from state.turn import Unavailable
from tests.integration.doors import EVENTS, Log, open_door
from tests.integration.drawn import post, waiting
from tests.integration.kept import WORKER, make_week, retention
from tests.integration.kit import House, publish_version
from tests.stored import connected, rows
from tests.waiting import until_so

WEEK = timedelta(days=7)

#: What was decided then, three weeks ago, was decided about young events.
THEN = Rules(
    grace=timedelta(0),
    slack=timedelta(0),
    event_age_max=timedelta(days=60),
    topic_retention=timedelta(days=60),
)
AHEAD = "select inhrelid::regclass::text from pg_inherits where inhparent = $1::text::regclass"


async def make_past(database: str, now: datetime) -> str:
    async with connected(database) as connection:
        return (await make_week(connection, now - timedelta(days=70))).name


async def exists(database: str, name: str) -> bool:
    ((found,),) = await rows(database, "select to_regclass($1) is not null", name)
    return bool(found)


@pytest.mark.parametrize(("setting", "is_kept"), [("on", False), ("off", True)])
async def test_a_worker_drops_what_is_over_unless_it_is_told_not_to(
    house: House, setting: str, is_kept: bool
) -> None:
    """O5: WAITLINE_RETENTION leaves it to the operator."""
    name = await make_past(house.database, await house.store.database_now())
    async with house.worker(WAITLINE_RETENTION=setting):
        if not is_kept:
            await until_so(lambda: _is_gone(house, name))
        places = await house.publish(post("noise", email="ann@x.io"))
        await house.until_applied(places)
    assert await exists(house.database, name) == is_kept
    audited = await house.rows("select who, what, target from audit where what ~ 'retention'")
    assert audited == ([] if is_kept else [("worker", "retention.drop", name)])


async def test_a_chore_that_always_fails_keeps_no_other_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O5: such as the search for idle versions, where it takes longer than a statement may."""

    async def fails(*_: object) -> None:
        raise Unavailable("57014: canceling statement due to statement timeout")

    monkeypatch.setattr(PostgresStore, "keep_house", fails)
    name = await make_past(house.database, await house.store.database_now())
    async with house.worker():
        await until_so(lambda: _is_gone(house, name))


async def _is_gone(house: House, name: str) -> bool:
    return not await exists(house.database, name)


async def test_a_database_without_a_leaf_for_now_waits_until_housekeeping_has_made_it(
    database: str, store: PostgresStore, tmp_path: Path
) -> None:
    """O5, E3: the clock has passed the last leaf; nothing is lost or quarantined meanwhile."""
    await publish_version(store, waiting())
    async with connected(database) as connection:
        for parent in ("events", "runs_done"):
            for (leaf,) in await connection.fetch(AHEAD, parent):
                await connection.execute(f"drop table {leaf}")
    log = Log()
    async with open_door(database, "one", (EVENTS, 0), folder=tmp_path) as door:
        records = [log.add("go", email="ann@x.io"), log.add("answer", email="ann@x.io")]
        feeding = asyncio.create_task(door.feed(records))
        await until_so(lambda: _was_unavailable(door.counters.value))
        assert await rows(database, "select count(*) from quarantine") == [(0,)]
        await store.keep_house(await store.database_now())
        await feeding
    assert await rows(database, "select reason from runs_done") == [("completed_no_branch",)]
    assert await rows(database, "select count(*) from events") == [(2,)]
    for parent, least in (("events", 5), ("runs_done", 3)):
        assert len(await rows(database, AHEAD, parent)) == least


async def _was_unavailable(value: object) -> bool:
    assert callable(value)
    return bool(value("turns_unavailable") >= 2)


async def test_the_missing_leaf_is_named_with_what_makes_it(
    database: str, store: PostgresStore
) -> None:
    """O5: whoever reads the log knows what to do."""
    async with connected(database) as connection:
        for (leaf,) in await connection.fetch(AHEAD, "events"):
            await connection.execute(f"drop table {leaf}")
    insert = """
        insert into events select gen_random_uuid(), gen_random_uuid(), 1, now(), now(), now(),
          now(), 0, 0, false, '', '', '', '', '', '', '', '[]', '{}'
        """
    with pytest.raises(Unavailable, match=r"no partition .* `waitline migrate` makes it"):
        async with store.session() as session:
            await session.run(insert)


async def test_what_comes_again_after_its_leaf_was_dropped_does_nothing(
    database: str, store: PostgresStore, tmp_path: Path
) -> None:
    """O5, E4, S1: the offsets tell what was applied, where the event itself is forgotten."""
    await publish_version(store, waiting())
    log = Log()
    now = await store.database_now()
    async with connected(database) as connection:
        leaf = await make_week(connection, now - timedelta(days=22))
        v = (leaf.lower + timedelta(days=1)).isoformat()
        await connection.execute("update automations set enabled_at = $1", leaf.lower - WEEK)
        await connection.execute("update interests set since = $1", leaf.lower - WEEK)
        records = [
            log.add("go", id="1", email="ann@x.io", external_id="a", occurred_at=v),
            log.add("answer", id="2", external_id="a", occurred_at=v),
        ]
        async with open_door(database, "then", (EVENTS, 0), folder=tmp_path, rules=THEN) as door:
            await door.feed(records)
        await connection.execute("update events set processed_at = $1", leaf.lower)
        before = await _contents(database)
        assert [len(before[table]) for table in ("events", "runs_done")] == [2, 1]
        await retention().keep(store, WORKER)
        await connection.execute("update partitions set next_offset = 0")
        async with open_door(database, "now", (EVENTS, 0), folder=tmp_path) as door:
            await door.feed(records)
            assert door.counters.value("redelivered") == 2
    after = await _contents(database)
    assert after == before | {"events": []}


async def _contents(database: str) -> dict[str, list[str]]:
    tables = ("contacts", "identifiers", "events", "runs_active", "runs_done", "name_counts")
    return {
        table: [row for (row,) in await rows(database, f"select t::text from {table} t order by 1")]
        for table in (*tables, "kafka_outbox", "duplicates", "quarantine")
    }
