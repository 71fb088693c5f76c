"""Explaining what was dropped, set aside, not kept or never came (rule O3)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from handlers.explaining.case import Case
from handlers.explaining.considered import _span
from handlers.explaining.explain import explain
from handlers.explaining.story import did_you_mean
from state.event import Event, Rejected, Tombstone
from state.reading import Document, DuplicateRow, Found, Log, NoteRow, PartitionRow, Traces
from tests.explaining import (
    OTHER,
    PLACE,
    WAITING,
    case_of,
    letter,
    only,
    position,
    row_of,
    unstored,
)
from tests.kit import NOW, Scene, event


def test_a_duplicate_names_the_event_that_won() -> None:
    """E4: every drop names the winner."""
    scene = Scene(WAITING)
    row = row_of(scene.decide(event("go", place=OTHER)))
    dropped = DuplicateRow(row.id, PLACE, NOW, NOW, OTHER)
    found = explain(case_of(scene, row, duplicates=[dropped]))
    assert found["verdict"] == "duplicate"
    assert found["winner"] == OTHER._asdict()
    assert str(OTHER) in found["reason"]
    assert 'started a run of "A"' in found["reason"]
    assert [one["verdict"] for one in found["records"]] == ["stored", "duplicate"]


def test_a_duplicate_asked_for_by_its_place_did_nothing_itself() -> None:
    scene = Scene(WAITING)
    row = row_of(scene.decide(event("go", place=OTHER)))
    dropped = DuplicateRow(row.id, PLACE, NOW, NOW, OTHER)
    found = explain(Case(str(PLACE), PLACE, Traces(events=[row], duplicates=[dropped])))
    assert (found["verdict"], found["automations"]) == ("duplicate", [])
    assert found["event"]["offset"] == PLACE.offset


def test_a_quarantined_record_tells_reason_detail_and_fingerprint() -> None:
    """E5: reason, detail and fingerprint are kept and told."""
    found = explain(Case(str(PLACE), PLACE, Traces(quarantined=[letter()])))
    assert found["verdict"] == "quarantined"
    assert "not_json" in found["reason"]
    assert "expected a value" in found["reason"]
    assert only(found["records"])["fingerprint"] == "f1f2"
    assert found["event"]["id"] == "evt"


def test_a_conflict_of_ids_names_the_event_that_counted() -> None:
    """E4: same key, other body: quarantined as a conflict."""
    scene = Scene(WAITING)
    row = row_of(scene.decide(event("go", place=OTHER)))
    found = explain(case_of(scene, row, quarantined=[letter(winner=str(OTHER))]))
    assert found["verdict"] == "quarantined"
    assert found["winner"] == OTHER._asdict()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (None, "no worker has read waitline.events/0 yet"),
        (position(None), "no worker has read waitline.events/0 yet"),
        (position(5), "2 records of its partition come before it"),
        (position(7), "it comes next"),
    ],
)
def test_an_event_that_was_not_processed_yet(where: PartitionRow | None, said: str) -> None:
    found = unstored(decoded=event("go", place=PLACE), position=where, log=Log(0, 9))
    assert found["verdict"] == "not_processed"
    assert said in found["reason"]
    assert found["event"]["event"] == "go"


def test_a_name_that_no_automation_uses_with_the_nearest_that_one_does() -> None:
    """E7: an unclaimed name, with "did you mean"."""
    found = explain(
        Case(
            "evt",
            PLACE,
            Traces(),
            found=Found(event("order.complete", place=PLACE), position(9), Log(0, 9)),
            interest_since={"order.completed": NOW, "email.opened": NOW},
            names=["order.complete", "order.compleet"],
        )
    )
    assert found["verdict"] == "unclaimed"
    assert "Did you mean order.completed or order.compleet?" in found["reason"]


@pytest.mark.parametrize(("name", "is_told"), [("email.bounced", True), ("email.opened", False)])
def test_a_bounce_that_no_automation_uses_may_have_done_something(name: str, is_told: bool) -> None:
    """E7, F4: it is not kept, and yet an address may be suppressed by it."""
    found = unstored(decoded=event(name, place=PLACE), position=position(9), log=Log(0, 9))
    assert found["verdict"] == "unclaimed"
    assert ("is suppressed" in found["reason"]) == is_told


def test_a_name_that_is_used_only_since_then() -> None:
    case = Case(
        "evt",
        PLACE,
        Traces(),
        found=Found(event("go", place=PLACE), position(9), Log(0, 9)),
        interest_since={"go": NOW},
    )
    found = explain(case)
    assert found["verdict"] == "unclaimed"
    assert "since 2026-11-22T10:00:00" in found["reason"]


def test_a_name_that_only_a_stopped_automation_uses() -> None:
    """E7: nothing is kept for a stopped automation without live runs, and that is said."""
    found = Found(event("go", place=PLACE), position(9), Log(0, 9))
    told = explain(Case("evt", PLACE, Traces(), found=found, stopped=["Receipts"]))
    assert told["verdict"] == "stopped"
    assert only(told["automations"])["automation"] == "Receipts"
    assert 'automation "Receipts" refused it (stopped)' in told["reason"]


def _record(kind: type) -> Event | Rejected | Tombstone:
    if kind is Tombstone:
        return Tombstone(PLACE, NOW)
    if kind is Rejected:
        return Rejected("not_json", "expected a value", PLACE, NOW, b"{", b"", ())
    return event("contact.updated", place=PLACE, contact_event=True)


@pytest.mark.parametrize(
    ("kind", "verdict"), [(Tombstone, "tombstone"), (Rejected, "quarantined"), (Event, "applied")]
)
def test_other_records_that_kafka_holds(kind: type, verdict: str) -> None:
    assert (
        unstored(decoded=_record(kind), position=position(9), log=Log(0, 9))["verdict"] == verdict
    )


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (Log(0, 7), "ends at 7"),
        (Log(8, 9), "Kafka has deleted"),
        (Log(0, 9), "a marker of a transaction"),
        (None, 'Nothing is known of "evt"'),
    ],
)
def test_a_place_with_nothing_in_it(log: Log | None, said: str) -> None:
    found = unstored(log=log)
    assert found["verdict"] == "never_seen"
    assert said in found["reason"]
    assert found["event"] is None


def test_an_id_nobody_knows_tells_where_it_was_looked_for() -> None:
    found = explain(Case("evt", None, Traces(), searched=["the tables", "Kafka"]))
    assert found["verdict"] == "never_seen"
    assert "Searched: the tables, Kafka." in found["reason"]


def test_only_who_is_who_is_known_of_an_event_that_has_left_kafka() -> None:
    note = NoteRow(1, "evt", PLACE, "merge_blocked", "two_contacts: email stays apart", NOW)
    found = explain(Case("evt", None, Traces(notes=[note])))
    assert found["verdict"] == "merge_blocked"
    assert found["event"]["offset"] == 7


def test_names_that_automations_use_are_meant_before_others() -> None:
    assert did_you_mean("order.paid", ["order.payd"], ["order.pais", "zzz"]) == [
        "order.payd",
        "order.pais",
    ]
    assert did_you_mean("nothing.like", ["order.paid"], []) == []


def test_a_finding_of_a_run_that_is_gone_is_still_told() -> None:
    """O3: the findings stored with the event are the truth of that moment."""
    ids = {"automation_id": str(UUID(int=1)), "run_id": str(UUID(int=2))}
    gone: Document = {"subject": "automation", "verdict": "started", **ids}
    row = row_of(Scene(WAITING).decide(event("go")))
    found = explain(Case("evt", None, Traces(events=[replace(row, findings=[gone])])))
    assert found["verdict"] == "started"
    assert only(found["automations"])["automation"] == str(UUID(int=1))


def test_lengths_of_time_fit_their_size() -> None:
    assert _span(timedelta(seconds=3.2)) == "3.2 s"
    assert _span(timedelta(minutes=6)) == "6.0 minutes"
    assert _span(timedelta(hours=5)) == "5.0 hours"
    assert _span(timedelta(days=8)) == "8.0 days"
