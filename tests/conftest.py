"""Real servers for the tests that ask for them: started once a session, at the first request.

Each pytest process, so each worker of xdist, has its own. KAFKA_BOOTSTRAP_SERVERS and
DATABASE_URL name servers to use instead.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.databases import Databases
from deploy.local.kafka import LocalBroker
from deploy.local.postgres import LocalPostgres
from deploy.local.process import Guard
from deploy.local.stack import LocalStack

# These machines are shared: how long an example takes says nothing about the code.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared")

NEED_SERVICES = {Path(__file__).parent / name for name in ("integration", "clients")}

CreateTopics = Callable[..., Awaitable[list[str]]]
"""`create(*names, partitions=1, **config)` answers the unique names made of them, in order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if NEED_SERVICES.intersection(item.path.parents):
            item.add_marker(pytest.mark.services)


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The bootstrap servers of the session's Kafka."""
    with LocalStack(postgres=False, short_lived=True) as stack:
        yield stack.bootstrap_servers


@pytest.fixture
def own_broker() -> Iterator[LocalBroker]:
    """A broker of the test's own, to stop, kill, freeze and start again."""
    with Guard() as guard:
        broker = LocalBroker(guard, short_lived=True)
        broker.start()
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """The session's Postgres, as a place to create databases in."""
    with LocalStack(kafka=False, short_lived=True) as stack:
        yield Databases(stack.database_url)


@pytest.fixture
def own_postgres() -> Iterator[LocalPostgres]:
    """A Postgres of the test's own, to stop, kill, freeze and start again."""
    with Guard() as guard:
        server = LocalPostgres(guard)
        server.start()
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: Databases) -> Iterator[str]:
    """The name of a database that was migrated once and is only ever copied."""
    from state.postgres.migrate import migrate

    name = f"waitline_template_{uuid4().hex[:8]}"
    asyncio.run(migrate(asyncio.run(postgres.create(name))))
    yield name
    asyncio.run(postgres.drop(name))


@pytest.fixture
async def database(postgres: Databases, migrated_template: str) -> AsyncIterator[str]:
    """The DSN of a fresh, migrated database."""
    name = f"waitline_{uuid4().hex[:8]}"
    yield await postgres.create(name, migrated_template)
    await postgres.drop(name)


@pytest.fixture
async def empty_database(postgres: Databases) -> AsyncIterator[str]:
    """The DSN of a fresh database with nothing in it."""
    name = f"waitline_{uuid4().hex[:8]}"
    yield await postgres.create(name)
    await postgres.drop(name)


@pytest.fixture
async def topics(kafka: str) -> AsyncIterator[CreateTopics]:
    """Create topics of this test's own: `events, other = await topics("events", "other")`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    created: list[str] = []

    async def create(*names: str, partitions: int = 1, **config: str) -> list[str]:
        fresh = [f"{name}-{uuid4().hex[:8]}" for name in names]
        settings = {"message.timestamp.type": "LogAppendTime"} | {
            key.replace("_", "."): value for key, value in config.items()
        }
        answer = await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs=settings) for name in fresh]
        )
        assert all(code == 0 for _, code, _ in answer.topic_errors), answer
        created.extend(fresh)
        return fresh

    yield create
    if created:
        await admin.delete_topics(created)
    await admin.close()
