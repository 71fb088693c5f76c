"""The store's memory: tables as dicts, written by one turn's changes at a time.

Not a twin of the SQL: rows are the engine's own values. What the database would refuse (a run that
ends twice, an effect that is there already) is asserted, because here it could only be a bug.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from state.automation import StoredVersion
from state.contact import Contact, Link, contact_number, in_order
from state.effect import Effect, Standing
from state.event import Coordinates, Identifier
from state.merge import Merge
from state.pausing import Mode
from state.run import Run
from state.share import EVERYBODYS, Share
from state.turn import (
    Changes,
    Claim,
    ClosedWait,
    Duplicate,
    Enrolment,
    EventRecord,
    IdentityNote,
    LateFound,
    LockRequest,
    Need,
    PartitionState,
    Position,
    Quarantined,
    RunChange,
    Seen,
    Snapshot,
    StoredEvent,
)
from tests.simulation.finished import load_finished
from tests.simulation.histories import with_history
from tests.simulation.outbox import OutboxTables
from tests.simulation.people import erase, follow_merge, follow_unmerge, merge_record

#: An owner that said nothing for so long counts as gone; shorter than the cap, as in earnest.
SILENT_AFTER = timedelta(seconds=8)
LATE_KEPT = timedelta(hours=24)

Partition = tuple[str, int]


@dataclass(slots=True)
class PartitionRow:
    next_offset: int | None = None
    high_offset: int | None = None
    epoch: int = 0
    owner: str | None = None
    low: datetime | None = None
    seen_at: datetime | None = None
    resumed_since: datetime | None = None
    advanced_at: datetime | None = None


class Commit(NamedTuple):
    """One turn that landed: when, in whose lane, what it moved."""

    at: datetime
    now: datetime
    lane: str
    turn: int
    positions: tuple[Position, ...]


@dataclass(slots=True)
class Tables(OutboxTables):
    revision: int = 0
    definitions: list[StoredVersion] = field(default_factory=list)
    interest_since: dict[str, datetime] = field(default_factory=dict)
    contacts: dict[int, Contact] = field(default_factory=dict)
    owners: dict[Identifier, int] = field(default_factory=dict)
    runs: dict[UUID, Run] = field(default_factory=dict)
    done: dict[UUID, Run] = field(default_factory=dict)
    closed_waits: dict[tuple[UUID, str], ClosedWait] = field(default_factory=dict)
    late: dict[tuple[UUID, str], LateFound] = field(default_factory=dict)
    enrolments: dict[tuple[int, UUID], Enrolment] = field(default_factory=dict)
    events: dict[UUID, EventRecord] = field(default_factory=dict)
    partitions: dict[Partition, PartitionRow] = field(default_factory=dict)
    quarantine: dict[Coordinates, Quarantined] = field(default_factory=dict)
    duplicates: dict[Coordinates, Duplicate] = field(default_factory=dict)
    notes: dict[tuple[Coordinates, str, str], IdentityNote] = field(default_factory=dict)
    receipts: list[Mapping[str, object]] = field(default_factory=list)
    names: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    tally: Counter[str] = field(default_factory=Counter)
    marks: dict[str, int] = field(default_factory=dict)
    last_now: datetime | None = None
    commits: list[Commit] = field(default_factory=list)
    last_contact_id: int = 0
    merged: dict[int, int] = field(default_factory=dict)
    merges: dict[UUID, Merge] = field(default_factory=dict)
    erased: dict[Identifier, datetime] = field(default_factory=dict)
    unmerged: dict[UUID, tuple[datetime, str]] = field(default_factory=dict)
    event_stored_at: dict[UUID, datetime] = field(default_factory=dict)

    # --- reads ------------------------------------------------------------------------------------

    def resolve(self, identifiers: Collection[Identifier]) -> dict[Identifier, int]:
        found = {}
        for identifier in identifiers:
            owner = self.owners.get(identifier)
            if identifier.kind == "contact_id":
                owner = contact_number(UUID(identifier.value))
                owner = self.merged.get(owner, owner) if owner in self.contacts else None
            if owner is not None:
                found[identifier] = owner
        return found

    def snapshot(
        self,
        request: LockRequest,
        now: datetime,
        owners: Mapping[Identifier, int],
        claimed: Mapping[int, Sequence[Link]] = MappingProxyType({}),
    ) -> Snapshot:
        """Read what a decision needs; `claimed` links are the transaction's own, uncommitted."""
        ids = set(request.contact_ids)
        absorbed = {
            kept: tuple(sorted(gone for gone, home in self.merged.items() if home == kept))
            for kept in ids
        }
        history = ids.union(*absorbed.values())
        runs: dict[int, list[Run]] = defaultdict(list)
        for run in self.runs.values():
            if run.contact_id in ids:
                runs[run.contact_id].append(run)
        closed: dict[int, list[ClosedWait]] = defaultdict(list)
        for key, wait in self.closed_waits.items():
            fresh = key not in self.late and wait.closed_at > now - LATE_KEPT
            if wait.contact_id in history and fresh:
                closed[wait.contact_id].append(wait)
        return Snapshot(
            now=now,
            owners=owners,
            contacts={
                number: replace(
                    self.contacts[number],
                    links=in_order((*self.contacts[number].links, *claimed.get(number, ()))),
                    absorbed=absorbed[number],
                )
                for number in sorted(ids)
            },
            runs=runs,
            closed_waits=closed,
            enrolments={key: one for key, one in self.enrolments.items() if key[0] in history},
            seen=self._seen(request.event_keys),
            applied={
                each: row.high_offset
                for each in request.partitions
                if (row := self.partitions[each]).high_offset is not None
            },
            partitions=self.watermark(now) if request.reads_watermark else (),
            erased={
                link.identifier: self.erased[link.identifier]
                for links in claimed.values()
                for link in links
                if link.identifier in self.erased
            },
            finished=load_finished(self, request.finished),
            undoing={one: merge_record(self, one) for one in request.undoing if one in self.merges},
        )

    def _seen(self, keys: Sequence[UUID]) -> dict[UUID, Seen]:
        stored = {key: self.events[key].event for key in keys if key in self.events}
        return {
            key: Seen(event.body_hash, event.coordinates, event.id) for key, event in stored.items()
        }

    def watermark(self, now: datetime) -> list[PartitionState]:
        states = []
        for (topic, number), row in sorted(self.partitions.items()):
            silent = row.owner is None or row.seen_at is None or row.seen_at <= now - SILENT_AFTER
            resumed = None if silent else row.resumed_since
            states.append(PartitionState(topic, number, row.low, resumed, row.advanced_at))
        return states

    def low(self) -> datetime | None:
        """Return up to when every partition has been consumed, None while one never was."""
        lows = [row.low for row in self.partitions.values()]
        known = [low for low in lows if low is not None]
        return min(known) if known and len(known) == len(lows) else None

    def look_back(self, needs: Sequence[Need]) -> list[StoredEvent]:
        return [
            stored_event(record)
            for need in needs
            for record in self.events.values()
            if record.contact_id == need.contact_id
            and record.event.name == need.name
            and record.v >= need.floor
        ]

    def standing(self, effect: Effect) -> Standing:
        home = self.merged.get(effect.contact_id, effect.contact_id)
        return self.standing_of(effect, self.contacts.get(home))

    def due(
        self, now: datetime, limit: int, *, include_held: bool, share: Share = EVERYBODYS
    ) -> list[tuple[int, UUID]]:
        paused, since = self.paused, now - share.late_by
        free = [run for run in self.runs.values() if run.automation_id not in paused]
        due = [(due_of(run), run) for run in free if share.has(run.contact_id)]
        over = [(due_at, run) for due_at, run in due if due_at is not None and due_at <= since]
        low = self.low() if any(is_held(run) for _, run in over) else None
        found = sorted(
            (due_at, run.run_id, run.contact_id)
            for due_at, run in over
            if not is_held(run) or include_held or (low is not None and due_at <= low)
        )
        return [(contact_id, run_id) for _, run_id, contact_id in found[:limit]]

    def expired(self, since: datetime, limit: int) -> list[tuple[int, UUID]]:
        old = sorted(
            (run.created_at, run.run_id, run.contact_id)
            for run in self.runs.values()
            if run.created_at <= since
        )
        return [(contact_id, run_id) for _, run_id, contact_id in old[:limit]]

    def next_due(self) -> datetime | None:
        paused = self.paused
        free = [run for run in self.runs.values() if run.automation_id not in paused]
        return min((due_at for run in free if (due_at := due_of(run))), default=None)

    @property
    def paused(self) -> set[UUID]:
        """Return the automations of which nothing is due for now (rule T3)."""
        return {one.automation_id for one in self.definitions if one.pausing.mode}

    def pause(self, name: str, mode: Mode | None, now: datetime) -> None:
        """Hold, freeze or release an automation (rule T3)."""
        place = next(n for n, row in enumerate(self.definitions) if row.name == name)
        row = self.definitions[place]
        pausing = row.pausing.ended(now) if mode is None else row.pausing.begun(mode, now)
        self.definitions[place] = replace(row, pausing=pausing)
        self.revision += 1

    # --- writes -----------------------------------------------------------------------------------

    def write(self, changes: Changes, claims: Sequence[Claim] = ()) -> None:
        """Write everything one turn decided."""
        self._write_contacts(changes, claims)
        for merge in changes.merges:
            follow_merge(self, merge)
        for unmerge in changes.unmerges:
            follow_unmerge(self, unmerge, changes.now)
        for record in changes.events:
            assert record.event.key not in self.events, "an event is stored once"
            self.events[record.event.key] = record
            self.event_stored_at[record.event.key] = changes.now
        for change in changes.runs:
            self._write_run(change)
        self._write_waits(changes)
        self.enrolments.update(changes.enrolments)
        self.write_outbox(changes)
        self.write_audiences(changes, self.effects_of(changes))
        for erasure in changes.erasures:
            erase(self, erasure)
        for duplicate in changes.duplicates:
            self.duplicates.setdefault(duplicate.coordinates, duplicate)
        for quarantined in changes.quarantined:
            self.quarantine.setdefault(quarantined.rejected.coordinates, quarantined)
        for note in changes.identity_notes:
            self.notes.setdefault((note.coordinates, note.verdict, note.reason), note)
        self.receipts += changes.receipts
        for name in changes.names:
            self.names[name[:3]] += name.times
        self.tally.update(changes.tally)
        self.last_now = changes.now if self.last_now is None else max(self.last_now, changes.now)

    def _write_contacts(self, changes: Changes, claims: Sequence[Claim]) -> None:
        for claim in claims:
            self.contacts.setdefault(claim.contact_id, Contact(claim.contact_id, claim.created_at))
            before = self.erased.get(claim.identifier)
            link = Link(claim.identifier, claim.created_at, claim.linked_by, before)
            self._bind(claim.contact_id, link)
        forgotten = changes.forgotten_contacts
        assert len(set(forgotten)) == len(forgotten), "a contact is forgotten once"
        for contact_id in forgotten:
            for link in self.contacts.pop(contact_id).links:
                del self.owners[link.identifier]
        for identifier in [*changes.unbinds, *(link.identifier for _, link in changes.binds)]:
            self._unbind(identifier)
        for contact in changes.new_contacts:
            assert contact.contact_id not in self.contacts, "a number is given once"
            self.contacts[contact.contact_id] = replace(contact, links=())
        for contact_id, link in changes.binds:
            self._bind(contact_id, link)
        for contact_id, profile in changes.profiles.items():
            self.contacts[contact_id] = replace(self.contacts[contact_id], profile=profile)

    def _bind(self, contact_id: int, link: Link) -> None:
        assert link.identifier not in self.owners, "an identifier has one owner"
        self.owners[link.identifier] = contact_id
        contact = self.contacts[contact_id]
        self.contacts[contact_id] = replace(contact, links=in_order((*contact.links, link)))

    def _unbind(self, identifier: Identifier) -> None:
        owner = self.owners.pop(identifier, None)
        if owner is not None:
            contact = self.contacts[owner]
            kept = tuple(link for link in contact.links if link.identifier != identifier)
            self.contacts[owner] = replace(contact, links=kept)

    def _write_run(self, change: RunChange) -> None:
        run_id = change.after.run_id
        assert run_id not in self.done, "a finished run never moves"
        assert (change.before is None) == (run_id not in self.runs), "a run is new, or was loaded"
        after = with_history(change.after)
        if after.status == "running":
            assert after.parked is not None, "a running run is stored only while it is parked"
            self.runs[run_id] = after
        else:
            self.runs.pop(run_id, None)
            self.done[run_id] = after

    def _write_waits(self, changes: Changes) -> None:
        for wait in changes.closed_waits:
            assert (wait.run_id, wait.step_key) not in self.closed_waits, "a wait closes once"
            self.closed_waits[wait.run_id, wait.step_key] = wait
        for late in changes.late:
            assert (late.run_id, late.step_key) in self.closed_waits, "only a closed wait is late"
            assert (late.run_id, late.step_key) not in self.late, "the first late event is kept"
            self.late[late.run_id, late.step_key] = late


def stored_event(record: EventRecord) -> StoredEvent:
    event = record.event
    return StoredEvent(
        key=event.key,
        contact_id=record.contact_id,
        name=event.name,
        v=record.v,
        id=event.id,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        coordinates=event.coordinates,
        payload=event.payload,
    )


def due_of(run: Run) -> datetime | None:
    return None if run.parked is None else run.parked.due_at


def is_held(run: Run) -> bool:
    return run.parked is not None and run.parked.is_held
