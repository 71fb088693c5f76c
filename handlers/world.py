"""The working copy of one group of contacts during one turn, and what the turn changes of it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import merge
from operator import attrgetter
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from handlers.directory import Directory
from handlers.late_mapping import LateMapping
from state.automation import Catalogue, Version
from state.contact import Contact
from state.event import Coordinates
from state.evidence import Finding
from state.pausing import pausing_of, with_freezes
from state.run import Run, Sending
from state.turn import (
    Changes,
    ClosedWait,
    Enrolment,
    Need,
    RunChange,
    Seen,
    Snapshot,
    StoredEvent,
    Withdrawn,
)

#: The evidence of one event, in the order in which it was judged.
Findings = list[Finding]

#: A wait looks back at most this far (rule W2).
LOOK_BACK_MAX = timedelta(days=35)


class Rules(Struct, frozen=True):
    """The durations that operators may set and every decision obeys."""

    grace: timedelta = timedelta(seconds=30)
    cap: timedelta = timedelta(minutes=15)
    slack: timedelta = timedelta(seconds=5)
    event_age_max: timedelta = timedelta(days=7)
    topic_retention: timedelta = timedelta(days=7)
    run_age_max: timedelta = timedelta(days=400)

    @property
    def trigger_age_max(self) -> timedelta:
        """Return the age from which a trigger starts nothing: S5, or E4's horizon if nearer."""
        return min(self.event_age_max, self.memory)

    @property
    def memory(self) -> timedelta:
        """Return how long event keys are remembered at least (rule E4)."""
        return self.topic_retention + timedelta(days=7)


class NeedsLookBack(Exception):
    """The decision came to a wait whose stored events were not read; read them, decide again."""

    def __init__(self, needs: Sequence[Need]) -> None:
        super().__init__(f"{len(needs)} look-backs needed")
        self.needs = tuple(needs)


class StoredEvents:
    """What look-backs have read so far, by contact and name, with the floor they were read from.

    Each list is in the order of V, so that who looks back begins at its floor and stops where it
    has found something: a busy person's other events cost it nothing.
    """

    def __init__(self) -> None:
        self._events: dict[tuple[int, str], list[StoredEvent]] = {}
        self._floors: dict[tuple[int, str], datetime] = {}

    def add(self, needs: Sequence[Need], events: Sequence[StoredEvent]) -> None:
        """Take in the answer to these needs; every need counts as answered, found or not."""
        widened = set()
        for need in needs:
            key = (need.contact_id, need.name)
            floor = self._floors.get(key)
            if floor is None or need.floor < floor:
                self._floors[key], self._events[key] = need.floor, []
                widened.add(key)
        for event in events:
            # What was read from further back already holds these, and more.
            if (event.contact_id, event.name) in widened:
                self._events[event.contact_id, event.name].append(event)
        for key in widened:
            self._events[key].sort(key=order_of)

    def since(self, need: Need) -> Iterator[StoredEvent] | None:
        """Go through the stored events that a need asks for, or None if they were not read yet."""
        key = (need.contact_id, need.name)
        floor = self._floors.get(key)
        if floor is None or floor > need.floor:
            return None
        return _from(self._events[key], need.floor)


def order_of(event: StoredEvent) -> tuple[datetime, Coordinates]:
    """Return what stored events are ordered by: the oldest V first (rule W2)."""
    return event.v, event.coordinates


def _from(events: Sequence[StoredEvent], floor: datetime) -> Iterator[StoredEvent]:
    """Go through ordered events from a V on; none is looked at before it is asked for."""
    first = bisect_left(events, floor, key=attrgetter("v"))
    return map(events.__getitem__, range(first, len(events)))


