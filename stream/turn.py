"""One attempt at a turn: sort, resolve, claim, lock, decide, save (house.md, "The transaction")."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from handlers.abandon import Abandon
from handlers.claims import claims_for, first_sights
from handlers.decide import Input, Needs, decide
from handlers.directory import Directory, FreshContactIds
from handlers.ending import Cancel, Expire
from handlers.groups import group_inputs
from handlers.intake import Intake, named_in, names_seen, sort_records
from handlers.publishing.catalogue import compile_catalogue
from handlers.retry import Retry
from handlers.timer import Release, TimerDue
from handlers.unmerge import UndoMerge
from handlers.world import Rules, StoredEvents, World
from state.automation import Catalogue
from state.effect import Answer
from state.event import Event, Identifier, Read
from state.turn import (
    Changes,
    Claim,
    LockRequest,
    Moved,
    Need,
    Position,
    Quarantined,
    Refused,
    Snapshot,
)
from stream.clock import Clock
from stream.seam import Transaction, TurnStore

#: How many inputs of people who hang together one turn decides; more are done in smaller turns.
GROUP_MAX = 400

#: Stands for an SQLSTATE where it was the engine that could not decide (rule E5).
ENGINE_ERROR = "engine_error"


#: How long a round of deciding all of a turn's inputs may take, in seconds. The transaction is idle
#: meanwhile. One that is for twice as long is ended by the server (store.py), and would be again.
DECIDE_SECONDS_MAX = 7.0


#: How many groups are decided before others may run: some milliseconds.
GROUPS_AT_ONCE = 20

#: How many runs one turn moves; where one input moves more, a turn has no other.
RUNS_MAX = 10_000


class Unwieldy(Exception):
    """A turn has more inputs, of one contact or of all, than are decided at once: take fewer.

    `inputs` says how many had been decided when that was seen, `runs` how many runs these move.
    """

    def __init__(self, inputs: int = 0, runs: int = 0) -> None:
        super().__init__(f"{runs} runs are moved by {inputs} inputs, and there are more")
        self.inputs = inputs
        self.runs = runs


#: What a turn may be asked to do beside applying records.
Command = TimerDue | Release | Answer | Abandon | Cancel | Expire | Retry | UndoMerge


class Work(Struct, frozen=True):
    """What one turn is to do.

    Records of a batch in the order in which they apply (D1), with the moves of their partitions, or
    timers and answers. `quarantined` are records that were set aside before they came here.
    """

    records: Sequence[Read] = ()
    commands: Sequence[Command] = ()
    positions: Sequence[Position] = ()
    quarantined: Sequence[Quarantined] = ()

    @property
    def size(self) -> int:
        """Return of how many records, timers and answers it is made."""
        return len(self.records) + len(self.commands) + len(self.quarantined)


class CatalogueCache:
    """The compiled catalogue, compiled anew only when its revision changes (rules S1, E7)."""

    def __init__(self) -> None:
        self.last = Catalogue(revision=-1)

    async def read(self, transaction: Transaction) -> Catalogue:
        """Return the catalogue as this transaction sees it, held until the transaction ends."""
        revision = await transaction.catalogue_revision()
        if revision != self.last.revision:
            versions, interests = await transaction.definitions()
            compiled = compile_catalogue(revision, versions, interests, self.last.versions)
            self.last = replace(compiled, audiences=await transaction.audiences())
        return self.last


@dataclass(slots=True)
class Turn:
    """An attempt at some work inside one transaction."""

    store: TurnStore
    transaction: Transaction
    rules: Rules
    catalogue: Catalogue
    work: Work
    clock: Clock
    stored: StoredEvents = field(default_factory=StoredEvents)

    async def take(self) -> Changes:
        """Do the work and return what was written."""
        intake = sort_records(self.work.records, self.catalogue)
        inputs: list[Input] = [*intake.events, *self.work.commands]
        owners = await self._resolve(intake.events)
        survivors = await self._survivors()
        claims = await self._claim(intake.events, owners)
        snapshot = await self._lock(intake.events, owners, claims, survivors)
        groups = group_inputs(inputs, snapshot.owners, claims, survivors)
        if max(map(len, groups), default=0) > GROUP_MAX:
            raise Unwieldy
        changes = _joined(snapshot, await self._decide(groups, snapshot, claims))
        _add_intake(changes, intake, self.work, snapshot)
        await self.transaction.save(changes)
        return changes

    async def _resolve(self, events: Sequence[Event]) -> Mapping[Identifier, int]:
        named = dict.fromkeys(name for event in events for name in named_in(event))
        return await self.transaction.resolve(list(named)) if named else {}

    async def _claim(
        self, events: Sequence[Event], owners: Mapping[Identifier, int]
    ) -> dict[Identifier, Claim]:
        sights = first_sights(events, self.catalogue, owners)
        fresh = FreshContactIds(await self.store.contact_ids(sights) if sights else ())
        claims = claims_for(events, self.catalogue, owners, fresh)
        if claims:
            await self.transaction.claim(claims)
        return {claim.identifier: claim for claim in claims}

    async def _survivors(self) -> dict[int, int]:
        """Return whom the contacts that commands name were merged into (rule I3)."""
        named = sorted({command.contact_id for command in self.work.commands})
        return await self.transaction.survivors(named) if named else {}

    async def _lock(
        self,
        events: Sequence[Event],
        owners: Mapping[Identifier, int],
        claims: Mapping[Identifier, Claim],
        survivors: Mapping[int, int],
    ) -> Snapshot:
        """Lock everybody this turn may touch; contacts it just made are nobody else's yet."""
        known = set(owners.values())
        asked = {command.contact_id for command in self.work.commands}
        known.update(survivors.get(contact_id, contact_id) for contact_id in asked)
        undone = [each for each in self.work.commands if isinstance(each, UndoMerge)]
        known.update(each.merged for each in undone)
        named = dict.fromkeys(name for event in events for name in named_in(event))
        snapshot = await self.transaction.lock(
            LockRequest(
                contact_ids=sorted(known),
                identifiers=[name for name in named if name not in claims],
                event_keys=[
                    event.key for event in events if event.name in self.catalogue.interest_since
                ],
                partitions=[position[:2] for position in self.work.positions],
                reads_watermark=any(isinstance(each, TimerDue) for each in self.work.commands),
                finished=[each.run_id for each in self.work.commands if isinstance(each, Retry)],
                undoing=[each.merge_id for each in undone],
            )
        )
        if survivors != await self._survivors():
            raise Moved("a contact was merged, or a merge undone, before it was locked")
        if not owners.keys() <= snapshot.owners.keys():
            # Begun again, the turn claims it, and learns whether its person was deleted (rule I5).
            raise Moved("an identifier was released before its contact was locked")
        return replace(snapshot, survivors=survivors)

    async def _decide(
        self,
        groups: Sequence[Sequence[Input]],
        snapshot: Snapshot,
        claims: Mapping[Identifier, Claim],
    ) -> list[Changes]:
        """Decide each group; those that lack something decide again once all of it was brought.

        A round costs one statement however many groups lack something. There are few: look-backs
        ask from below every wait of their contact, and only a longer `since` asks again.
        """
        waiting = [
            _Group(inputs, own)
            for inputs, own in zip(groups, _claims_by_group(groups, claims), strict=True)
        ]
        decided: list[Changes] = []
        inputs = runs = 0
        while waiting:
            began = self.clock.monotonic()
            lacking: list[_Group] = []
            needs: list[Need] = []
            for place, group in enumerate(waiting):
                if place % GROUPS_AT_ONCE == 0:
                    # Heartbeats, commits and signals share this loop.
                    await asyncio.sleep(0)
                outcome = self._decide_group(group, snapshot)
                if isinstance(outcome, Changes):
                    decided.append(outcome)
                    inputs, runs = inputs + len(group.inputs), runs + len(outcome.runs)
                else:
                    lacking.append(group)
                    needs += outcome.look_backs
                    if outcome.contacts:
                        group.spare = await self.store.contact_ids(len(group.inputs))
                is_late = self.clock.monotonic() - began > DECIDE_SECONDS_MAX
                if self.work.size > 1 and (is_late or runs > RUNS_MAX):
                    raise Unwieldy(inputs, runs)
            if needs:
                self.stored.add(needs, await self.transaction.look_back(needs))
            waiting = lacking
        return decided

    def _decide_group(self, group: _Group, snapshot: Snapshot) -> Changes | Needs:
        changes = Changes(now=snapshot.now)
        world = World(
            snapshot=snapshot,
            catalogue=self.catalogue,
            rules=self.rules,
            stored=self.stored,
            people=Directory(snapshot, group.claims, FreshContactIds(group.spare), changes),
            changes=changes,
        )
        try:
            return decide(world, group.inputs)
        except Exception as error:
            # A fault outside any run: the record that causes it is looked for by halves (E5).
            raise Refused(ENGINE_ERROR, type(error).__name__) from error


