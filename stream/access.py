"""How commands reach the environment, Postgres and Kafka, and what they say when they cannot."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from stream import terminal
from stream.trouble import MISUSED, Trouble

if TYPE_CHECKING:
    from state.event import Identifier
    from state.postgres.session import Session
    from stream.config import Settings
    from stream.desk import Desk
    from stream.peek import Peek
    from stream.processor import Processor

T = TypeVar("T")


def settings() -> Settings:
    """Read the environment; what looks like a misspelt setting is told, and ignored."""
    from stream.config import ConfigError, load_settings, misspelt_settings

    for name, meant in misspelt_settings().items():
        _note_once(f"waitline: {name} is no setting and is ignored; did you mean {meant}?")
    try:
        return load_settings()
    except ConfigError as error:
        raise Trouble(f"the environment cannot be used:\n{error}", MISUSED) from None


@cache
def _note_once(text: str) -> None:
    terminal.note(text)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; libraries keep quiet, since what fails is said once, in our words."""
    import asyncio

    with _quiet("aiokafka"), _quiet("asyncio"):
        return asyncio.run(work)


@contextmanager
def _quiet(library: str) -> Iterator[None]:
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@asynccontextmanager
async def tables(config: Settings) -> AsyncIterator[Session]:
    """Open the tables for reading."""
    from state.postgres.reading import reading

    with postgres_troubles(config):
        async with reading(config.database_url) as session:
            yield session


@asynccontextmanager
async def operating(config: Settings) -> AsyncIterator[Session]:
    """Open a transaction for an operator's change; it commits at the end."""
    from state.postgres.store import PostgresStore

    with postgres_troubles(config):
        store = await PostgresStore.open(config.database_url, worker_id="cli", pool_max=1)
        try:
            async with store.session() as session:
                yield session
        finally:
            await store.close()


@asynccontextmanager
async def door(config: Settings) -> AsyncIterator[Processor]:
    """Open the door for an operator's command: it takes its turn like everything else."""
    from state.postgres.store import PostgresStore
    from stream.clock import SystemClock
    from stream.processor import Processor
    from stream.service import rules_of
    from stream.telemetry import Counters, configure_logs

    configure_logs(config.log_format, "WARNING", sys.stderr)
    with postgres_troubles(config):
        clock = SystemClock()
        store = await PostgresStore.open(
            config.database_url,
            worker_id=f"cli:{clock.new_id()}",
            stream_epoch=config.stream_epoch,
            input_topics=config.topics_in,
            pool_max=2,
        )
        try:
            yield Processor(store, rules_of(config), clock, Counters())
        finally:
            await store.close()


def desk(config: Settings) -> Desk:
    """Return all three, for work that needs them one after the other."""
    from stream.desk import Desk

    return Desk(partial(tables, config), partial(operating, config), partial(door, config))


@asynccontextmanager
async def topics(config: Settings) -> AsyncIterator[Peek]:
    """Open the input topics for looking into."""
    from stream.decoding.decode import Sources
    from stream.kafka import kafka_client_options
    from stream.peek import peek

    sources = Sources(config.stream_epoch, frozenset(config.topics_contacts))
    with kafka_troubles(config):
        async with peek(kafka_client_options(config), config.topics_in, sources) as look:
            yield look


async def require_migrated(config: Settings) -> None:
    """Refuse a database that lacks migrations before anything that runs for long crashes on it."""
    from state.postgres.migrate import pending

    with postgres_troubles(config):
        missing = await pending(config.database_url)
    if missing:
        raise Trouble(f"the database lacks {', '.join(missing)}: run `waitline migrate`")


@contextmanager
def postgres_troubles(config: Settings) -> Iterator[None]:
    """Say in an operator's words what is wrong with Postgres."""
    from state.postgres.migrate import MigrationError
    from state.postgres.reading import NotMigrated, database_failures
    from state.turn import Moved, Refused, Unavailable, Unknown

    where = f"Postgres at {postgres_address(config.database_url)}"
    try:
        with database_failures():
            yield
    except Unavailable as error:
        if str(error).startswith("57014"):
            raise Trouble(f"{where} took too long over the answer: narrow the question") from None
        raise Trouble(f"{where} cannot be used: {error}\ncheck DATABASE_URL") from None
    except NotMigrated as error:
        raise Trouble(f"{where} is not migrated ({error}): run `waitline migrate`") from None
    except MigrationError as error:
        raise Trouble(f"{where}: {error}") from None
    except Refused as error:
        raise Trouble(
            f"{where} cannot take what was said ({error.text}): nothing was changed by it; "
            "give text as UTF-8, and numbers that fit",
            MISUSED,
        ) from None
    except Moved as error:
        raise Trouble(f"{where} was busy ({error}): try again") from None
    except Unknown:
        raise Trouble(
            f"{where} was lost at the commit: look whether the change took place"
        ) from None


@contextmanager
def kafka_troubles(config: Settings) -> Iterator[None]:
    """Say in an operator's words what is wrong with Kafka."""
    try:
        yield
    except (OSError, TimeoutError) as error:
        raise _kafka_trouble(config, error) from None
    except Exception as error:
        # By name: importing the library to learn its errors would cost every command its start.
        if not type(error).__module__.startswith("aiokafka."):
            raise
        raise _kafka_trouble(config, error) from None


def postgres_address(url: str) -> str:
    """Return host, port and database of a URL, never its password."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2] or "localhost"
    return f"{place}{parts.path}"


def parse_contact(text: str) -> Identifier:
    """Return the identifier that is written KIND:VALUE on the command line."""
    from state.event import KINDS, Identifier
    from state.identifier import IdentifierError, normalise
    from state.problem import choose

    kind, colon, value = text.partition(":")
    kind = kind.replace("-", "_")
    if not colon or kind not in KINDS:
        raise Trouble(
            f'"{text}" is no KIND:VALUE such as email:ann@example.com; {choose(kind, KINDS)}',
            MISUSED,
        )
    try:
        return Identifier(kind, normalise(kind, value))
    except IdentifierError as error:
        raise Trouble(f"{kind}: expected {error}", MISUSED) from None


def require_automation(name: str, names: Sequence[str]) -> None:
    """Refuse a name that no automation has, and say which one may have been meant."""
    from state.problem import choose

    if name not in names:
        fix = choose(name, names) if names else "there are none: `waitline automations apply FILE`"
        raise Trouble(f'there is no automation "{name}"; {fix}')


def _kafka_trouble(config: Settings, error: Exception) -> Trouble:
    said = str(error).split("\n", 1)[0] or type(error).__name__
    return Trouble(
        f"Kafka at {config.kafka_bootstrap_servers} cannot be used: {said}\n"
        "check KAFKA_BOOTSTRAP_SERVERS"
    )
