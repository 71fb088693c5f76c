"""What each statement of a turn costs Postgres, as EXPLAIN (ANALYZE, BUFFERS, WAL) tells it.

Journeys are fed to a door in turns of one size, by no broker, so that every turn takes the same
statements. Each is explained first, behind a savepoint that is rolled back, and then run. COPY
cannot be explained; what it adds to the log is read from the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, NamedTuple
from unittest.mock import patch

from typing_extensions import override

import state.postgres
from deploy.local.stack import LocalStack
from state.postgres import store
from state.postgres.session import Record, Session
from tests.bench.figures import Figure
from tests.bench.house import house
from tests.bench.journeys import ANSWER, PLAIN, START, automations, record
from tests.explained import nodes
from tests.integration.doors import EVENTS, Door, Log, open_door

#: How many journeys are measured.
JOURNEYS = 20_000

#: How many of them are in a turn: as many records as a busy worker finds.
JOURNEYS_A_TURN = 500

#: How many turns only fill the tables and the plans, for each that is measured.
WARM = 0.25

EXPLAIN = "explain (analyze, buffers, wal, timing off, format json) "
WAL = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"


class Cost(NamedTuple):
    """What a statement took: seconds of running, pages looked at, bytes of log."""

    name: str
    seconds: float
    pages: int
    wal: int


class Explained(Session):
    """A session that notes what each of its statements costs."""

    costs: list[Cost]
    names: dict[str, str]

    @override
    async def rows(self, sql: str, *arguments: object) -> list[Record]:
        await self._explain(sql, arguments)
        return await super().rows(sql, *arguments)

    @override
    async def value(self, sql: str, *arguments: object) -> Any:
        await self._explain(sql, arguments)
        return await super().value(sql, *arguments)

    @override
    async def run(self, sql: str, *arguments: object) -> int:
        await self._explain(sql, arguments)
        return await super().run(sql, *arguments)

    @override
    async def copy(
        self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
    ) -> None:
        before = await self.connection.fetchval(WAL)
        await super().copy(table, columns, rows)
        wal = await self.connection.fetchval(WAL) - before
        self.costs.append(Cost(f"COPY {table}", 0.0, 0, wal))

    async def _explain(self, sql: str, arguments: Sequence[object]) -> None:
        if not self.connection.is_in_transaction():
            return
        await self.connection.execute("savepoint explained")
        told = await self.connection.fetchval(EXPLAIN + sql, *arguments)
        await self.connection.execute("rollback to explained")
        (explained,) = json.loads(told)
        plans = list(_counted_apart(explained["Plan"]))
        pages = sum(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in plans)
        wal = sum(plan["WAL Bytes"] for plan in plans)
        self.costs.append(Cost(self.names[sql], explained["Execution Time"] / 1000, pages, wal))


def _counted_apart(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan, and what it writes in CTEs that nothing reads: those run when it is done."""
    yield plan
    read = {node["CTE Name"] for node in nodes(plan) if node["Node Type"] == "CTE Scan"}
    for part in plan.get("Plans", ()):
        name = part.get("Subplan Name", "")
        if name.startswith("CTE ") and name.removeprefix("CTE ") not in read:
            yield part


async def measure(stack: LocalStack, journeys: int = JOURNEYS) -> list[Figure]:
    """Return what each statement of a turn of triggers, and of one of answers, costs a journey."""
    a_turn = min(journeys, JOURNEYS_A_TURN)
    costs: dict[str, list[Cost]] = {START: [], ANSWER: []}
    async with (
        house(stack, automations(PLAIN)) as made,
        open_door(made.dsn, "one", (EVENTS, 0), folder=Path(stack.folder)) as door,
    ):
        log = Log()  # its records start once the automation is enabled, or they start no run
        warm = range(journeys, round(journeys * (1 + WARM)), a_turn)
        for first in warm:
            await _play(door, log, first, a_turn)
        for first in range(0, journeys, a_turn):
            for event, spent in costs.items():
                with _explaining(spent):
                    await _play(door, log, first, a_turn, [event])
        finished = await made.value("select count(*) from runs_done")
        assert finished == journeys + a_turn * len(warm), f"{finished:.0f} journeys were completed"
    return [figure for event, spent in costs.items() for figure in _figures(event, spent, journeys)]


async def _play(
    door: Door, log: Log, first: int, people: int, events: Sequence[str] = (START, ANSWER)
) -> None:
    """Feed a turn of each of these events of so many people."""
    for event in events:
        told = [record(PLAIN, event, number) for number in range(first, first + people)]
        await door.feed([log.raw(value) for _, value in told])


@contextmanager
def _explaining(costs: list[Cost]) -> Iterator[None]:
    """Let a store's sessions note what their statements cost."""
    names = _names()

    class Noting(Explained):
        """One whose notes go here."""

    Noting.costs, Noting.names = costs, names
    with patch.object(store, "Session", Noting):
        yield


def _names() -> dict[str, str]:
    """Return the name of each statement, by its text: where it stands in the code."""
    return {
        text: f"{module.name}.{name}"
        for module in iter_modules(state.postgres.__path__)
        for name, text in vars(import_module(f"state.postgres.{module.name}")).items()
        if isinstance(text, str)
    }


def _figures(event: str, costs: Sequence[Cost], journeys: int) -> list[Figure]:
    """Return three figures a statement, in the order in which a turn takes them."""
    turn = {START: "trigger", ANSWER: "answer"}[event]
    return [
        Figure(f"{turn}: {name}", unit, [sum(part) / journeys])
        for name in dict.fromkeys(cost.name for cost in costs)
        for unit, part in (
            ("µs a journey", [1e6 * cost.seconds for cost in costs if cost.name == name]),
            ("pages a journey", [float(cost.pages) for cost in costs if cost.name == name]),
            ("WAL bytes a journey", [float(cost.wal) for cost in costs if cost.name == name]),
        )
        if any(part)
    ]
