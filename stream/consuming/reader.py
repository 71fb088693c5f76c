"""Reads the partitions we hold, in turns, and decodes what comes while the last batch commits."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

import structlog

from stream.consuming.assignment import Assignment
from stream.consuming.batches import Partition
from stream.consuming.client import KAFKA_FAILURES, KafkaClient, OutOfRange
from stream.consuming.takeover import Contradiction
from stream.consuming.terms import Terms
from stream.consuming.unpacking import Record

log = structlog.get_logger()

#: How long a quiet stream is waited for in one go; a partition that begins to flow meanwhile is
#: noticed after it.
WAIT_MS = 250
#: How many records of one partition are decoded in a row: a few milliseconds of the event loop.
CHUNK_RECORDS = 200
#: The pause after a failure, so that one that stays does not spin.
FAILURE_SECONDS = 1.0


class Reader:
    """Fills the backlog, a chunk of each partition in turn, so that a hot one starves nobody."""

    def __init__(self, client: KafkaClient, assignment: Assignment, terms: Terms) -> None:
        self._client = client
        self._assignment = assignment
        self._backlog = assignment.backlog
        self._understand = terms.read
        self._clock = terms.clock
        #: How often all that flows was asked for records; it stands still while nobody reads.
        self.rounds = 0

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self._assignment.until(lambda: self._assignment.held)
            await self._backlog.until_room()
            if not self._assignment.held:
                continue  # a rebalance came while we waited for room
            if not await self._round():
                await self._clock.sleep(self._clock.jittered(FAILURE_SECONDS))
            self.rounds += 1

    async def _round(self) -> bool:
        """Wait for a first record, then take a chunk of every partition; answer if all went well.

        No lock is held meanwhile: a rebalance may begin at any await here, and the listener must
        not wait for us. It empties `held`, so what comes of a lost partition finds no holding.
        """
        flowing = sorted(self._assignment.held)
        went_well = await self._read(flowing, records_max=1, wait_ms=WAIT_MS)
        first = self.rounds % len(flowing)
        for partition in flowing[first:] + flowing[:first]:
            if self._backlog.room and partition in self._assignment.held:
                room = min(CHUNK_RECORDS, self._backlog.room)
                went_well &= await self._read([partition], records_max=room)
                await asyncio.sleep(0)  # decoding kept the loop: let heartbeats and commits go on
        return went_well

    async def _read(
        self, partitions: Collection[Partition], *, records_max: int, wait_ms: int = 0
    ) -> bool:
        try:
            found = await self._client.read(partitions, records_max=records_max, wait_ms=wait_ms)
        except OutOfRange as error:
            self._stop(error.offsets)
            return False
        except KAFKA_FAILURES as error:
            # The watchdog judges whether it lasts; other partitions are read meanwhile.
            log.warning("partitions.unreadable", partitions=partitions, error=error)
            return False
        # No await between the read and this: a record belongs to who holds its partition now.
        for partition, records in found.items():
            self._add(partition, records)
        for holding in list(self._assignment.held.values()):
            holding.read_to = await self._client.position(holding.partition)
        return True

    def _add(self, partition: Partition, records: Sequence[Record]) -> None:
        holding = self._assignment.held.get(partition)
        if holding is None:
            return  # lost while we waited; its next owner, or we, read it again
        self._backlog.add(holding, self._understand(records), _size(records))

    def _stop(self, offsets: Mapping[Partition, int]) -> None:
        """Stop partitions whose next record has left the log: going on would be a silent loss."""
        for partition, offset in offsets.items():
            holding = self._assignment.held.get(partition)
            if holding is not None and holding.read_to == offset:
                self._assignment.stop(partition, holding.epoch)
                Contradiction.EXPIRED.report(partition, offset)


def _size(records: Sequence[Record]) -> int:
    """Return about how many bytes records keep in memory."""
    keys = sum([len(key) for each in records if (key := each.key)])
    values = sum([len(value) for each in records if (value := each.value)])
    headers = [each.headers for each in records if each.headers]
    return (
        keys + values + sum(len(name) + len(text or b"") for some in headers for name, text in some)
    )
