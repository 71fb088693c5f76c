"""The floor under a journey: the same rows, prepared beforehand, by COPY over one connection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

#: What a journey leaves, in the order in which it is written.
TABLES = ("contacts", "identifiers", "events", "runs_done", "kafka_outbox")

#: How many journeys one transaction writes: as many records as a full batch of the engine has.
JOURNEYS_AT_ONCE = 1_500

PARKED = """
select run_id, automation_id, contact_id, created_at, completed_at + interval '1 hour' as due_at,
  completed_at + interval '1 hour' as deadline, version, true as holds_for_lag, false as is_held,
  'waiting' as activity, 'opened' as step_key, doc as state, doc -> 'trigger' as trigger, past,
  created_at as looks_back_to
from runs_done
"""


class Rows(NamedTuple):
    """Rows of one table: the names of its columns, and their values."""

    columns: Sequence[str]
    values: Sequence[tuple[object, ...]]

    def part(self, number: int, of: int) -> Sequence[tuple[object, ...]]:
        """Return the rows that belong to one of so many equal parts; none before and behind."""
        if not 0 <= number < of:
            return ()
        size = -(-len(self.values) // of)
        return self.values[number * size : (number + 1) * size]


async def captured(connection: asyncpg.Connection) -> dict[str, Rows]:
    """Return what an engine has written, and the parked runs that it has deleted since."""
    asked = {table: f'select * from "{table}"' for table in TABLES} | {"runs_active": PARKED}
    return {table: await _rows(connection, sql) for table, sql in asked.items()}


async def _rows(connection: asyncpg.Connection, sql: str) -> Rows:
    found = await connection.fetch(sql)
    return Rows(list(found[0].keys()) if found else [], [tuple(row) for row in found])


async def written(connection: asyncpg.Connection, rows: dict[str, Rows], journeys: int) -> float:
    """Write the same rows again, into an empty database; return how many seconds that took.

    Each transaction parks the runs of some journeys and ends those of the ones before.
    """
    parts = -(-journeys // JOURNEYS_AT_ONCE)
    began = time.monotonic()
    for number in range(parts + 1):
        async with connection.transaction():
            for table, some in rows.items():
                place = number - 1 if table == "runs_done" else number
                await _copy(connection, table, some.columns, some.part(place, parts))
            ended = [row[0] for row in rows["runs_active"].part(number - 1, parts)]
            await connection.execute("delete from runs_active where run_id = any($1)", ended)
    return time.monotonic() - began


async def _copy(
    connection: asyncpg.Connection,
    table: str,
    columns: Sequence[str],
    values: Sequence[tuple[object, ...]],
) -> None:
    if values:
        await connection.copy_records_to_table(table, columns=list(columns), records=values)