@dataclass(slots=True)
class _Group:
    """Inputs that decide together, with the claims of their events.

    `spare` are numbers for contacts that no claim foresaw.
    """

    inputs: Sequence[Input]
    claims: Mapping[Identifier, Claim]
    spare: Sequence[int] = ()


def _claims_by_group(
    groups: Sequence[Sequence[Input]], claims: Mapping[Identifier, Claim]
) -> list[dict[Identifier, Claim]]:
    """Give each group the claims of its own events, so that it can undo those it does not use."""
    return [
        {
            name: claims[name]
            for each in group
            if claims and isinstance(each, Event)
            for name in named_in(each)
            if name in claims
        }
        for group in groups
    ]


def _joined(snapshot: Snapshot, parts: Sequence[Changes]) -> Changes:
    """Return the changes of all groups as one; they touch different rows."""
    joined = Changes(now=snapshot.now)
    for part in parts:
        joined.append(part)
    return joined


def _add_intake(changes: Changes, intake: Intake, work: Work, snapshot: Snapshot) -> None:
    changes.quarantined[:0] = [*work.quarantined, *intake.quarantined]
    # A record without a usable timestamp counts as recorded now.
    changes.names = [
        seen._replace(
            first_at=min(seen.first_at, changes.now), last_at=min(seen.last_at, changes.now)
        )
        for seen in names_seen(work.records, snapshot)
    ]
    changes.positions = list(work.positions)
    changes.tally["events"] += len(intake.events)
    changes.tally["unclaimed"] += intake.unclaimed
    changes.tally["tombstones"] += intake.tombstones
