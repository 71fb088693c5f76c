"""Rows of tables without leaves: what is over is deleted in pages by an index, the rest stays."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from state.postgres import forgetting, retention
from state.postgres.automations import delete_automation
from state.postgres.forgetting import NameKey
from state.postgres.store import PostgresStore
from tests.integration.drawn import automation, waiting
from tests.integration.kept import (
    OPERATOR,
    WORKER,
    finished,
    make_month,
    retention as short_retention,
)
from tests.integration.kit import publish_version
from tests.integration.test_plans import ID, ONE_ID, call, complaints, fill, plan, prepare
from tests.stored import email, new_contact, rows

QUARANTINE = """
insert into quarantine (topic, partition, "offset", stream_epoch, recorded_at, quarantined_at,
  reason, detail, fingerprint, raw, sha256)
select 't', 0, n, '1', $1,
  $1::timestamptz - n % 2 * interval '91 days', 'r', 'd', 'f', '', sha256('')
from generate_series(1, $2) as n
"""
DUPLICATES = """
insert into duplicates select gen_random_uuid(), 't', 0, n, '1', 'e', $1::timestamptz,
  $1::timestamptz - n % 2 * interval '91 days', 't', 0, 0 from generate_series(1, $2) as n
"""
NOTES = """
insert into identity_notes select n, n, 0, 't', '1',
  $1::timestamptz - n % 2 * interval '91 days', 'e', 'merge_blocked', 'r'
from generate_series(1, $2) as n
"""
NAMES = """
insert into name_counts select 1, $1::timestamptz - interval '2 years',
  $1::timestamptz - n % 2 * interval '401 days', 0, 0,
  't', 'name' || n from generate_series(1, $2) as n
