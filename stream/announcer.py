"""Tells the world over Kafka: receipts and dead letters, at least once, from the outbox (E5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError

from state.postgres.outgoing import Outgoing as Row
from state.turn import Moved, Unavailable
from stream.clock import Clock
from stream.producer import Outgoing, Publisher

#: How many turns' records are taken at once; each may hold a whole batch of dead letters.
ROWS_MAX = 8

#: The pause while there is nothing to tell, and after a failure, in seconds.
IDLE_SECONDS = 0.5
FAILURE_SECONDS = 5.0

log = structlog.get_logger()


class OutgoingStore(Protocol):
    """What is to be published."""

    async def outgoing(self, limit: int) -> list[Row]:
        """Return the oldest rows; nobody else gets them meanwhile."""
        ...

    async def outgoing_done(self, ids: Sequence[int]) -> None:
        """Forget rows that were published."""
        ...


class Announcer:
    """Publishes what turns have left in the Kafka outbox; `topics` names the topic of each role."""

    def __init__(
        self,
        store: OutgoingStore,
        publisher: Publisher,
        topics: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._topics = topics
        self._clock = clock

    async def run(self) -> None:
        """Publish until cancelled. What a failure leaves behind is published again later."""
        while True:
            pause = IDLE_SECONDS
            try:
                if await self.sweep():
                    continue
            except (Moved, Unavailable, KafkaError, TimeoutError) as fault:
                log.warning("announcer.retried", reason=type(fault).__name__)
                pause = FAILURE_SECONDS
            await self._clock.sleep(pause)

    async def sweep(self) -> int:
        """Publish what is there, then forget it; return how many records that were."""
        rows = await self._store.outgoing(ROWS_MAX)
        records = [
            Outgoing(self._topics[row.topic], record.key, record.value, record.headers)
            for row in rows
            for record in row.records
        ]
        if records:
            await self._publisher.publish_many(records)
            await self._store.outgoing_done([row.id for row in rows])
        return len(records)
