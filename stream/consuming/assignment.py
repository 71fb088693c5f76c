"""Which partitions Kafka has given us, which of them we hold in Postgres, and how far each is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from stream.consuming.batches import Backlog, Batch, Holding, Partition, Slice
from stream.consuming.watermark import Watermark


class Flow(Protocol):
    """What can stop records from coming."""

    def pause(self, partitions: Collection[Partition]) -> None:
        """Let no more records come from these, as far as they are assigned at all."""
        ...


class Move(NamedTuple):
    """What was stored of a partition under this epoch; an offset of None left it where it was."""

    partition: Partition
    epoch: int
    to_offset: int | None
    low: datetime | None


class Assignment:
    """The memory that the parts of a membership share; every change of it is one synchronous step.

    A partition is *wanted* (Kafka gave it to us), then *held* (taken in Postgres, sought, flowing),
    or *stopped* (taken, but its log and our offset contradict each other: an operator must look).
    Only what is held flows.
    """

    def __init__(self, flow: Flow, backlog: Backlog, watermark: Watermark) -> None:
        self._flow = flow
        self.backlog = backlog
        self.watermark = watermark
        #: Held by whoever writes offsets: the batch in flight, or a refresh. Never across a read:
        #: the rebalance listener waits for it, and reads wait for rebalances.
        self.writing = asyncio.Lock()
        #: Grows with every rebalance: what was begun under another number is void.
        self.generation = 0
        #: Whether Kafka has told us what is ours since the last rebalance began.
        self.is_known = False
        self.held: dict[Partition, Holding] = {}
        #: Stopped partitions, each with the epoch under which it was taken.
        self.stopped: dict[Partition, int] = {}
        self._wanted: frozenset[Partition] = frozenset()
        self._changed = asyncio.Event()

    def assign(self, partitions: frozenset[Partition]) -> None:
        """Note what Kafka gave us; all of it is to be taken anew."""
        self._begin_generation(partitions)
        self.is_known = True

    def revoke(self) -> None:
        """Forget everything, at once: it may belong to others already, or for some time (E3)."""
        self._begin_generation(frozenset())
        self.is_known = False

    def epochs(self) -> dict[Partition, int]:
        """Return the epoch of every partition that was taken, flowing or stopped."""
        return {one.partition: one.epoch for one in self.held.values()} | self.stopped

    def untaken(self) -> list[Partition]:
        """Return what is ours and neither held nor stopped."""
        return sorted(self._wanted - self.held.keys() - self.stopped.keys())

    def hold(self, holding: Holding) -> None:
        """Note that a partition was taken and flows."""
        self.held[holding.partition] = holding
        self._changed.set()

    def stop(self, partition: Partition, epoch: int) -> None:
        """Note that a partition was taken and must not flow."""
        self._lose([partition])
        self.stopped[partition] = epoch

    def take_batch(self) -> Batch:
        """Hand over all that was read; it runs from what is committed to what is read."""
        return Batch(
            tuple(
                Slice(
                    *pending.holding.partition,
                    epoch=pending.holding.epoch,
                    from_offset=pending.holding.committed,
                    to_offset=pending.holding.read_to,
                    decoded=tuple(pending.decoded),
                    low=self.watermark.low(pending.holding.partition, pending.holding.read_to),
                )
                for pending in self.backlog.take()
            )
        )

    def settle(self, moves: Iterable[Move], fenced: Collection[Partition]) -> None:
        """Note what was stored, and let go of what was fenced, to take it anew if it is ours.

        A partition that was lost in the meantime, even if it is back, is none of these moves'.
        """
        epochs = self.epochs()
        for partition, epoch, to_offset, low in moves:
            if epoch != epochs.get(partition):
                continue
            if partition in fenced:
                self._lose([partition])
            elif to_offset is not None and partition in self.held:
                self.held[partition].committed = to_offset
                self.watermark.stored(partition, low)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a change has made this true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def _begin_generation(self, partitions: frozenset[Partition]) -> None:
        self.generation += 1
        self._lose([*self.held, *self.stopped])
        self._wanted = partitions
        self._changed.set()

    def _lose(self, partitions: Collection[Partition]) -> None:
        self._flow.pause(partitions)
        for partition in partitions:
            self.held.pop(partition, None)
            self.stopped.pop(partition, None)
            self.backlog.drop(partition)
            self.watermark.forget(partition)
        self._changed.set()
