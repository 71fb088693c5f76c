"""Judges who is who: contacts and whose runs are whose, merges, deletions, cancels, consent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from state.event import Identifier
from tests.simulation.audit_runs import runs_of
from tests.simulation.chronicle import NEVER, Contact, meeting
from tests.simulation.evidence import Case, Happened


def check(case: Case) -> Iterator[str]:
    """Judge the people as they are in the end, and what happened to their runs on the way."""
    yield from _contacts(case)
    yield from _duplicates(case)
    yield from _deletions(case)
    yield from _cancels(case)


def _contacts(case: Case) -> Iterator[str]:
    """[1] Whoever is one contact by the log is one in the tables; a run is its contact's alone."""
    owners, merged = case.evidence.tables.owners, case.evidence.tables.merged
    people = {person.name: person for person in case.evidence.people}
    numbers: dict[int, Contact] = {}
    for (person, kind), contact in case.chronicle.owners.items():
        number = owners.get(Identifier(kind, people[person].identifiers[kind]))
        if number is None:
            yield f"[1] nobody is {person} by {kind}"
        elif numbers.setdefault(number, contact.home) is not contact.home:
            yield f"[1] {person} by {kind} is somebody else as well"
    if len({id(contact) for contact in numbers.values()}) != len(numbers):
        yield "[1] one contact by the log is several in the tables"
    if len(owners) != len(case.chronicle.owners):
        yield f"[1, 12] {len(owners)} names are known, not {len(case.chronicle.owners)}"
    for automation, trigger, run in runs_of(case):
        home, number = trigger.contact.home, merged.get(run.contact_id, run.contact_id)
        if home.deleted_at == NEVER and numbers.get(number) is not home:
            yield f"[1] the run of {automation.name} by {trigger.fact.id} is somebody else's"
    case.evidence.seen["merged"] += len(merged)


def _duplicates(case: Case) -> Iterator[str]:
    """[14] Of two active runs that exclude each other the younger ended when their people met."""
    entered = [each for each in runs_of(case) if each[0].reentry in ("once", "one_active")]
    for automation, trigger, run in entered:
        assert run.completed_at is not None
        label = f"{automation.name}/{trigger.fact.id}"
        others = [
            (meeting(trigger.contact, its.contact).at, other)
            for same, its, other in entered
            if same is automation and other is not run
        ]
        if run.reason == "merged_duplicate":
            case.evidence.seen["merged_duplicate"] += 1
            if not any(
                met_at == run.completed_at and other.created_at <= run.created_at
                for met_at, other in others
            ):
                yield f"[14] {label} is nobody's duplicate"
        for met_at, other in others:
            assert other.completed_at is not None
            were_active = max(run.created_at, other.created_at) < met_at
            if were_active and met_at < min(run.completed_at, other.completed_at):
                yield f"[14] {label} went on beside its duplicate"


def _deletions(case: Case) -> Iterator[str]:
    """[12] Who is deleted has no active run, no name, and nothing is kept of what they said."""
    case.evidence.seen["deleted"] += case.chronicle.deletions
    for automation, trigger, run in runs_of(case):
        deleted_at, label = trigger.contact.home.deleted_at, f"{automation.name}/{trigger.fact.id}"
        assert run.completed_at is not None
        if run.completed_at > deleted_at:
            yield f"[12] {label} went on after its contact was deleted"
        if run.reason == "contact_deleted" and run.completed_at != deleted_at:
            yield f"[12] {label} ended though nobody was deleted"
        if deleted_at < NEVER and (
            run.outputs or run.wait_events or run.resolved.value != "erased"
        ):
            yield f"[12] {label} still tells of its contact"
    for record in case.evidence.tables.events.values():
        contact = case.chronicle.contacts[record.event.coordinates]
        if contact.home.deleted_at < NEVER and (record.event.payload or record.event.identifiers):
            yield f"[12] event {record.event.id} still tells of who was deleted"


def _cancels(case: Case) -> Iterator[str]:
    """[15] Who was to be cancelled has ended by then; who ended so was to be cancelled."""
    done = case.evidence.tables.done
    for order in case.evidence.cancelled:
        ended_at = done[order.run_id].completed_at
        if ended_at is None or ended_at > order.obeyed_at:
            yield f"[15] run {order.run_id} went on after it was cancelled"
    said = {order.run_id: order for order in case.evidence.cancelled}
    for run in done.values():
        if run.reason == "cancelled_operator":
            case.evidence.seen["cancelled"] += 1
            order = said.get(run.run_id)
            assert run.completed_at is not None
            if order is None or not order.said_at <= run.completed_at <= order.obeyed_at:
                yield f"[15] nobody has cancelled run {run.run_id}"


# --- consent --------------------------------------------------------------------------------------


def may_be_told(case: Case, about: Happened, at: datetime, *, surely: bool = False) -> bool:
    """Tell whether somebody may have wanted messages at an instant, or `surely` did (rules F4, I6).

    The last word by V counts, of those that had been committed; a tie unsubscribes. Of what was
    at that very instant nobody knows whether it came before.
    """
    words = [
        (one.v, one.leaves)
        for one in case.chronicle.words
        if one.contact.home is about.contact.home and one.landed_at < at
    ]
    unsure = [
        (one.v, one.leaves)
        for one in case.chronicle.words
        if one.contact.home is about.contact.home and one.landed_at == at
    ]
    verdicts = [not max(each, default=(at, False))[1] for each in (words, words + unsure)]
    return all(verdicts) if surely else any(verdicts)
