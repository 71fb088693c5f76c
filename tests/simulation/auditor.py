"""The judge: it knows what was published and what the automations say, and reads what came of it.

Nothing of the engine is imported here but the types of its rows. Numbers in brackets are the
invariants of reliability.md 5.1.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from state.event import Coordinates, Event, Identifier
from tests.simulation import audit_effects, audit_runs, audit_waits
from tests.simulation.evidence import Case, Evidence, Happened
from tests.simulation.facts import AutomationFact, Fact
from tests.simulation.tables import Commit, Partition

Violations = Iterator[str]


def audit(evidence: Evidence) -> list[str]:
    """Return everything that is wrong with a world that has come to rest."""
    found = [*_offsets(evidence), *_records(evidence)]
    if found:
        return found  # what follows would only repeat it
    case = _sorted(evidence)
    for part in (_starts, audit_runs.check, audit_waits.check, audit_effects.check, _people):
        found += part(case)
    if not evidence.tables.done:
        found.append("progress: no run has ended")
    return found


# --- offsets: 2, 8, 9 -----------------------------------------------------------------------------


def _offsets(evidence: Evidence) -> Violations:
    """[2, 8] Each partition's offsets were applied once each, in order, under growing epochs."""
    at: dict[Partition, int] = defaultdict(int)
    epochs: dict[Partition, int] = defaultdict(int)
    for commit in evidence.tables.commits:
        for position in commit.positions:
            partition = position[:2]
            if commit.lane != "rewind" and position.from_offset != at[partition]:
                yield f"[2] {partition}: {position} follows offset {at[partition]}"
            if position.epoch < epochs[partition]:
                yield f"[8] {partition}: epoch {position.epoch} after {epochs[partition]}"
            at[partition], epochs[partition] = position.to_offset, position.epoch
    for partition in evidence.log.records:
        if at[partition] != evidence.log.end(partition):
            yield f"[2] {partition}: applied to {at[partition]} of {evidence.log.end(partition)}"


def _applied(evidence: Evidence) -> dict[Coordinates, list[Commit]]:
    """Return the commits that applied each record."""
    applied: dict[Coordinates, list[Commit]] = defaultdict(list)
    for commit in evidence.tables.commits:
        for position in commit.positions if commit.lane != "rewind" else ():
            for offset in range(position.from_offset, position.to_offset):
                applied[Coordinates(*position[:2], offset)].append(commit)
    return applied


def _records(evidence: Evidence) -> Violations:
    """[2, 9] Every record left exactly the rows that its fate calls for, with its offset."""
    tables, applied = evidence.tables, _applied(evidence)
    names: Counter[tuple[str, str, int]] = Counter()
    for partition, records in evidence.log.records.items():
        for offset, appended in enumerate(records):
            place = Coordinates(*partition, offset)
            turns = [each for each in applied[place] if not each.lane.endswith("/touch")]
            if appended.decoded is not None and len(turns) < len(applied[place]):
                yield f"[2] {place} was passed over"
            if isinstance(appended.decoded, Event):
                names[appended.decoded.name, *partition] += len(turns)
    for fact in evidence.facts:
        if fact.fate == "refused":
            for copy in fact.copies:
                names[fact.name, *copy.coordinates[:2]] -= len(applied[copy.coordinates])
    if +names != +tables.names:
        too_often, too_seldom = +(tables.names - names), +(names - tables.names)
        yield f"[2] names were counted {too_often} too often, {too_seldom} too seldom"
    yield from _fates(evidence)