"""
DATED = {
    "quarantine": QUARANTINE,
    "duplicates": DUPLICATES,
    "identity_notes": NOTES,
    "name_counts": NAMES,
}


@pytest.mark.parametrize("count", [8, 12_000])
async def test_what_is_older_than_its_period_goes_and_the_rest_stays(
    store: PostgresStore, connection: asyncpg.Connection, count: int
) -> None:
    """O5, O4: page by page; an operator's is audited once a table, a worker's is only logged."""
    now = await store.database_now()
    for sql in DATED.values():
        await connection.execute(sql, now, count)
    async with store.session() as session:
        survey = await short_retention().survey(session)
    over = {one.table: one.total for one in survey.rows}
    assert over == dict.fromkeys(DATED, count // 2) | {"enrolments": 0}
    told: dict[str, int] = dict.fromkeys(DATED, 0)

    def tell(table: str, gone: int) -> None:
        told[table] += gone

    await short_retention().keep(store, OPERATOR, tell)
    assert told == dict.fromkeys(DATED, count // 2)
    for table in DATED:
        assert await connection.fetchval(f"select count(*) from {table}") == count // 2
    audited = await connection.fetch("select what, target, who from audit order by target")
    assert [tuple(row) for row in audited] == [
        ("retention.forget", table, "ann") for table in sorted(DATED)
    ]


async def test_what_a_worker_forgets_fills_no_audit_log(
    store: PostgresStore, connection: asyncpg.Connection
) -> None:
    await connection.execute(QUARANTINE, await store.database_now(), 8)
    await short_retention().keep(store, WORKER)
    assert await connection.fetchval("select count(*) from quarantine") == 4
    assert await connection.fetchval("select count(*) from audit") == 0


async def test_who_entered_once_is_remembered_while_the_automation_lives(
    store: PostgresStore, connection: asyncpg.Connection
) -> None:
    """S2, O5: `once` is for ever; of an automation that was deleted it means nothing."""
    first, second = await publish_version(store, automation("Gone"), waiting("Alive"))
    long_ago = await store.database_now() - timedelta(days=3000)
    for one in (first, second):
        await connection.execute(
            "insert into enrolments select n, $1, $2 from generate_series(1, 10) as n",
            one.automation_id,
            long_ago,
        )
    async with store.session() as session:
        await delete_automation(session, "Gone", "ann")
    await short_retention().keep(store, OPERATOR)
    assert await connection.fetchval("select count(*) from enrolments") == 20
    await connection.execute("update automations set deleted_at = $1 where name = 'Gone'", long_ago)
    await short_retention().keep(store, OPERATOR)
    left = await connection.fetch("select distinct automation_id from enrolments")
    assert [row["automation_id"] for row in left] == [second.automation_id]


async def test_a_name_that_is_seen_again_meanwhile_is_not_forgotten(
    store: PostgresStore, connection: asyncpg.Connection
) -> None:
    now = await store.database_now()
    await connection.execute(NAMES, now, 3)
    cutoff = now - timedelta(days=400)
    async with store.session() as session:
        end, old = await forgetting.old_names(session, NameKey(), cutoff)
        assert (end, [one.name for one in old]) == (None, ["name1", "name3"])
        await connection.execute("update name_counts set last_at = $1 where name = 'name1'", now)
        assert await forgetting.forget_names(session, old, cutoff) == 1
    names = await connection.fetch("select name from name_counts order by name")
    assert [name for (name,) in names] == ["name1", "name2"]


async def test_a_page_of_a_detached_leaf_takes_up_where_the_last_one_ended(
    store: PostgresStore, connection: asyncpg.Connection, database: str
) -> None:
    now = await store.database_now()
    contact_id = await new_contact(store, email(1))
    month = await make_month(connection, now - timedelta(days=450))
    for number in range(5):
        await finished(store, number, contact_id, month.lower + timedelta(days=number))
    await connection.execute(f"alter table runs_done detach partition {month.name}")
    await connection.execute(f"alter table {month.name} rename to dropped_{month.name}")
    pages: list[int] = []
    after: UUID | None = UUID(int=0)
    while after is not None:
        async with store.session() as session:
            name = f"dropped_{month.name}"
            after, gone = await retention.forget_with_runs(session, name, after, 2)
        pages.append(gone)
    assert pages == [4, 4, 2]
    assert await rows(database, "select count(*) from messages") == [(0,)]


# --- plans ----------------------------------------------------------------------------------------

BOUNDS = "array[now() - interval '40 days', now() - interval '20 days', now()]"
STATEMENTS = {
    "count quarantine": (forgetting.COUNT_QUARANTINE, "now()", "quarantine_quarantined_at"),
    "quarantine": (forgetting.FORGET_QUARANTINE, "now(), 100", "quarantine_quarantined_at"),
    "count duplicates": (forgetting.COUNT_DUPLICATES, "now()", "duplicates_dropped_at"),
    "duplicates": (forgetting.FORGET_DUPLICATES, "now(), 100", "duplicates_dropped_at"),
    "count notes": (forgetting.COUNT_NOTES, "now()", "identity_notes_noted_at"),
    "notes": (forgetting.FORGET_NOTES, "now(), 100", "identity_notes_noted_at"),
    "names": (forgetting.NAMES_AFTER, "'n', 't', 0, 100", "name_counts_pkey"),
    "forget names": (
        forgetting.FORGET_NAMES,
        "array['n'], array['t'], array[0], now()",
        "name_counts_pkey",
    ),
    "messages": (retention.FORGET_MESSAGES, ID, "messages_run_id"),
    "late": (retention.FORGET_LATE, ID, "closed_waits_late"),
    "live runs": (
        retention.LIVE_RUNS,
        f"{BOUNDS}, now() - interval '20 days', array[{ONE_ID}]::uuid[], array[1]",
        "runs_active_looks_back_to",
    ),
}


async def test_forgetting_uses_indexes_on_tables_never_analysed(
    connection: asyncpg.Connection,
) -> None:
    """O5: it runs beside the turns, so it must not read tables whole."""
    now: datetime = await connection.fetchval("select now()")
    await fill(connection, 1, 50_000)
    for sql in DATED.values():
        await connection.execute(sql, now, 20_000)
    await prepare(connection, [sql for sql, _, _ in STATEMENTS.values()])
    for plans in ("force_custom_plan", "force_generic_plan"):
        await connection.execute(f"set plan_cache_mode = {plans}")
        for number, (name, (_, arguments, index)) in enumerate(STATEMENTS.items()):
            found = await plan(connection, call(number, arguments))
            assert complaints(found, index) == [], f"{name}, {plans}"


async def test_enrolments_are_deleted_by_the_index_of_their_automation(
    connection: asyncpg.Connection,
) -> None:
    """S2: the few automations that were deleted are read whole, the many enrolments are not."""
    await fill(connection, 1, 50_000)
    await prepare(connection, [forgetting.FORGET_ENROLMENTS, forgetting.COUNT_ENROLMENTS])
    for number, arguments in enumerate(("now(), 100", "now()")):
        found = await plan(connection, call(number, arguments))
        scans = {node["Index Name"] for node in found if "Index Name" in node}
        assert "enrolments_automation_id" in scans
        assert [
            node
            for node in found
            if node.get("Relation Name") == "enrolments" and node["Node Type"] == "Seq Scan"
        ] == []


async def test_the_newest_v_of_a_leaf_is_found_by_its_block_ranges(
    connection: asyncpg.Connection, store: PostgresStore
) -> None:
    """O5: exact, and without reading the leaf."""
    await fill(connection, 1, 50_000)
    async with store.session() as session:
        leaf = (await retention.stored_leaves(session))[0]
    sql = retention.NEWEST_V.format(leaf=leaf.name).replace("$1", "now() - interval '1 hour'")
    found = await plan(connection, sql)
    assert complaints(found, "_v_idx") == []
