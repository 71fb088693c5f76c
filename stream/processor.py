"""The door: every cause of motion becomes a turn here, and every turn ends in one of few ways.

Committed; moved underneath and begun again; fenced, and done again without the lost partitions;
refused for good by the database, and bisected down to the one record at fault; or of unknown
outcome, and asked after before anything is repeated.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import structlog

from handlers.timer import Release, TimerDue
from handlers.world import Rules
from state.automation import Catalogue
from state.effect import Answer
from state.turn import Changes, Fenced, Moved, Position, Refused, Unavailable, Unknown
from stream.bell import Bell
from stream.bisect import halves, parts_of, without
from stream.clock import Clock
from stream.consuming.batches import Batch, BatchResult, Partition
from stream.order import merge
from stream.report import report_refused, report_turn
from stream.seam import TurnStore
from stream.sizing import TurnSizes
from stream.telemetry import Counters
from stream.turn import CatalogueCache, Command, Turn, Unwieldy, Work

#: The longest pause between two attempts, in seconds.
PAUSE_MAX = 5.0

#: After this many moves of the ground a turn says so loudly; it goes on trying.
MOVES_LOUD = 20

log = structlog.get_logger()


class Processor:
    """Turns batches of records, due timers and answers into committed transactions.

    Each of its three lanes is used by one task, one turn after the other.
    """

    def __init__(self, store: TurnStore, rules: Rules, clock: Clock, counters: Counters) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._counters = counters
        self._catalogue = CatalogueCache()
        self._sizes = TurnSizes()
        #: Rings when a turn has put effects into the outbox.
        self.effects_made = Bell()
        #: Each rings when a turn has left records for its output topic, which is named by its role.
        self.outgoing_made: defaultdict[str, Bell] = defaultdict(Bell)

    @property
    def catalogue(self) -> Catalogue:
        """Return the catalogue as the last turn saw it; the next may see another."""
        return self._catalogue.last

    async def apply_batch(self, batch: Batch) -> BatchResult:
        """Apply a batch of records; return the partitions that turned out to be lost (rule E3)."""
        work = Work(records=merge(batch.slices), positions=_positions(batch))
        _, fenced = await self._apply("events", work)
        return BatchResult(fenced)

    async def apply_timers(self, due: Sequence[TimerDue]) -> Counter[str]:
        """Fire, or hold, due timers; return how many of each (rules T2, W4)."""
        tally, _ = await self._apply("timers", Work(commands=due))
        return tally

    async def apply_releases(self, releases: Sequence[Release]) -> Counter[str]:
        """Fire held timers at an operator's word (rule W4); return how many fired."""
        tally, _ = await self._apply("releases", Work(commands=releases))
        return tally

    async def apply_commands(self, lane: str, commands: Sequence[Command]) -> Counter[str]:
        """Do what operators, or the housekeeping, want of runs; return what was done of it."""
        tally, _ = await self._apply(lane, Work(commands=commands))
        return tally

    async def apply_answers(self, answers: Sequence[Answer]) -> None:
        """Let runs go on whose effects were settled (rule F3)."""
        await self._apply("answers", Work(commands=answers))

    async def _apply(self, lane: str, work: Work) -> tuple[Counter[str], frozenset[Partition]]:
        """Do all of some work, in as many turns as faults make of it."""
        tally: Counter[str] = Counter()
        fenced: frozenset[Partition] = frozenset()
        queue = [work]
        while queue:
            current = self._sizes.take(lane, queue)
            started = self._clock.monotonic()
            try:
                changes = await self._commit(lane, current)
            except Fenced as lost:
                fenced |= lost.partitions
                self._counters.count("batches_fenced")
                log.warning("batch.fenced", partitions=sorted(lost.partitions))
                rest = [without(each, lost.partitions) for each in (current, *queue)]
                queue = [each for each in rest if each.positions]
            except Unwieldy as unwieldy:
                self._counters.count("turns_halved")
                self._sizes.note(lane, unwieldy.inputs, unwieldy.runs)
                queue[:0] = halves(current)
            except Refused as refused:
                report_refused(lane, current, refused)
                queue[:0] = parts_of(current, refused)
            else:
                tally.update(changes.tally)
                self._sizes.note(lane, current.size, len(changes.runs))
                self._note(lane, current, changes, self._clock.monotonic() - started)
        return tally, fenced

    async def _commit(self, lane: str, work: Work) -> Changes:
        """Do work in one transaction, again and again until it is known to have taken place.

        Raises:
            Fenced, Refused, Unwieldy: it cannot take place as it is; nothing was written.
        """
        attempt = 0
        while True:
            attempt += 1
            changes: Changes | None = None
            try:
                async with self._store.transaction(lane) as transaction:
                    catalogue = await self._catalogue.read(transaction)
                    turn = Turn(self._store, transaction, self._rules, catalogue, work, self._clock)
                    changes = await turn.take()
            except (Moved, Unavailable) as fault:
                await self._pause(lane, attempt, fault)
            except Unknown as lost:
                if await self._has_landed(lane, lost.turn):
                    assert changes is not None, "a turn that landed was decided"
                    self._counters.count("commits_unknown_landed")
                    return changes
                self._counters.count("commits_unknown_not_landed")
            else:
                return changes

    async def _has_landed(self, lane: str, turn: int) -> bool:
        """Ask what became of a commit whose answer was lost; nothing is repeated before."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._store.landed(lane, turn)
            except (Moved, Unavailable) as fault:
                await self._pause(lane, attempt, fault)

    def _note(self, lane: str, work: Work, changes: Changes, seconds: float) -> None:
        if changes.effects:
            self.effects_made.ring()
        for role in _told(changes):
            self.outgoing_made[role].ring()
        for name, number in report_turn(lane, work, changes, seconds).items():
            self._counters.count(name, number)

    async def _pause(self, lane: str, attempt: int, fault: Moved | Unavailable) -> None:
        is_moved = isinstance(fault, Moved)
        self._counters.count("turns_moved" if is_moved else "turns_unavailable")
        if not is_moved or attempt >= MOVES_LOUD:
            log.warning("turn.retried", lane=lane, attempt=attempt, reason=str(fault))
        base = 0.005 if is_moved else 0.1
        await self._clock.sleep(self._clock.jittered(min(base * 2 ** min(attempt, 16), PAUSE_MAX)))


def _positions(batch: Batch) -> list[Position]:
    return [
        Position(part.topic, part.partition, part.epoch, part.from_offset, part.to_offset, part.low)
        for part in batch.slices
    ]


def _told(changes: Changes) -> set[str]:
    """Return the roles of the output topics that a turn has left records for."""
    roles: set[str] = {one.role for one in changes.emitted}
    if changes.receipts:
        roles.add("receipts")
    if changes.quarantined:
        roles.add("dead-letters")
    return roles
