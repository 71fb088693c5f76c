"""The partitions of events and finished runs: made ahead of time, so that no write finds none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection = asyncpg.Connection | PoolConnectionProxy

WEEKS_AHEAD = 4
MONTHS_AHEAD = 2

LEAF_EXISTS = "select to_regclass($1) is not null"

#: Made apart and attached, because that leaves readers and writers of the parent alone, where
#: `create table ... partition of` would stop them all. The key is unique in the leaf.
MAKE_LEAF = """
create table {leaf} (like {parent} including all);
create unique index {leaf}_{key} on {leaf} ({key});
alter table {parent} attach partition {leaf} for values from ('{lower}') to ('{upper}');
"""


class Leaf(NamedTuple):
    """One partition: its table and the half-open range of instants it holds."""

    parent: str
    key: str
    name: str
    lower: datetime
    upper: datetime


def leaves(now: datetime) -> Iterator[Leaf]:
    """Yield the partitions that must exist at `now`: the current ones and those ahead."""
    week = _midnight(now) - timedelta(days=now.astimezone(UTC).weekday())
    for _ in range(WEEKS_AHEAD + 1):
        after = week + timedelta(days=7)
        yield Leaf("events", "event_key", f"events_{week:%Y%m%d}", week, after)
        week = after
    month = _midnight(now).replace(day=1)
    for _ in range(MONTHS_AHEAD + 1):
        after = (month + timedelta(days=31)).replace(day=1)
        yield Leaf("runs_done", "run_id", f"runs_done_{month:%Y%m}", month, after)
        month = after


async def ensure_partitions(connection: Connection, now: datetime) -> list[str]:
    """Make the partitions that `now` calls for and that are missing; return their names.

    Call it in a transaction under the migrations' advisory lock: two at once would both find one
    missing.
    """
    made = []
    for leaf in leaves(now):
        if not await connection.fetchval(LEAF_EXISTS, leaf.name):
            await connection.execute(
                MAKE_LEAF.format(
                    parent=leaf.parent, key=leaf.key, leaf=leaf.name,
                    lower=leaf.lower.isoformat(), upper=leaf.upper.isoformat(),
                )
            )  # fmt: skip
            made.append(leaf.name)
    return made


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
