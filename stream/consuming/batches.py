"""What has been read and decoded and waits for the processor: it grows while a batch commits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from state.event import Read

#: A topic and the number of one of its partitions.
Partition = tuple[str, int]


@dataclass(slots=True)
class Holding:
    """A partition that is ours: the fence's `epoch`, and how far it was committed and read.

    `read_to` follows the consumer's position, so it also passes what is never delivered (aborted
    records, the markers of transactions, compacted offsets); `committed` is what Postgres has.
    """

    partition: Partition
    epoch: int
    committed: int
    read_to: int


@dataclass(frozen=True, slots=True)
class Slice:
    """What one batch moves of one partition: all of it from one offset up to, not with, another.

    `low` is the newest instant at which the partition's end was asked and was <= `to_offset` (W4).
    """

    topic: str
    partition: int
    epoch: int
    from_offset: int
    to_offset: int
    decoded: tuple[Read, ...]
    low: datetime | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Slices of several partitions, at most one each, to be applied in one transaction."""

    slices: tuple[Slice, ...]

    def __len__(self) -> int:
        return sum(len(part.decoded) for part in self.slices)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: it was applied, but for the partitions that were fenced (E3)."""

    fenced: frozenset[Partition] = frozenset()


@dataclass(slots=True)
class Pending:
    """What was read of one holding and not yet handed over."""

    holding: Holding
    decoded: list[Read] = field(default_factory=list)
    size: int = 0


class Backlog:
    """The one slot between reading and processing; bounded in records and bytes.

    An idle processor takes what is there at once; while it is busy, records gather up to the caps.
    `room` says how many more may come; the cap in bytes may be passed by one such read.
    """

    def __init__(self, *, records_max: int, bytes_max: int) -> None:
        self._records_max = records_max
        self._bytes_max = bytes_max
        self._records = 0
        self._bytes = 0
        self._pending: dict[Partition, Pending] = {}
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._has_some = asyncio.Event()

    @property
    def room(self) -> int:
        """Return how many records may still be added."""
        return 0 if self._bytes >= self._bytes_max else max(0, self._records_max - self._records)

    def holds(self, partition: Partition) -> bool:
        """Say whether something of this partition waits here."""
        return partition in self._pending

    async def until_room(self) -> None:
        """Wait until something may be added."""
        await self._has_room.wait()

    async def until_some(self) -> None:
        """Wait until there is something to take."""
        await self._has_some.wait()

    def add(self, holding: Holding, decoded: Sequence[Read], size: int) -> None:
        """Append the next records of a holding; `size` is their bytes on the wire."""
        pending = self._pending.setdefault(holding.partition, Pending(holding))
        assert pending.holding is holding, "a lost holding's records must be dropped first"
        pending.decoded.extend(decoded)
        pending.size += size
        self._count(len(decoded), size)

    def drop(self, partition: Partition) -> int:
        """Forget what was read of a partition that is lost; return how many records that was."""
        pending = self._pending.pop(partition, None)
        if pending is None:
            return 0
        self._count(-len(pending.decoded), -pending.size)
        return len(pending.decoded)

    def take(self) -> list[Pending]:
        """Hand over all that waits, in the order of topic and partition."""
        taken = [self._pending[partition] for partition in sorted(self._pending)]
        self._pending.clear()
        self._count(-self._records, -self._bytes)
        return taken

    def _count(self, records: int, size: int) -> None:
        self._records += records
        self._bytes += size
        _show(self._has_room, self.room > 0)
        _show(self._has_some, bool(self._pending))


def _show(event: asyncio.Event, is_so: bool) -> None:
    if is_so:
        event.set()
    else:
        event.clear()
