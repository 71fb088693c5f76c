"""The topics: made once with what Waitline relies on, and looked at ever after."""

# mypy: untyped-calls-exclude="aiokafka"

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from stream.clock import Clock

#: How long all the talking with the brokers may take.
ANSWER_SECONDS = 30.0
#: How often a new topic is looked for until all brokers know it.
APPEAR_SECONDS = 0.1

_BROKERS_DEFAULT = -1
_TIMESTAMPS = "message.timestamp.type"
_RETENTION = "retention.ms"
_CLEANUP = "cleanup.policy"


class TopicState(NamedTuple):
    """A topic as it stands. `retention` is None where records are kept for ever."""

    name: str
    is_new: bool
    partitions: int
    retention: timedelta | None
    warnings: tuple[str, ...]


async def create_topics(
    options: Mapping[str, Any],
    names: Collection[str],
    *,
    partitions: int,
    retention: timedelta,
    clock: Clock,
) -> list[TopicState]:
    """Make the topics that are missing and return the state of all, in order of `names`.

    Topics that exist stay as they are; what is unsafe about them is said in their warnings.

    Raises:
        KafkaError, TimeoutError: no broker answered, or one refused.
    """
    async with _admin(options) as admin:
        existing = set(await admin.list_topics())
        missing = [name for name in names if name not in existing]
        made = await _create(admin, missing, partitions, retention) if missing else frozenset()
        counts = await _appear(admin, names, clock)
        configs = await _configs(admin, names)
    return [
        TopicState(
            name,
            name in made,
            counts[name],
            _retention(configs[name]),
            _warnings(configs[name], retention),
        )
        for name in names
    ]


async def partition_counts(options: Mapping[str, Any], names: Collection[str]) -> dict[str, int]:
    """Return how many partitions each topic has; one that does not exist is left out.

    Raises:
        KafkaError, TimeoutError: no broker answered.
    """
    async with _admin(options) as admin:
        return await _counts(admin, names)


@asynccontextmanager
async def _admin(options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**options)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await admin.start()
            yield admin
    finally:
        await admin.close()


async def _create(
    admin: AIOKafkaAdminClient, names: Collection[str], partitions: int, retention: timedelta
) -> frozenset[str]:
    config = {
        # Then producers cannot forge the time of recording, nor have backdated events deleted.
        _TIMESTAMPS: "LogAppendTime",
        _RETENTION: str(round(retention.total_seconds() * 1000)),
        _CLEANUP: "delete",
    }
    answer: Any = await admin.create_topics(
        [NewTopic(name, partitions, _BROKERS_DEFAULT, {}, config) for name in names]
    )
    made = set()
    for name, code, text in answer.topic_errors:
        error = for_code(code)
        if not code:
            made.add(name)
        elif error is not TopicAlreadyExistsError:  # somebody else was quicker: as good as ours
            raise error(f"{name}: {text}")
    return frozenset(made)


async def _appear(
    admin: AIOKafkaAdminClient, names: Collection[str], clock: Clock
) -> dict[str, int]:
    """Wait until the broker that is asked knows all topics, new ones too."""
    while len(counts := await _counts(admin, names)) < len(set(names)):
        await clock.sleep(APPEAR_SECONDS)
    return counts


async def _counts(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, int]:
    # All topics are asked for: to ask for one that does not exist may create it.
    described = await admin.describe_topics()
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in described
        if topic["topic"] in names and topic["partitions"]
    }


async def _configs(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, dict[str, str]]:
    wanted = dict.fromkeys((_TIMESTAMPS, _RETENTION, _CLEANUP))
    answers: list[Any] = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in names]
    )
    found = {}
    for code, text, _, name, entries in (row for answer in answers for row in answer.resources):
        if code:
            raise for_code(code)(f"{name}: {text}")
        found[name] = {entry[0]: entry[1] for entry in entries}
    return found


def _retention(config: Mapping[str, str]) -> timedelta | None:
    milliseconds = int(config[_RETENTION])
    return None if milliseconds < 0 else timedelta(milliseconds=milliseconds)


def _warnings(config: Mapping[str, str], expected: timedelta) -> tuple[str, ...]:
    said = []
    if config[_TIMESTAMPS] != "LogAppendTime":
        said.append(
            f"{_TIMESTAMPS} is {config[_TIMESTAMPS]}: producers choose the time of recording, and "
            "the broker deletes backdated records at once; set it to LogAppendTime"
        )
    retention = _retention(config)
    if retention is None or retention > expected:
        said.append(
            f"{_RETENTION} is {config[_RETENTION]}: a record may come again after its event's id "
            "was forgotten; raise WAITLINE_TOPIC_RETENTION or lower the topic's retention"
        )
    if "compact" in config[_CLEANUP]:
        said.append(
            f"{_CLEANUP} is {config[_CLEANUP]}: of the records with one key only the last is kept; "
            "set it to delete"
        )
    return tuple(said)
