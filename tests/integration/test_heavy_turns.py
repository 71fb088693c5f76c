"""Batches that are too much for one turn, by the time they take or the runs they move: E3, D1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from typing_extensions import override

from state.postgres.store import PostgresStore
from stream import sizing, turn
from stream.clock import SystemClock
from stream.processor import Processor
from tests.integration.doors import EVENTS, PLAIN, Log, open_door
from tests.integration.drawn import waiting
from tests.integration.kit import publish_version
from tests.stored import rows

PEOPLE = 20


@dataclass(slots=True)
class Laborious(SystemClock):
    """A clock by which a second passes whenever somebody looks at it."""

    seconds: float = 0.0

    @override
    def monotonic(self) -> float:
        self.seconds += 1.0
        return self.seconds


async def test_a_batch_that_takes_too_long_to_decide_is_applied_in_parts(
    database: str, store: PostgresStore, tmp_path: Path
) -> None:
    """E3, D1: as a whole it would be ended by the server and begun again, for ever."""
    await publish_version(store, waiting())
    log = Log()
    async with open_door(database, "one", (EVENTS, 0), folder=tmp_path) as door:
        door.processor = Processor(door.store, PLAIN, Laborious(), door.counters)
        await door.feed([log.add("go", email=f"p{n}@example.com") for n in range(PEOPLE)])
        assert door.counters.value("turns_halved") == 3, "20 are too many, so are 10, 5 are not"
    assert await rows(database, "select count(*) from runs_active") == [(PEOPLE,)]
    assert await rows(database, "select next_offset from partitions") == [(PEOPLE,)]


async def test_a_turn_takes_fewer_events_where_each_starts_many_runs(
    database: str, store: PostgresStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E3, D1: one turn is given up, and those that follow are small enough at once."""
    monkeypatch.setattr(turn, "RUNS_MAX", 30)
    monkeypatch.setattr(sizing, "RUNS_WANTED", 15)
    await publish_version(store, *(waiting(f"Waiting {number}") for number in range(5)))
    log = Log()
    async with open_door(database, "one", (EVENTS, 0), folder=tmp_path) as door:
        for first in (0, PEOPLE):
            numbers = range(first, first + PEOPLE)
            await door.feed([log.add("go", email=f"p{number}@example.com") for number in numbers])
        assert door.counters.value("turns_halved") == 1
    sizes = await rows(database, "select count(*) from runs_active group by xmin::text")
    assert sum(size for (size,) in sizes) == 2 * 5 * PEOPLE
    assert max(size for (size,) in sizes) == 15
    assert await rows(database, "select next_offset from partitions") == [(2 * PEOPLE,)]
