"""Takes the partitions that Kafka gave us in Postgres, finds where to read on, lets them flow."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import structlog

from state.postgres.offsets import Held
from stream.consuming.assignment import Assignment
from stream.consuming.batches import Holding, Partition
from stream.consuming.client import KAFKA_FAILURES, KafkaClient
from stream.consuming.terms import STORE_FAILURES, Terms

log = structlog.get_logger()

#: The longest pause between two attempts at partitions that could not be taken.
RETRY_SECONDS_MAX = 5.0
#: The pause before a partition is taken again that somebody else took from us: if both believe that
#: they own it, one of them learns better by its next heartbeat, and meanwhile they do not race.
RETAKE_SECONDS = 1.0
#: After so long a partition that could not be taken is an incident.
UNTAKEN_SECONDS_MAX = 30.0


class Bounds(NamedTuple):
    """Where a partition's log begins and ends."""

    start: int
    end: int


class Contradiction(Enum):
    """Why a partition must not flow; the value says what an operator can do."""

    TRUNCATED = (
        "the log ends before our offset: it was truncated, or the topic was deleted and made anew",
        "if the topic was made anew, give WAITLINE_STREAM_EPOCH a new value; if it is being"
        " restored, wait until it is whole; then restart the workers",
    )
    EXPIRED = (
        "the log begins after our offset: records were removed before they were read",
        "restore the records or accept the loss: give WAITLINE_STREAM_EPOCH a new value to go on"
        " from the start of the log; then restart the workers; lengthen the topic's retention",
    )

    def report(self, partition: Partition, next_offset: int, **facts: int) -> None:
        """Tell an operator, loudly, that a partition stands still until somebody acts."""
        what, remedy = self.value
        log.error(
            "partition.stopped",
            partition=partition,
            why=what,
            remedy=remedy,
            next_offset=next_offset,
            **facts,
        )


def place(next_offset: int | None, bounds: Bounds) -> int | Contradiction:
    """Return where to read on, or what forbids it: never a silent jump over records.

    A partition that was never consumed begins at the start of its log, whatever Kafka's own
    committed offset says; so nothing that came before the partition was noticed is lost.
    """
    if next_offset is None:
        return bounds.start
    if bounds.end < next_offset:
        return Contradiction.TRUNCATED
    if bounds.start > next_offset:
        return Contradiction.EXPIRED
    return next_offset


class Takeover:
    """The supervised task behind the rebalance listener, which itself may only take note."""

    def __init__(self, client: KafkaClient, assignment: Assignment, terms: Terms) -> None:
        self._client = client
        self._assignment = assignment
        self._store = terms.store
        self._clock = terms.clock
        self._owner = terms.owner
        self._registered: set[Partition] = set()
        self._missing: set[str] = set()
        self._taken_in = 0

    async def run(self) -> None:
        """Take whatever is ours and not taken, until cancelled."""
        while True:
            await self._assignment.until(self._assignment.untaken)
            if self._taken_in == self._assignment.generation:
                await self._clock.sleep(self._clock.jittered(RETAKE_SECONDS))
            await self._take_all()

    async def register(self) -> None:
        """Give every partition of every input topic its row, as soon as Kafka shows it (W4)."""
        topics = self._client.partitions()
        self._report_missing({topic for topic, numbers in topics.items() if not numbers})
        known = {(topic, number) for topic, numbers in topics.items() for number in numbers}
        if new := known - self._registered:
            await self._store.register_partitions(sorted(new))
            self._registered |= new

    def _report_missing(self, topics: set[str]) -> None:
        is_known = self._assignment.is_known  # before the first join metadata may lack anything
        if topics and topics != self._missing and is_known:
            log.warning("topics.missing", topics=sorted(topics), remedy="waitline topics create")
        self._missing = topics if is_known else set()

    async def _take_all(self) -> None:
        generation = self._assignment.generation
        since = self._clock.monotonic()
        pause = 0.1
        groups = [self._assignment.untaken()]
        while generation == self._assignment.generation and any(groups):
            for group in groups:
                await self._try(group, self._clock.monotonic() - since)
            # After a failure one at a time: a partition without a leader must not hold the others.
            groups = [[partition] for partition in self._assignment.untaken()]
            if groups:
                await self._clock.sleep(self._clock.jittered(pause))
                pause = min(2 * pause, RETRY_SECONDS_MAX)
        self._taken_in = generation

    async def _try(self, partitions: Sequence[Partition], waited: float) -> None:
        try:
            await self._take(partitions)
        except (*KAFKA_FAILURES, *STORE_FAILURES) as error:
            say = log.error if waited > UNTAKEN_SECONDS_MAX else log.warning
            say(
                "partitions.untaken",  # they stay paused until they are
                partitions=partitions,
                seconds=round(waited, 1),
                error=error,
            )

    async def _take(self, partitions: Sequence[Partition]) -> None:
        generation = self._assignment.generation
        await self.register()
        held = await self._store.take_partitions(partitions, self._owner)
        # Asked after the fence is ours: nobody moves the offset any more, so an end below it is
        # no race but a contradiction.
        starts = await self._client.starts(partitions)
        ends = await self._client.ends(partitions)
        if generation != self._assignment.generation:
            return  # a rebalance came in between; its own turn takes what is ours then
        for partition in partitions:
            self._let_flow(partition, held[partition], Bounds(starts[partition], ends[partition]))

    def _let_flow(self, partition: Partition, held: Held, bounds: Bounds) -> None:
        match place(held.next_offset, bounds):
            case Contradiction() as contradiction:
                self._assignment.stop(partition, held.epoch)
                contradiction.report(partition, held.next_offset or 0, **bounds._asdict())
            case offset:
                self._client.seek(partition, offset)
                self._assignment.hold(Holding(partition, held.epoch, offset, read_to=offset))