def _fates(evidence: Evidence) -> Violations:
    tables = evidence.tables
    by_id: dict[str, list[Fact]] = defaultdict(list)
    for fact in evidence.facts:
        by_id[fact.id].append(fact)
    set_aside: set[Coordinates] = set()
    dropped: set[Coordinates] = set()
    stored = {record.event.id: record for record in tables.events.values()}
    for event_id, twins in by_id.items():
        places = {copy.coordinates: fact for fact in twins for copy in fact.copies}
        if twins[0].fate in ("unreadable", "refused"):
            set_aside |= set(places)
            continue
        if twins[0].fate == "tombstone" or twins[0].name not in evidence.of_interest:
            continue
        record = stored.pop(event_id, None)
        if record is None:
            yield f"[2] event {event_id} was lost"
            continue
        kept = places.pop(record.event.coordinates)
        for place, fact in places.items():
            (dropped if fact.body() == kept.body() else set_aside).add(place)
    if stored:
        yield f"[2] events out of nowhere: {sorted(stored)}"
    if set(tables.quarantine) != set_aside:
        yield f"[2] quarantine differs in {sorted(set(tables.quarantine) ^ set_aside)}"
    if set(tables.duplicates) != dropped:
        yield f"[2] duplicates differ in {sorted(set(tables.duplicates) ^ dropped)}"
    evidence.seen["duplicate"] += len(dropped)
    evidence.seen["quarantine"] += len(set_aside)
    evidence.seen["redelivery"] += tables.tally["redelivered"]


# --- what happened --------------------------------------------------------------------------------


def _sorted(evidence: Evidence) -> Case:
    applied = _applied(evidence)
    happened: dict[str, Happened] = {}
    by_name: dict[tuple[str, str], list[Happened]] = defaultdict(list)
    places = {copy.coordinates: (fact, copy) for fact in evidence.facts for copy in fact.copies}
    for record in evidence.tables.events.values():
        fact, copy = places[record.event.coordinates]
        v = copy.recorded_at if fact.occurred_at is None else fact.occurred_at
        one = Happened(fact, copy, v, applied[copy.coordinates][0].now)
        happened[fact.id] = one
        by_name[fact.person.name, fact.name].append(one)
    ids = {one.automation_id: one.name for one in evidence.tables.definitions}
    runs = {(ids[run.automation_id], run.trigger.id): run for run in evidence.tables.done.values()}
    return Case(evidence, happened, by_name, runs)


def _starts(case: Case) -> Violations:
    """[1] One run for each trigger and automation, and none besides."""
    expected: set[tuple[str, str]] = set()
    for automation in case.evidence.automations:
        for person in case.evidence.people:
            triggers = [
                one.fact.id
                for one in case.by_name[person.name, automation.trigger]
                if _admits(automation, one.fact)
            ]
            entered = [one for one in triggers if (automation.name, one) in case.runs]
            if automation.is_once and triggers:
                if len(entered) != 1:
                    yield f"[1] {automation.name}: {person.name} entered {len(entered)} times"
                case.evidence.seen["once_refused"] += len(triggers) - 1
                expected |= {(automation.name, one) for one in entered}
            else:
                expected |= {(automation.name, one) for one in triggers}
    if expected != set(case.runs):
        yield f"[1] runs differ in {sorted(expected ^ set(case.runs))}"
    if len(case.runs) != len(case.evidence.tables.done):
        yield "[1] two runs have one trigger and automation"


def _admits(automation: AutomationFact, fact: Fact) -> bool:
    if automation.minimum is None:
        return True
    name, least = automation.minimum
    value = fact.payload[name]
    assert isinstance(value, int)
    return value >= least


def _people(case: Case) -> Violations:
    """Each person is one contact, whose runs are theirs and nobody else's."""
    owners = case.evidence.tables.owners
    contacts: dict[int, str] = {}
    for person in case.evidence.people:
        mine = {
            owners[identifier]
            for kind, value in person.identifiers.items()
            if (identifier := Identifier(kind, value)) in owners
        }
        if len(mine) > 1:
            yield f"[1] {person.name} is {len(mine)} contacts"
        for contact_id in mine:
            if contact_id in contacts:
                yield f"[1] {person.name} and {contacts[contact_id]} are one contact"
            contacts[contact_id] = person.name
    for (automation, trigger_id), run in case.runs.items():
        if contacts[run.contact_id] != case.happened[trigger_id].fact.person.name:
            yield f"[1] the run of {automation} by {trigger_id} is somebody else's"
