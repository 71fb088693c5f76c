"""Journeys a second beside a million runs that wait, of those in an empty database."""

from __future__ import annotations

import time
from typing import NamedTuple

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal
from tests.bench.house import House, house
from tests.bench.journeys import PLAIN, automations, records
from tests.bench.parked import park
from tests.bench.throughput import JOURNEYS, WAL

PARKED = 1_000_000

#: Fewer, however few are parked, would all be of the first batch, which is not counted.
JOURNEYS_MIN = 2_000

DONE = "select count(*) from runs_done"

#: Statistics are gathered when we say so, and nobody tidies up while we measure.
NO_AUTOVACUUM = """
do $$ declare leaf regclass; begin
  for leaf in select oid from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace
  loop execute format('alter table %s set (autovacuum_enabled = false)', leaf); end loop;
end $$
"""


class Measured(NamedTuple):
    """Seconds a journey, and bytes of WAL."""

    seconds: float
    wal: float


async def measure(stack: LocalStack, parked: int = PARKED) -> list[Figure]:
    """Measure two workers beside runs that wait, before and after `analyze`, and without these.

    The empty database comes first and last, and its mean counts: the machine drifts. Every time
    begins with a checkpoint, after which each page is written whole when it is first touched; so
    all pay for that, and who touches more pages pays more.
    """
    journeys = max(JOURNEYS_MIN, JOURNEYS * parked // PARKED)
    async with house(stack, automations(PLAIN)) as empty, house(stack, automations(PLAIN)) as full:
        await empty.connection.execute(NO_AUTOVACUUM)
        await full.connection.execute(NO_AUTOVACUUM)
        await park(full, parked)
        first = await _measured(empty, journeys, 1)
        cold = await _measured(full, journeys, 1)
        await full.connection.execute("analyze")
        analysed = await _measured(full, journeys, 1 + journeys)
        last = await _measured(empty, journeys, 1 + journeys)
    mean = Measured((first.seconds + last.seconds) / 2, (first.wal + last.wal) / 2)
    return [
        Figure("nobody waits", "journeys/s", [1 / mean.seconds]),
        Figure("WAL, nobody waits", "bytes a journey", [mean.wal]),
        *_beside("never analysed", cold, mean),
        *_beside("analysed", analysed, mean),
    ]


def _beside(name: str, full: Measured, empty: Measured) -> list[Figure]:
    rest = empty.seconds / full.seconds
    return [
        Figure(name, "journeys/s", [1 / full.seconds]),
        Figure(name, "of the empty rate", [rest], Goal("at least", 0.85)),
        Figure(f"WAL, {name}", "bytes a journey", [full.wal]),
    ]


async def _measured(made: House, journeys: int, first: int) -> Measured:
    """Run the journeys of persons nobody knows, from number `first` on; all lie in the topic."""
    before = await made.applied()
    count = made.publish(records(PLAIN, journeys, first))
    await made.connection.execute("checkpoint")
    done, wal = await made.value(DONE), await made.value(WAL)
    with made.workers(2):
        await made.until_applied(before + 1)
        began, ahead = time.monotonic(), await made.applied() - before
        await made.until_applied(before + count)
        seconds = time.monotonic() - began
    finished = await made.value(DONE) - done
    assert finished == journeys, f"{finished:.0f} of {journeys} journeys were completed"
    share = (count - ahead) / count
    return Measured(seconds / (share * journeys), (await made.value(WAL) - wal) / journeys)
