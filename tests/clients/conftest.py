"""What tests of clients share: a house whose worker runs, and which is served over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.node_clients import packages_or_skip
from tests.clients.served import Served, serve
from tests.conftest import CreateTopics
from tests.integration.kit import a_house


@pytest.fixture
async def served(
    kafka: str, database: str, topics: CreateTopics, tmp_path: Path
) -> AsyncIterator[Served]:
    """A house with a worker and a server of its own, and a key that may do everything."""
    async with (
        a_house(kafka, database, topics, tmp_path) as house,
        house.worker(),
        serve(house) as opened,
    ):
        yield opened


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder in which npm's clients are installed."""
    return packages_or_skip()
