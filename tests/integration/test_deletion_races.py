"""A person is deleted while another worker holds an older event of theirs: nothing comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from state.event import Decoded
from state.postgres.store import PostgresStore
from stream.consuming.batches import BatchResult
from tests.integration.doors import CONTACTS, EVENTS, Door, Log, open_door
from tests.integration.drawn import waiting
from tests.integration.kit import publish_version
from tests.stored import connected, rows, until_blocked

ANN = {"email": "ann@example.com"}

LIVING = """
select event_id from events join contacts using (contact_id) where deleted_at is null
"""


@pytest.fixture
async def doors(
    database: str, store: PostgresStore, tmp_path: Path
) -> AsyncIterator[tuple[Door, Door]]:
    await publish_version(store, waiting())
    async with (
        open_door(database, "one", (EVENTS, 0), folder=tmp_path) as one,
        open_door(database, "two", (CONTACTS, 0), folder=tmp_path) as two,
    ):
        yield one, two


def deletion_and_what_was_before(log: Log) -> tuple[Decoded, Decoded]:
    gone = log.clock - timedelta(seconds=1)
    before = gone - timedelta(seconds=1)
    return (
        log.add("contact.deleted", topic=CONTACTS, occurred_at=gone.isoformat(), **ANN),
        log.add("go", occurred_at=before.isoformat(), **ANN),
    )


async def one_behind_the_other(
    database: str, held: str, *turns: Coroutine[Any, Any, BatchResult]
) -> None:
    """Let turns wait in line while a statement's locks are held; then let them go on."""
    async with (
        connected(database) as holder,
        asyncio.TaskGroup() as group,
        holder.transaction(),
    ):
        await holder.execute(held)
        for place, turn in enumerate(turns, 1):
            group.create_task(turn)
            await until_blocked(database, place)


async def assert_nobody_is_left(database: str) -> None:
    assert await rows(database, "select value from identifiers") == []
    assert await rows(database, "select run_id from runs_active") == []
    assert await rows(database, LIVING) == []


async def test_an_event_that_waits_for_the_deletion_of_its_person_is_erased(
    database: str, doors: tuple[Door, Door]
) -> None:
    """I5: whose event it is was asked before they were deleted, and answered after it."""
    one, two = doors
    log = Log()
    await one.feed([log.add("page.viewed", **ANN), log.add("answer", **ANN)])
    deletion, older = deletion_and_what_was_before(log)
    held = "select from contacts for no key update"
    await one_behind_the_other(database, held, two.feed([deletion]), one.feed([older]))
    await assert_nobody_is_left(database)


async def test_an_event_that_meets_the_deletion_of_a_stranger_is_erased(
    database: str, doors: tuple[Door, Door]
) -> None:
    """I5: nobody was known by the name, and both workers reserve it at once."""
    one, two = doors
    deletion, older = deletion_and_what_was_before(Log())
    held = "lock table erased_identifiers in share mode"
    await one_behind_the_other(database, held, two.feed([deletion]), one.feed([older]))
    assert await rows(database, "select count(*) from erased_identifiers") == [(1,)]
    await assert_nobody_is_left(database)
