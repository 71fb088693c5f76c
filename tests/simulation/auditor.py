"""The judge: it knows what was published and what the automations say, and reads what came of it.

Nothing of the engine is imported here but the types of its rows. Numbers in brackets are the
invariants of reliability.md 5.1.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from state.event import Coordinates, Event
from tests.simulation import audit_effects, audit_people, audit_runs, audit_starts, audit_waits
from tests.simulation.chronicle import Chronicle, tell, verdict_time
from tests.simulation.evidence import Case, Evidence, Happened
from tests.simulation.facts import Fact
from tests.simulation.tables import Commit, Partition

Violations = Iterator[str]


def audit(evidence: Evidence) -> list[str]:
    """Return everything that is wrong with a world that has come to rest."""
    found = list(_offsets(evidence))
    if found:
        return found  # what follows would only repeat it
    chronicle = tell(evidence)
    found += _records(evidence, chronicle)
    if found:
        return found
    case = _sorted(evidence, chronicle)
    for part in PARTS:
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


def _records(evidence: Evidence, chronicle: Chronicle) -> Violations:
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
                names[appended.decoded.name, *partition] += bool(turns)
    for fact in evidence.facts:
        if fact.fate == "refused":
            for copy in fact.copies:
                is_kept = copy.coordinates not in chronicle.erased
                names[fact.name, *copy.coordinates[:2]] -= is_kept
    if +names != +tables.names:
        too_often, too_seldom = +(tables.names - names), +(names - tables.names)
        yield f"[2] names were counted {too_often} too often, {too_seldom} too seldom"
    yield from _fates(evidence, chronicle)


def _fates(evidence: Evidence, chronicle: Chronicle) -> Violations:
    """[2, 12] Each event is stored once, its other copies are told apart; none of the deleted."""
    tables = evidence.tables
    by_id: dict[str, list[Fact]] = defaultdict(list)
    for fact in evidence.facts:
        by_id[fact.id].append(fact)
    set_aside: set[Coordinates] = set()
    dropped: set[Coordinates] = set()
    stored = {record.event.id: record.event.coordinates for record in tables.events.values()}
    for event_id, twins in by_id.items():
        places = {
            copy.coordinates: fact
            for fact in twins
            for copy in fact.copies
            if copy.coordinates not in chronicle.erased
        }
        if twins[0].fate in ("unreadable", "refused"):
            set_aside |= set(places)
        elif twins[0].fate == "good" and twins[0].name in evidence.of_interest:
            kept = stored.pop(event_id, None)
            if kept in places:
                body = places.pop(kept).body()
                dropped |= {place for place, fact in places.items() if fact.body() == body}
                set_aside |= {place for place, fact in places.items() if fact.body() != body}
            elif kept or places:
                yield f"[2, 12] event {event_id} was lost, or kept of somebody who was deleted"
    yield from _compared(evidence, sorted(stored), set_aside, dropped)


def _compared(
    evidence: Evidence, surplus: list[str], set_aside: set[Coordinates], dropped: set[Coordinates]
) -> Violations:
    tables, seen = evidence.tables, evidence.seen
    if surplus:
        yield f"[2] events out of nowhere: {surplus}"
    if set(tables.quarantine) != set_aside:
        yield f"[2] quarantine differs in {sorted(set(tables.quarantine) ^ set_aside)}"
    if set(tables.duplicates) != dropped:
        yield f"[2] duplicates differ in {sorted(set(tables.duplicates) ^ dropped)}"
    seen["duplicate"] += len(dropped)
    seen["quarantine"] += len(set_aside)
    seen["redelivery"] += tables.tally["redelivered"]
    seen["erased"] += tables.tally["erased"]


# --- what happened --------------------------------------------------------------------------------


def _sorted(evidence: Evidence, chronicle: Chronicle) -> Case:
    happened: dict[str, Happened] = {}
    by_name: dict[tuple[str, str], list[Happened]] = defaultdict(list)
    places = {copy.coordinates: (fact, copy) for fact in evidence.facts for copy in fact.copies}
    for record in evidence.tables.events.values():
        fact, copy = places[record.event.coordinates]
        contact = chronicle.contacts[copy.coordinates]
        at = chronicle.applied_at[copy.coordinates]
        one = Happened(fact, copy, verdict_time(fact, copy), at, contact)
        happened[fact.id] = one
        by_name[fact.person.name, fact.name].append(one)
    ids = {one.automation_id: one.name for one in evidence.tables.definitions}
    runs = {(ids[run.automation_id], run.trigger.id): run for run in evidence.tables.done.values()}
    return Case(evidence, chronicle, happened, by_name, runs)


#: What is judged once it is known what happened.
PARTS: tuple[Callable[[Case], Violations], ...] = (
    audit_starts.check,
    audit_runs.check,
    audit_waits.check,
    audit_effects.check,
    audit_people.check,
)
