"""Pages of one automation's runs: in order, whole, at a cost that does not grow with the list."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from state.postgres import run_pages
from state.postgres.keyset import Page, UnknownCursor
from state.postgres.reading import SETTINGS, ReadingPool
from state.postgres.run_pages import RunRow, runs_page

ONE = UUID(int=1)
ALL = ("running", "completed", "failed", "cancelled")

#: Runs that came by turns of 50; every thousandth failed, the newest ten run.
FILL = """
insert into runs_done (run_id, automation_id, contact_id, created_at, started_at, completed_at,
  version, status, reason, doc, past)
select ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, $1, n, at, at, at, 1,
  case when n % 1000 = 0 then 'failed' else 'completed' end,
  case when n % 1000 = 0 then 'failed_step' else 'completed_end' end, '{}', ''
from generate_series(1, $2::bigint) as n
cross join lateral (select date_trunc('day', now()) + n / 50 * interval '1 millisecond' as at) as w
"""
ACTIVE = """
insert into runs_active (run_id, automation_id, contact_id, created_at, version, holds_for_lag,
  is_held, activity, step_key, state, trigger, past)
select ('00000000-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, $1, n,
  now() + interval '1 day', 1, false, false, 'waiting', 'w', '{}', '{}', ''
from generate_series(1, 10) as n
"""


@pytest.fixture
async def pool(database: str) -> AsyncIterator[ReadingPool]:
    opened = await ReadingPool.open(database, 2)
    yield opened
    await opened.close()


async def walked(pool: ReadingPool, statuses: tuple[str, ...], limit: int) -> list[RunRow]:
    """Return the whole list, read page by page."""
    found: list[RunRow] = []
    after, has_more = None, True
    while has_more:
        async with pool.session() as session:
            rows, has_more = await runs_page(session, ONE, statuses, Page(limit, after))
        assert len(rows) == limit or not has_more
        found += rows
        after = rows[-1].run_id
    return found


async def test_pages_put_together_are_the_list_in_both_directions(
    connection: asyncpg.Connection, pool: ReadingPool
) -> None:
    await connection.execute(ACTIVE, ONE)
    await connection.execute(FILL, ONE, 130)
    listed = await walked(pool, ALL, 7)
    assert len({run.run_id for run in listed}) == 140
    places = [(run.created_at, run.run_id) for run in listed]
    assert places == sorted(places, reverse=True)
    assert [run.status for run in listed[:10]] == ["running"] * 10
    async with pool.session() as session:
        back, has_more = await runs_page(session, ONE, ALL, Page(5, before=listed[20].run_id))
    assert (back, has_more) == (listed[15:20], True)
    async with pool.session() as session:
        back, has_more = await runs_page(session, ONE, ALL, Page(5, before=listed[5].run_id))
        assert (back, has_more) == (listed[:5], False)
        with pytest.raises(UnknownCursor, match="after"):
            await runs_page(session, ONE, ALL, Page(5, after=UUID(int=0)))


async def test_a_page_of_any_status_reads_little_of_a_long_list_never_analysed(
    connection: asyncpg.Connection, database: str
) -> None:
    await connection.execute(FILL, ONE, 60_000)
    for name, value in {**SETTINGS, "enable_sort": "off"}.items():
        await connection.execute(f"select set_config('{name}', '{value}', false)")
    middle = await connection.fetchval("select created_at from runs_done offset 30000 limit 1")
    for statuses in ({"failed"}, {"cancelled"}, {"completed"}, {"completed", "failed"}):
        plan = await connection.fetchval(
            f"explain (analyze, buffers, format json) {run_pages.OLDER}",
            ONE, 21, middle, UUID(int=0), sorted(statuses), False,
        )  # fmt: skip
        top: dict[str, Any] = json.loads(plan)[0]["Plan"]
        assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 400, (statuses, plan)
