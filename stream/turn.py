"""One attempt at a turn: sort, resolve, claim, lock, decide, save (house.md, "The transaction")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from handlers.abandon import Abandon
from handlers.catalogue import compile_catalogue
from handlers.claims import claims_for, first_sights
from handlers.decide import Input, decide
from handlers.groups import group_inputs
from handlers.intake import Intake, named_in, names_seen, sort_records
from handlers.timer import Release, TimerDue
from handlers.world import FreshContactIds, Rules, StoredEvents, World
from state.automation import Catalogue
from state.effect import Answer
from state.event import Decoded, Event, Identifier
from state.turn import Changes, Claim, LockRequest, Need, Position, Quarantined, Snapshot
from stream.seam import Transaction, TurnStore

#: How many more numbers a group gets when its decision makes contacts that no claim foresaw.
_SPARE_CONTACTS = 8


@dataclass(frozen=True, slots=True)
class Work:
    """What one turn is to do.

    Records of a batch in the order in which they apply (D1), with the moves of their partitions, or
    timers and answers. `quarantined` are records that were set aside before they came here.
    """

    records: Sequence[Decoded] = ()
    commands: Sequence[TimerDue | Release | Answer | Abandon] = ()
    positions: Sequence[Position] = ()
    quarantined: Sequence[Quarantined] = ()

    @property
    def size(self) -> int:
        """Return of how many records, timers and answers it is made."""
        return len(self.records) + len(self.commands) + len(self.quarantined)


class CatalogueCache:
    """The compiled catalogue, compiled anew only when its revision changes (rules S1, E7)."""

    def __init__(self) -> None:
        self._catalogue = Catalogue(revision=-1)

    async def read(self, transaction: Transaction) -> Catalogue:
        """Return the catalogue as this transaction sees it, held until the transaction ends."""
        revision = await transaction.catalogue_revision()
        if revision != self._catalogue.revision:
            versions, interests = await transaction.definitions()
            self._catalogue = compile_catalogue(
                revision, versions, interests, self._catalogue.versions
            )
        return self._catalogue


@dataclass(slots=True)
class Turn:
    """An attempt at some work inside one transaction."""

    store: TurnStore
    transaction: Transaction
    rules: Rules
    catalogue: Catalogue
    work: Work
    stored: StoredEvents = field(default_factory=StoredEvents)

    async def take(self) -> Changes:
        """Do the work and return what was written."""
        intake = sort_records(self.work.records, self.catalogue)
        inputs: list[Input] = [*intake.events, *self.work.commands]
        owners = await self._resolve(intake.events)
        claims = await self._claim(intake.events, owners)
        snapshot = await self._lock(intake.events, owners, claims)
        groups = group_inputs(inputs, snapshot.owners, claims)
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

    async def _lock(
        self,
        events: Sequence[Event],
        owners: Mapping[Identifier, int],
        claims: Mapping[Identifier, Claim],
    ) -> Snapshot:
        """Lock everybody this turn may touch; contacts it just made are nobody else's yet."""
        known = set(owners.values())
        known.update(command.contact_id for command in self.work.commands)
        named = dict.fromkeys(name for event in events for name in named_in(event))
        return await self.transaction.lock(
            LockRequest(
                contact_ids=sorted(known),
                identifiers=[name for name in named if name not in claims],
                event_keys=[
                    event.key for event in events if event.name in self.catalogue.interest_since
                ],
                partitions=[position[:2] for position in self.work.positions],
                reads_watermark=any(isinstance(each, TimerDue) for each in self.work.commands),
            )
        )

    async def _decide(
        self,
        groups: Sequence[Sequence[Input]],
        snapshot: Snapshot,
        claims: Mapping[Identifier, Claim],
    ) -> list[Changes]:
        """Decide each group; those that lack something decide again once all of it was brought.

        Every round costs one statement however many groups lack something, and each brings a
        group past at least one more wait, so there are at most as many rounds as waits in a graph.
        """
        claims_of = _claims_by_group(groups, claims)
        spare: list[Sequence[int]] = [()] * len(groups)
        decided: list[Changes | None] = [None] * len(groups)
        open_groups = list(range(len(groups)))
        while open_groups:
            needs: list[Need] = []
            for number in list(open_groups):
                world = self._world(snapshot, claims_of[number], spare[number])
                outcome = decide(world, groups[number])
                if isinstance(outcome, Changes):
                    decided[number] = outcome
                    open_groups.remove(number)
                elif outcome.contacts:
                    spare[number] = await self.store.contact_ids(
                        len(spare[number]) + _SPARE_CONTACTS
                    )
                needs += () if isinstance(outcome, Changes) else outcome.look_backs
            if needs:
                self.stored.add(needs, await self.transaction.look_back(needs))
        return [changes for changes in decided if changes is not None]

    def _world(
        self, snapshot: Snapshot, claims: Mapping[Identifier, Claim], spare: Sequence[int]
    ) -> World:
        return World(
            snapshot=snapshot,
            catalogue=self.catalogue,
            rules=self.rules,
            stored=self.stored,
            reserved=claims,
            fresh_contact_ids=FreshContactIds(spare),
            changes=Changes(now=snapshot.now),
        )


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
        for each in fields(Changes):
            mine, theirs = getattr(joined, each.name), getattr(part, each.name)
            if isinstance(theirs, list):
                mine.extend(theirs)
            elif isinstance(theirs, dict):
                mine.update(theirs)
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
