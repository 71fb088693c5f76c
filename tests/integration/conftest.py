"""What tests of the store share."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from state.postgres.store import PostgresStore
from tests.conftest import CreateTopics
from tests.integration.doors import CONTACTS, EVENTS, Door, open_door
from tests.integration.kit import House, a_house
from tests.stored import connected


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresStore]:
    """One worker's store on a fresh, migrated database."""
    opened = await PostgresStore.open(database, worker_id="one")
    yield opened
    await opened.close()


@pytest.fixture
async def other(database: str) -> AsyncIterator[PostgresStore]:
    """Another worker's store on the same database."""
    opened = await PostgresStore.open(database, worker_id="two")
    yield opened
    await opened.close()


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection past the store, with its settings."""
    async with connected(database) as opened:
        yield opened


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Door]:
    """A worker's door for events and contacts, which records what it sends."""
    async with open_door(database, "one", (EVENTS, 0), (CONTACTS, 0), folder=tmp_path) as opened:
        yield opened


@pytest.fixture
async def house(
    kafka: str, database: str, topics: CreateTopics, tmp_path: Path
) -> AsyncIterator[House]:
    """Topics of four partitions, a database and settings of this test's own."""
    async with a_house(kafka, database, topics, tmp_path) as made:
        yield made


@pytest.fixture
async def narrow_house(
    kafka: str, database: str, topics: CreateTopics, tmp_path: Path
) -> AsyncIterator[House]:
    """A house whose topics have one partition each."""
    async with a_house(kafka, database, topics, tmp_path, partitions=1) as made:
        yield made
