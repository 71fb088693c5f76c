"""The log and the group: partitions of records, and who reads which of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from state.event import Coordinates, Decoded
from tests.simulation.loop import VirtualLoop
from tests.simulation.tables import Partition

EVENTS, SHOP, CONTACTS = "waitline.events", "waitline.shop", "waitline.contacts"
PARTITIONS: tuple[Partition, ...] = (
    (CONTACTS, 0),
    (EVENTS, 0),
    (EVENTS, 1),
    (EVENTS, 2),
    (SHOP, 0),
    (SHOP, 1),
)


class Appended(NamedTuple):
    """A record in the log. `decoded` is None for what is never delivered: a transaction's mark."""

    at: datetime
    decoded: Decoded | None


class SimLog:
    """Append-only partitions; each has a broker clock of its own, which may be wrong."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.records: dict[Partition, list[Appended]] = {each: [] for each in PARTITIONS}
        self.skews = dict.fromkeys(PARTITIONS, timedelta())
        #: Partitions of which no record comes, though their ends are known.
        self.silent: set[Partition] = set()

    def now(self) -> datetime:
        return self._loop.now()

    def append(
        self, partition: Partition, make: Callable[[Coordinates, datetime], Decoded]
    ) -> Coordinates:
        """Append a record, which is made for its place and the broker's instant."""
        records, at = self.records[partition], self._loop.now()
        place = Coordinates(*partition, len(records))
        records.append(Appended(at, make(place, at + self.skews[partition])))
        return place

    def append_mark(self, partition: Partition) -> None:
        """Take an offset that no reader ever gets."""
        self.records[partition].append(Appended(self._loop.now(), None))

    def end(self, partition: Partition) -> int:
        return len(self.records[partition])

    def read(self, partition: Partition, offset: int, limit: int) -> tuple[list[Decoded], int]:
        """Return the next records, and the position after them."""
        if partition in self.silent:
            return [], offset
        found: list[Decoded] = []
        for appended in self.records[partition][offset:]:
            if appended.decoded is not None:
                if len(found) == limit:
                    break
                found.append(appended.decoded)
            offset += 1
        return found, offset


class Member(NamedTuple):
    """A worker as the group knows it."""

    name: str
    assign: Callable[[frozenset[Partition]], None]


class Group:
    """Shares the partitions among its members; an absent one goes on with what it believes."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        #: Partitions that nobody is given.
        self.orphans: set[Partition] = set()

    def join(self, member: Member) -> None:
        self.members[member.name] = member

    def leave(self, name: str) -> None:
        self.members.pop(name, None)

    def rebalance(self, present: Iterable[str], order: Sequence[Partition]) -> None:
        """Deal the partitions out anew among those present; the others are thought to be dead."""
        names = sorted(present)
        dealt: dict[str, set[Partition]] = {name: set() for name in names}
        if names:
            for index, partition in enumerate(order):
                if partition not in self.orphans:
                    dealt[names[index % len(names)]].add(partition)
        for name in names:
            self.members[name].assign(frozenset(dealt[name]))
