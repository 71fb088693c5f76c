"""Runs found by their ids while they move from the table of active ones to that of ended ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from typing_extensions import override

from state.postgres.reading import reading
from state.postgres.reading_runs import find_runs
from state.postgres.session import Record, Session
from state.postgres.store import PostgresStore
from tests.integration.doors import EVENTS, Log, open_door
from tests.integration.drawn import waiting
from tests.integration.kit import publish_version
from tests.stored import rows


class Interrupted(Session):
    """A session behind one of whose questions something happens."""

    questions_left: int
    happens: Callable[[], Awaitable[object]]

    @override
    async def rows(self, sql: str, *arguments: object) -> list[Record]:
        found = await super().rows(sql, *arguments)
        self.questions_left -= 1
        if self.questions_left == 0:
            await self.happens()
        return found


@pytest.mark.parametrize(("question", "told"), [(1, "completed"), (2, "running")])
async def test_a_run_that_ends_while_it_is_looked_for_is_found(
    database: str, tmp_path: Path, question: int, told: str
) -> None:
    """Behind the first question it is in neither table when it is looked for there."""
    store = await PostgresStore.open(database, worker_id="publisher")
    await publish_version(store, waiting())
    await store.close()
    log = Log()
    async with open_door(database, "one", (EVENTS, 0), folder=tmp_path) as door:
        await door.feed([log.add("go", id="t", email="ann@example.com")])
        ((run_id,),) = await rows(database, "select run_id from runs_active")
        async with reading(database) as session:
            asking = Interrupted(session.connection)
            asking.questions_left = question
            asking.happens = lambda: door.feed([log.add("answer", id="a", email="ann@example.com")])
            (found,) = await find_runs(asking, [run_id])
    assert found.run.status == told
    assert await rows(database, "select status from runs_done") == [("completed",)]
