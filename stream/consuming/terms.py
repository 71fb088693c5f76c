"""What a member of the consumer group is given: the same whatever client it has at the moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from state.event import Read
from state.postgres.offsets import Held, Touch
from state.turn import Moved, Unavailable
from stream.clock import Clock
from stream.consuming.batches import Batch, BatchResult, Partition
from stream.consuming.unpacking import Record
from stream.telemetry import Counters

#: What the store may fail with, for now.
STORE_FAILURES = (Unavailable, Moved)


class PartitionStore(Protocol):
    """Who owns a partition, and how far it is: one row for each, with the fence in it (E3, W4).

    Each method may fail with `STORE_FAILURES`.
    """

    async def register_partitions(self, partitions: Sequence[Partition]) -> None:
        """Make the rows there are not yet; a partition never consumed holds all timers."""
        ...

    async def take_partitions(
        self, partitions: Sequence[Partition], owner: str
    ) -> Mapping[Partition, Held]:
        """Mint a new epoch for each, which fences whoever had it."""
        ...

    async def release_partitions(self, held: Mapping[Partition, Held]) -> None:
        """Give them back, where they are still ours."""
        ...

    async def touch_partitions(self, rows: Sequence[Touch]) -> set[Partition]:
        """Store that they are alive, and how far; return those that are fenced."""
        ...

    async def database_now(self) -> datetime:
        """Return the database's clock."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """The means and limits of a member.

    `process` applies a batch and returns which of its partitions were fenced; it retries what can
    be retried, so what it raises ends the process. `timers_due` says whether `low` is wanted soon.
    `stall_seconds` is the watchdog's patience, `drain_seconds` what an orderly end takes at most.
    """

    store: PartitionStore
    clock: Clock
    counters: Counters
    read: Callable[[Sequence[Record]], list[Read]]
    process: Callable[[Batch], Awaitable[BatchResult]]
    timers_due: Callable[[], bool]
    owner: str
    records_max: int
    bytes_max: int
    stall_seconds: float
    drain_seconds: float
