"""Batches that take longer to decide than the server lets a transaction be idle: E3, D1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from state.postgres.store import PostgresStore
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
