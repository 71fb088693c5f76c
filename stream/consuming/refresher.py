"""Asks again and again where the logs end: for rule W4's `low`, for presence, for the watchdog."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import structlog

from state.postgres.offsets import Touch
from stream.consuming.assignment import Assignment, Move
from stream.consuming.batches import Holding, Partition
from stream.consuming.client import KAFKA_FAILURES, KafkaClient
from stream.consuming.reader import Reader
from stream.consuming.takeover import Takeover
from stream.consuming.terms import STORE_FAILURES, Terms
from stream.consuming.watchdog import Progress, Watchdog

log = structlog.get_logger()

#: How often `low` is refreshed while a timer is due, and when none is, in seconds. W4 asks for four
#: times a second; a timeout waits for it, and is to be late by no more than that in all (T2).
BRISK_SECONDS = 0.1
CALM_SECONDS = 5.0
#: How often it is looked whether one is due, in seconds.
LOOK_SECONDS = 0.25
#: A client that gets no answer, or no word of what is ours, for so long is replaced: it never goes
#: back to its bootstrap servers by itself, not even when all brokers have moved.
DEAF_SECONDS_MAX = 60.0
ADRIFT_SECONDS_MAX = 180.0


class Ending(Enum):
    """Why a membership of the group ends."""

    STOPPED = "stopped"
    UNREACHABLE = "unreachable"
    STALLED = "stalled"


class Refresher:
    """Keeps every partition we hold fresh in Postgres, and notices a client that is of no use."""

    def __init__(
        self,
        client: KafkaClient,
        assignment: Assignment,
        terms: Terms,
        takeover: Takeover,
        reader: Reader,
    ) -> None:
        self._client = client
        self._assignment = assignment
        self._takeover = takeover
        self._reader = reader
        self._store = terms.store
        self._clock = terms.clock
        self._timers_due = terms.timers_due
        self._watchdog = Watchdog(terms.stall_seconds)
        self._answered_at = self._known_at = self._clock.monotonic()
        self._refreshed: dict[Partition, Holding] = {}

    async def run(self) -> Ending:
        """Refresh until the client is of no use any more, and say why."""
        while True:
            ends = await self._ask()
            await self._touch()
            ending = self._judge(ends)
            if ending is not None:
                return ending
            await self._rest()

    async def _rest(self) -> None:
        """Wait until `low` is wanted again: for timers, for a partition just taken, or in time."""
        since = self._clock.monotonic()
        while self._clock.monotonic() - since < CALM_SECONDS:
            await self._clock.sleep(BRISK_SECONDS if self._timers_due() else LOOK_SECONDS)
            if self._timers_due() or self._refreshed != self._assignment.held:
                return

    async def _ask(self) -> Mapping[Partition, int] | None:
        """Ask where the partitions we hold end; answer None if that cannot be known now."""
        held = dict(self._assignment.held)
        self._refreshed = held
        try:
            await self._takeover.register()
            if not held:
                self._answered_at = self._clock.monotonic()
                return {}
            # The instant first: what arrives between the two must not count as consumed by then.
            asked_at = await self._store.database_now()
            ends = await self._client.ends(list(held))
        except STORE_FAILURES as error:
            log.warning("partitions.not_refreshed", error=error)
            self._answered_at = self._clock.monotonic()  # says nothing about Kafka
            return None
        except KAFKA_FAILURES as error:
            log.warning("kafka.silent", error=error)
            return None
        self._answered_at = self._clock.monotonic()
        still = {
            partition: ends[partition]
            for partition, holding in held.items()
            if self._assignment.held.get(partition) is holding
        }
        self._assignment.watermark.asked(asked_at, still)
        return still

    async def _touch(self) -> None:
        """Store that we are alive, and how far what rests has come."""
        async with self._assignment.writing:
            rows = [*self._held(), *self._stopped()]
            if not rows:
                return
            try:
                fenced = await self._store.touch_partitions(rows)
            except STORE_FAILURES as error:
                log.warning("partitions.not_refreshed", error=error)
                return
            if fenced:
                log.warning("partitions.fenced", partitions=sorted(fenced))
            self._assignment.settle(
                (
                    Move((row.topic, row.partition), row.epoch, row.next_offset, row.low)
                    for row in rows
                ),
                fenced,
            )

    def _held(self) -> list[Touch]:
        """Say of each partition that it flows; if nothing of it waits, how far it is, too.

        Nothing is in flight either, because the batch in flight holds `writing`: all that was read
        is committed, but for markers and the like, over which this moves the offset. What waits is
        moved by its batch.
        """
        rows = []
        for partition, holding in sorted(self._assignment.held.items()):
            low = next_offset = None
            if not self._assignment.backlog.holds(partition):
                low = self._assignment.watermark.low(partition, holding.read_to)
                next_offset = holding.read_to
            rows.append(Touch(*partition, holding.epoch, low, True, next_offset))
        return rows

    def _stopped(self) -> list[Touch]:
        return [
            Touch(*partition, epoch, None, False)
            for partition, epoch in sorted(self._assignment.stopped.items())
        ]

    def _judge(self, ends: Mapping[Partition, int] | None) -> Ending | None:
        now = self._clock.monotonic()
        if self._assignment.is_known:
            self._known_at = now
        if now - self._answered_at > DEAF_SECONDS_MAX or now - self._known_at > ADRIFT_SECONDS_MAX:
            return Ending.UNREACHABLE
        if ends is None:
            self._watchdog.unanswered()
            return None
        stalled = self._watchdog.answered(
            now,
            {
                partition: Progress(holding.read_to, ends[partition], self._reader.rounds)
                for partition, holding in self._assignment.held.items()
                if partition in ends
            },
        )
        if stalled:
            held = self._assignment.held
            log.error(
                "partitions.stalled",
                partitions=stalled,
                next_offsets=[held[partition].read_to for partition in stalled],
            )
            return Ending.STALLED
        return None
