"""The store of the simulation: the tables behind locks that block and commits that may be lost.

It keeps the promises of READ COMMITTED that the engine relies on, and no more: row locks wait, a
snapshot is read after the lock, a commit is atomic, an insert that meets another's uncommitted one
waits for it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import NamedTuple
from uuid import UUID

from state.audience import Audiences
from state.automation import StoredVersion
from state.contact import Link
from state.effect import Claimed
from state.event import Identifier
from state.share import EVERYBODYS, Share
from state.turn import (
    Changes,
    Claim,
    Fenced,
    LockRequest,
    Moved,
    Need,
    Position,
    Refused,
    Snapshot,
    StoredEvent,
    Unavailable,
    Unknown,
)
from tests.simulation.locks import Locks
from tests.simulation.loop import VirtualLoop
from tests.simulation.process import Process
from tests.simulation.tables import Commit, Partition, PartitionRow, Tables

#: What the database will not take, wherever it stands in an event's payload.
REFUSED_TEXT = "\0refused"


class Touched(NamedTuple):
    """What an owner says of a partition between turns."""

    partition: Partition
    epoch: int
    low: datetime | None
    to: int
    is_resumed: bool


class Database:
    """What all workers share."""

    def __init__(self, loop: VirtualLoop, tables: Tables) -> None:
        self.loop = loop
        self.tables = tables
        self.locks = Locks()
        #: The transactions that have read the catalogue: while there is one, nobody changes it.
        self.catalogue_readers: set[SimTransaction] = set()

    def now(self) -> datetime:
        """Return the database's clock, never below an earlier turn's `now` (rule D3)."""
        now, last = self.loop.now(), self.tables.last_now
        return now if last is None else max(now, last)


class SimTransaction:
    """One turn's transaction."""

    def __init__(self, database: Database, process: Process, lane: str, turn: int) -> None:
        self.turn = turn
        self._database = database
        self._tables = database.tables
        self._process = process
        self._lane = lane
        self._claims: list[Claim] = []
        self._changes: Changes | None = None
        self._own: set[int] = set()
        self._is_ended = False

    # --- the seam ---------------------------------------------------------------------------------

    async def catalogue_revision(self) -> int:
        await self._statement()
        self._database.catalogue_readers.add(self)
        return self._tables.revision

    async def definitions(self) -> tuple[list[StoredVersion], dict[str, datetime]]:
        await self._statement()
        return list(self._tables.definitions), dict(self._tables.interest_since)

    async def audiences(self) -> Audiences:
        await self._statement()
        return self._tables.audiences

    async def resolve(self, identifiers: Sequence[Identifier]) -> dict[Identifier, int]:
        await self._statement()
        return self._tables.resolve(identifiers)

    async def survivors(self, contact_ids: Sequence[int]) -> dict[int, int]:
        await self._statement()
        return {one: self._tables.merged[one] for one in contact_ids if one in self._tables.merged}

    async def claim(self, claims: Sequence[Claim]) -> None:
        await self._statement()
        for claim in sorted(claims):
            await self._lock(claim.identifier)
            if claim.identifier in self._tables.owners:
                raise Moved("somebody was quicker with an identifier")
        self._claims = list(claims)
        self._own.update(claim.contact_id for claim in claims if claim.is_first_sight)

    async def lock(self, request: LockRequest) -> Snapshot:
        await self._statement()
        if self._process.faults.strikes("moved"):
            raise Moved("simulated")
        for contact_id in sorted(set(request.contact_ids)):
            await self._lock(("contact", contact_id))
            if contact_id not in self._tables.contacts:
                raise Moved("a contact is gone")
        self._own.update(request.contact_ids)
        await self._statement()
        return self._read(request)

    def _read(self, request: LockRequest) -> Snapshot:
        owners = self._tables.resolve(request.identifiers)
        if not self._own.issuperset(owners.values()):
            raise Moved("an identifier has another owner than before the lock")
        return self._tables.snapshot(request, self._database.now(), owners, _links(self._claims))

    async def look_back(self, needs: Sequence[Need]) -> list[StoredEvent]:
        await self._statement()
        return self._tables.look_back(needs)

    async def save(self, changes: Changes) -> None:
        await self._statement()
        if any(REFUSED_TEXT in record.event.payload_text for record in changes.events):
            raise Refused("22P05", "simulated")
        for key in sorted(record.event.key for record in changes.events):
            await self._lock(("event", key))
            if key in self._tables.events:
                raise Moved("somebody stored an event of this key")
        self._bind(changes)
        await self._statement()
        await self._advance(changes.positions)
        self._changes = changes

    def _bind(self, changes: Changes) -> None:
        released = {*changes.unbinds, *(claim.identifier for claim in self._claims)}
        for _, link in changes.binds:
            owner = self._tables.owners.get(link.identifier)
            if not self._database.locks.is_free(link.identifier, self):
                raise Moved("a deadlock with somebody who claims the same identifier")
            if owner is not None and owner not in self._own and link.identifier not in released:
                raise Moved("an identifier was given to somebody else meanwhile")

    async def _advance(self, positions: Sequence[Position]) -> None:
        """Move the offsets under the fence; the rows stay locked until the end (rule E3)."""
        for position in sorted(positions, key=lambda each: each[:2]):
            await self._lock(("partition", *position[:2]))
        lost = {position[:2] for position in positions if not self._is_mine(position)}
        if lost:
            raise Fenced(frozenset(lost))

    def _is_mine(self, position: Position) -> bool:
        row = self._tables.partitions[position[:2]]
        stands = row.next_offset in (None, position.from_offset)
        return row.epoch == position.epoch and stands

    async def _lock(self, key: Hashable) -> None:
        await self._database.locks.acquire(key, self)
        await self._process.gate()

    async def _statement(self) -> None:
        """Run a statement, unless the database has ended the session meanwhile."""
        await self._process.ask()
        if self._is_ended:
            raise Unavailable("the session was ended: idle in its transaction")

    # --- begin and end ----------------------------------------------------------------------------

    async def __aenter__(self) -> SimTransaction:
        self._process.sessions.append(self)
        await self._statement()
        return self

    def end(self) -> None:
        """End the session from the database's side: its locks are free, its writes are gone."""
        self._is_ended = True
        self._let_go()

    def _let_go(self) -> None:
        self._database.locks.release(self)
        self._database.catalogue_readers.discard(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._commit()
        finally:
            self._process.sessions.remove(self)
            self._let_go()

    async def _commit(self) -> None:
        """Commit: at once and for all, but whether the answer comes is another matter."""
        faults = self._process.faults
        is_lost = faults.strikes("unknown")
        lands = not is_lost or faults.random.random() < 0.5
        await self._process.checkpoint(crashes=False)
        if self._is_ended:
            lands, is_lost = False, True
        dies = faults.strikes("crash")
        if lands and not (dies and faults.random.random() < 0.5):
            self._write()
        if dies:
            self._process.kill()
            await self._process.gate()
        if is_lost:
            raise Unknown(self.turn)

    def _write(self) -> None:
        assert self._changes is not None, "a turn that ends well was saved"
        tables, changes = self._tables, self._changes
        tables.write(changes, self._claims)
        tables.marks[self._lane] = self.turn
        at = self._database.loop.now()
        for position in changes.positions:
            row = tables.partitions[position[:2]]
            row.next_offset = position.to_offset
            row.high_offset = max(row.high_offset or 0, position.to_offset - 1)
            row.low = max((low for low in (row.low, position.low) if low), default=None)
            row.advanced_at = row.seen_at = changes.now
        tables.commits.append(
            Commit(at, changes.now, self._lane, self.turn, tuple(changes.positions))
        )


class SimStore:
    """One worker's store: the seams of the processor, of the sweep of timers, of the relay."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._tables = database.tables
        self._process = process
        self._turns: dict[str, int] = {}

    # --- turns ------------------------------------------------------------------------------------

    def transaction(self, lane: str) -> SimTransaction:
        turn = self._turns[lane] = self._turns.get(lane, 0) + 1
        return SimTransaction(self._database, self._process, f"{self._process.name}/{lane}", turn)

    async def landed(self, lane: str, turn: int) -> bool:
        await self._process.ask()
        return self._tables.marks.get(f"{self._process.name}/{lane}") == turn

    async def contact_ids(self, n: int) -> list[int]:
        await self._process.ask()
        first = self._tables.last_contact_id + 1
        self._tables.last_contact_id += n
        return list(range(first, first + n))

    # --- timers and effects -----------------------------------------------------------------------

    async def due(
        self, limit: int, *, include_held: bool = False, share: Share = EVERYBODYS
    ) -> list[tuple[int, UUID]]:
        await self._process.ask()
        now = self._process.loop.now()
        return self._tables.due(now, limit, include_held=include_held, share=share)

    async def next_due_in(self) -> float | None:
        await self._process.ask()
        due = self._tables.next_due()
        return None if due is None else (due - self._process.loop.now()).total_seconds()

    async def expired(self, age: timedelta, limit: int) -> list[tuple[int, UUID]]:
        await self._process.ask()
        return self._tables.expired(self._process.loop.now() - age, limit)

    async def claim_effects(self, limit: int, lease: timedelta) -> list[Claimed]:
        await self._process.ask()
        worker, now = self._process.name, self._process.loop.now()
        rows = self._tables.claim(worker, now, limit, lease, self._tables.paused)
        stands = self._tables.standing
        return [
            Claimed(row.effect, row.attempts, is_unsure, row.withdrawn, stands(row.effect))
            for row, is_unsure in rows
        ]

    async def postpone_effect(
        self, effect_id: UUID, due_in: timedelta, error: Mapping[str, object]
    ) -> None:
        await self._process.ask()
        worker, now = self._process.name, self._process.loop.now()
        is_unsure = bool(error.get("is_unsure"))
        self._tables.postpone(worker, effect_id, now, due_in, is_unsure=is_unsure)

    # --- partitions -------------------------------------------------------------------------------

    async def take(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        """Mint new epochs; return where each partition stands and the epoch."""
        taken = {}
        for partition in sorted(partitions):
            await self._process.ask()
            await self._own_row(partition)
            row = self._tables.partitions.setdefault(partition, PartitionRow())
            row.owner, row.epoch, row.resumed_since = self._process.name, row.epoch + 1, None
            row.seen_at = self._process.loop.now()
            taken[partition] = (row.next_offset or 0, row.epoch)
        return taken

    async def touch(self, rows: Sequence[Touched]) -> set[Partition]:
        """Say that partitions are alive, and how far; return those that somebody else owns."""
        await self._process.ask()
        fenced = set()
        for one in rows:
            await self._own_row(one.partition)
            if self._tables.partitions[one.partition].epoch == one.epoch:
                self._touch(one)
            else:
                fenced.add(one.partition)
        return fenced

    def _touch(self, one: Touched) -> None:
        row, now = self._tables.partitions[one.partition], self._process.loop.now()
        stands = -1 if row.next_offset is None else row.next_offset
        is_further = one.low is not None and (row.low is None or one.low > row.low)
        if one.to > stands or is_further:
            row.advanced_at = now
        if one.to > stands:
            step = Position(*one.partition, one.epoch, max(stands, 0), one.to)
            self._tables.commits.append(Commit(now, now, f"{self._process.name}/touch", 0, (step,)))
            row.next_offset = one.to
        if is_further:
            row.low = one.low
        row.seen_at = now
        row.resumed_since = (row.resumed_since or now) if one.is_resumed else None

    async def _own_row(self, partition: Partition) -> None:
        """Wait until no transaction holds the row."""
        if self._database.locks.is_free(("partition", *partition), None):
            return
        owner = object()
        try:
            await self._database.locks.acquire(("partition", *partition), owner)
        finally:
            self._database.locks.release(owner)

    async def now(self) -> datetime:
        await self._process.ask()
        return self._process.loop.now()


def _links(claims: Sequence[Claim]) -> dict[int, list[Link]]:
    """Return the links that a transaction has claimed and not yet committed."""
    links: dict[int, list[Link]] = {}
    for claim in claims:
        link = Link(claim.identifier, claim.created_at, claim.linked_by)
        links.setdefault(claim.contact_id, []).append(link)
    return links
