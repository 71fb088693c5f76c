"""Journeys a second, from records in Kafka to committed completions, and what each costs."""

from __future__ import annotations

from typing import NamedTuple

import asyncpg

from deploy.local.databases import Databases
from deploy.local.stack import LocalStack
from state.postgres.migrate import migrate
from tests.bench import floor
from tests.bench.figures import Figure, Goal
from tests.bench.house import House, house
from tests.bench.journeys import PLAIN, RICH, Load, automations, records
from tests.bench.machine import Meter, peak_memory

JOURNEYS = 20_000

WAL = "select pg_current_wal_lsn() - '0/0'::pg_lsn"
ROWS = """
select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables
where relname not in ('schema_migrations', 'versions', 'automations', 'catalogue', 'interests')
"""


class Measured(NamedTuple):
    """One run of the engine: journeys a second, and what one journey cost."""

    rate: float
    rows: float
    wal: float
    cpu: dict[str, float]
    peak_mb: float


async def measure(stack: LocalStack, journeys: int = JOURNEYS) -> list[Figure]:
    """Measure two workers, two workers under a richer load, and one beside the floor."""
    two = await engine(stack, PLAIN, 2, journeys)
    rich = await engine(stack, RICH, 2, journeys)
    one, bare = await one_and_floor(stack, journeys // 2)
    return [
        Figure("two workers", "journeys/s", [two.rate], Goal("at least", 12_000)),
        Figure("two workers, rich", "of plain", [rich.rate / two.rate], Goal("at least", 0.7)),
        Figure("one worker", "journeys/s", [one.rate]),
        Figure("floor, bare COPY", "journeys/s", [bare]),
        Figure("one worker", "of the floor", [one.rate / bare], Goal("at least", 0.5)),
        Figure("rows written", "a journey", [two.rows], Goal("at most", 8)),
        Figure("WAL", "bytes a journey", [two.wal], Goal("at most", 3_000)),
        *(Figure(f"CPU, {who}", "ms a journey", [spent]) for who, spent in two.cpu.items()),
        Figure("peak of a worker", "MB", [two.peak_mb], Goal("at most", 200)),
    ]


async def engine(stack: LocalStack, load: Load, workers: int, journeys: int) -> Measured:
    """Run journeys that lie in the topic already."""
    async with house(stack, automations(load)) as made:
        count = made.publish(records(load, journeys))
        return await _consumed(made, workers, count, journeys)


async def one_and_floor(stack: LocalStack, journeys: int) -> tuple[Measured, float]:
    """Run one worker, then write the rows that it wrote by bare COPY, into a fresh database."""
    databases = Databases(stack.database_url)
    async with house(stack, automations(PLAIN)) as made:
        count = made.publish(records(PLAIN, journeys))
        measured = await _consumed(made, 1, count, journeys)
        rows = await floor.captured(made.connection)
    dsn = await databases.create("bench_floor")
    try:
        await migrate(dsn)
        connection = await asyncpg.connect(dsn)
        try:
            seconds = await floor.written(connection, rows, journeys)
        finally:
            await connection.close()
    finally:
        await databases.drop("bench_floor")
    return measured, journeys / seconds


async def _consumed(made: House, workers: int, count: int, journeys: int) -> Measured:
    wal, rows = await made.value(WAL), await made.value(ROWS)
    with made.workers(workers) as process:
        await made.until_applied(1)
        first = await made.applied()
        meter = Meter(made.groups(process))
        await made.until_applied(count)
        spent = meter.read()
        done = (count - first) / count * journeys
        peak = peak_memory(process.children(recursive=True) or [process])
    await made.connection.execute("select pg_stat_force_next_flush()")
    finished = await made.value("select count(*) from runs_done")
    assert finished == journeys, f"{finished:.0f} of {journeys} journeys were completed"
    return Measured(
        done / spent.wall,
        (await made.value(ROWS) - rows) / journeys,
        (await made.value(WAL) - wal) / journeys,
        {who: 1_000 * seconds / done for who, seconds in spent.cpu.items()},
        peak,
    )
