"""Tells the world over Kafka: receipts and dead letters, at least once, from the outbox (E5)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError

from state.postgres.outgoing import Outgoing as Row, Role
from state.turn import Moved, Unavailable
from stream.bell import Bell
from stream.clock import Clock
from stream.producer import Outgoing, Publisher

#: How many turns' records are taken at once; each may hold a whole batch of dead letters.
ROWS_MAX = 8

#: How long a turn's records wait for those of the next ones, in seconds.
GATHER_SECONDS = 0.25

#: How often an idle announcer looks for what others have left behind, in seconds.
IDLE_SECONDS = 2.0

#: The pause after a failure, in seconds.
FAILURE_SECONDS = 5.0

log = structlog.get_logger()


class OutgoingStore(Protocol):
    """What is to be published."""

    async def outgoing(self, role: Role, limit: int) -> list[Row]:
        """Return a topic's oldest rows; nobody else gets them meanwhile."""
        ...

    async def outgoing_done(self, role: Role, ids: Sequence[int]) -> None:
        """Forget rows that were published."""
        ...


class Announcer:
    """Publishes what turns have left in the Kafka outbox.

    `topics` names the topic of each role; the bell of a role in `news` rings when there is some.
    """

    def __init__(
        self,
        store: OutgoingStore,
        publisher: Publisher,
        topics: Mapping[Role, str],
        news: Mapping[str, Bell],
        clock: Clock,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._topics = topics
        self._news = news
        self._clock = clock

    async def run(self) -> None:
        """Publish until cancelled. What a failure leaves behind is published again later.

        Each topic by itself: one that is missing, or that we may not write to, holds up no other,
        and nothing is told over and over because of it.
        """
        async with asyncio.TaskGroup() as group:
            for role in self._topics:
                group.create_task(self._tell(role))

    async def _tell(self, role: Role) -> None:
        while True:
            try:
                if await self._sweep(role):
                    continue
                await self._news[role].wait_for(IDLE_SECONDS)
                pause = GATHER_SECONDS
            except (Moved, Unavailable, KafkaError, TimeoutError) as fault:
                topic, reason = self._topics[role], type(fault).__name__
                log.warning("announcer.retried", topic=topic, reason=reason)
                pause = FAILURE_SECONDS
            await self._clock.sleep(pause)

    async def _sweep(self, role: Role) -> int:
        """Publish what is there, then forget it; return how many records that were."""
        rows = await self._store.outgoing(role, ROWS_MAX)
        topic = self._topics[role]
        records = [
            Outgoing(topic, record.key, record.value, record.headers)
            for row in rows
            for record in row.records
        ]
        if rows:  # all that one held may have been erased (rule I5)
            await self._publisher.publish_many(records)
            await self._store.outgoing_done(role, [row.id for row in rows])
        return len(records)