class World(Struct):
    """Everything one group's decision reads and changes; a fresh one for each attempt.

    `people` says who is who. `oldest_v` is the oldest V among the group's events, None if it has
    none. `to_delete` are contacts that a step has asked to delete (rule I5).
    """

    snapshot: Snapshot
    catalogue: Catalogue
    rules: Rules
    stored: StoredEvents
    people: Directory
    changes: Changes
    oldest_v: datetime | None = None
    runs: dict[int, dict[UUID, Run]] = field(default_factory=dict)
    closed: dict[int, list[ClosedWait]] = field(default_factory=dict)
    seen: dict[UUID, Seen] = field(default_factory=dict)
    arrived: dict[tuple[int, str], list[StoredEvent]] = field(default_factory=dict)
    loaded_runs: dict[UUID, Run] = field(default_factory=dict)
    touched_runs: dict[UUID, Run] = field(default_factory=dict)
    to_delete: list[int] = field(default_factory=list)
    scopes: dict[int, tuple[Contact, Mapping[str, object]]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """Return the turn's one instant (rule D3)."""
        return self.snapshot.now

    def contact(self, contact_id: int) -> Contact:
        """Return a contact as it stands now in this turn; a merged one is its survivor."""
        return self.people.contact(contact_id)

    def contact_scope(self, contact_id: int) -> Mapping[str, object]:
        """Return what `contact.*` reads now; most rules and steps do not read it."""
        contact = self.contact(contact_id)
        known = self.scopes.get(contact_id)
        if known is None or known[0] is not contact:
            audiences = self.catalogue.audiences
            scope = LateMapping(lambda: contact.scope(audiences))
            known = self.scopes[contact_id] = (contact, scope)
        return known[1]

    def look_back_floor(self, contact_id: int) -> datetime:
        """Return a floor below that of every wait that counts from its run's start (rule W2)."""
        loaded = (
            run
            for number in self.people.members(contact_id)
            for run in self.snapshot.runs.get(number, ())
        )
        return min([self.oldest_v or self.now, *(run.trigger.v for run in loaded)]) - (
            self.rules.slack
        )

    def active_runs(self, contact_id: int) -> dict[UUID, Run]:
        """Return a contact's active runs as they stand now in this turn."""
        number = self.people.home_of(contact_id)
        found = self.runs.get(number)
        return self._runs_under(number) if found is None else found

    def _runs_under(self, number: int) -> dict[UUID, Run]:
        found = self.runs.get(number)
        if found is None:
            loaded = {run.run_id: run for run in self.snapshot.runs.get(number, ())}
            self.loaded_runs.update(loaded)
            found = self.runs[number] = self._with_freezes(loaded)
        return found

    def _with_freezes(self, runs: dict[UUID, Run]) -> dict[UUID, Run]:
        pausings = self.catalogue.pausings
        if not pausings:
            return dict(runs)
        return {
            run_id: with_freezes(run, pausing_of(pausings, run), self.now)
            for run_id, run in runs.items()
        }

    def move_runs(self, merged: int, survivor: int) -> list[Run]:
        """Let the survivor of a merge have the other's active runs; return these (rule I3)."""
        moved = [replace(run, contact_id=survivor) for run in self._runs_under(merged).values()]
        self.runs[merged] = {}
        for run in moved:
            self.put_run(run)
        self._closed_under(survivor).extend(self._closed_under(merged))
        return moved

    def hand_back(self, runs: Sequence[Run], owner: int) -> None:
        """Let an undone merge's other contact have these active runs again (rule I3)."""
        for run in runs:
            self.active_runs(run.contact_id).pop(run.run_id)
            self.put_run(replace(run, contact_id=owner))

    def put_run(self, run: Run) -> None:
        """Keep a run's new state; an ended one is no longer among the active."""
        active = self.active_runs(run.contact_id)
        self._withdraw(run)
        self.touched_runs[run.run_id] = run
        if run.status == "running":
            active[run.run_id] = run
        else:
            active.pop(run.run_id, None)

    def _withdraw(self, run: Run) -> None:
        """Call back the send at which a run stood, if it was not its answer that ended it (F3)."""
        if run.reason is None:
            return
        before = self.touched_runs.get(run.run_id) or self.loaded_runs.get(run.run_id)
        if before is None or not isinstance(before.parked, Sending):
            return
        effect_id, is_settled = before.parked.effect_id, before.parked.kept is not None
        if not is_settled and all(answer.effect_id != effect_id for answer in self.changes.answers):
            withdrawn = Withdrawn(effect_id, run.run_id, run.contact_id, run.reason)
            self.changes.withdrawn.append(withdrawn)

    def is_paused(self, run: Run) -> bool:
        """Tell whether nothing of this run may advance now (rule T3)."""
        if not self.catalogue.pausings:
            return False
        return pausing_of(self.catalogue.pausings, run).mode is not None

    def version_of(self, run: Run) -> Version:
        """Return the version a run is pinned to (rule S1)."""
        return self.catalogue.versions[run.automation_id, run.version]

    def closed_waits(self, contact_id: int) -> list[ClosedWait]:
        """Return the contact's waits that timed out lately and have no late match yet (W5)."""
        return self._closed_under(self.people.home_of(contact_id))

    def _closed_under(self, number: int) -> list[ClosedWait]:
        found = self.closed.get(number)
        if found is None:
            numbers = (number, *self.people.absorbed_before(number))
            found = self.closed[number] = [
                wait for each in numbers for wait in self.snapshot.closed_waits.get(each, ())
            ]
        return found

    def enrolment(self, contact_id: int, automation_id: UUID) -> Enrolment | None:
        """Return the memory of a contact's last entry, as far as re-entry keeps one (rule S2).

        It is read through the merge set: whoever entered under another name has entered (I3).
        """
        keys = [(number, automation_id) for number in self.people.members(contact_id)]
        known = [
            one
            for key in keys
            for one in (self.changes.enrolments.get(key), self.snapshot.enrolments.get(key))
            if one is not None
        ]
        return max(known, default=None)

    def enrol(self, contact_id: int, automation_id: UUID, v: datetime) -> None:
        """Remember an entry for `once` and `after:` (rule S2)."""
        known = self.enrolment(contact_id, automation_id)
        last_v = v if known is None else max(v, known.last_v)
        self.changes.enrolments[contact_id, automation_id] = Enrolment(last_v)

    def seen_event(self, key: UUID) -> Seen | None:
        """Return the stored event of this key, from this turn or an earlier one (rule E4)."""
        return self.seen.get(key) or self.snapshot.seen.get(key)

    def keep_event(self, event: StoredEvent) -> None:
        """Take in an event of this turn, for those that look back to it."""
        insort(self.arrived.setdefault((event.contact_id, event.name), []), event, key=order_of)

    def stored_events(
        self,
        contact_id: int,
        name: str,
        floor: datetime,
        needs_for: Callable[[str], Sequence[Need]],
    ) -> Iterator[StoredEvent]:
        """Go through a person's events of a name from a V on, of earlier turns and this one, by V.

        Events are read through the merge set (rule I3): they stay under the number they came by.
        `needs_for` returns the look-back for this name, then those that may be asked for next.

        Raises:
            NeedsLookBack: the store was not asked yet. All needs are asked for together, so that
                the waits further down the same version cost no further round.
        """
        if self.people.has_no_past(contact_id):
            return _from(self.arrived.get((contact_id, name), ()), floor)
        needs = needs_for(name)
        parts: list[Iterator[StoredEvent]] = []
        for need in self._through_merges(needs[:1]):
            parts.append(_from(self.arrived.get((need.contact_id, need.name), ()), floor))
            if need.contact_id not in self.people.first_seen_here:
                earlier = self.stored.since(need._replace(floor=floor))
                if earlier is None:
                    raise NeedsLookBack(self._through_merges(needs))
                parts.append(earlier)
        return merge(*parts, key=order_of)

    def require(self, needs: Sequence[Need]) -> None:
        """Have all of these look-backs read before the first of them is used."""
        lacking = [need for need in self._through_merges(needs) if self.stored.since(need) is None]
        unread = [one for one in lacking if one.contact_id not in self.people.first_seen_here]
        if unread:
            raise NeedsLookBack(unread)

    def _through_merges(self, needs: Sequence[Need]) -> list[Need]:
        return [
            need._replace(contact_id=number)
            for need in needs
            for number in self.people.members(need.contact_id)
        ]

    def settle(self) -> Changes:
        """Return the finished changes: run changes as before and after, unused claims undone."""
        for run_id, after in self.touched_runs.items():
            self.changes.runs.append(RunChange(self.loaded_runs.get(run_id), after))
        self.people.settle()
        return self.changes
