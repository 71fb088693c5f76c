"""Explaining an event, from what is stored of it (rule O3): the pure part."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from handlers.catalogue import compile_version
from handlers.considered import _span
from handlers.explain import Case, explain
from handlers.hindsight import RunView
from handlers.story import did_you_mean
from state.event import Coordinates, Event, Rejected, Tombstone
from state.reading import (
    Document,
    DuplicateRow,
    EventRow,
    Found,
    Log,
    NoteRow,
    PartitionRow,
    QuarantineRow,
    StoredRun,
    Traces,
    VersionRow,
)
from state.turn import Changes
from tests.kit import NOW, Scene, ago, ahead, event, line, push, rule, same, trigger, wait

PLACE = Coordinates("waitline.events", 0, 7)
OTHER = Coordinates("waitline.events", 1, 3)
WAITING = line(wait("opened", "email.opened", timeout="30 minutes"), push("thanks"))


def row_of(changes: Changes) -> EventRow:
    """Return the last event of a turn as the tables hold it."""
    kept = changes.events[-1]
    of = kept.event
    return EventRow(
        key=of.key,
        source=of.source,
        id=of.id,
        name=of.name,
        occurred_at=of.occurred_at,
        recorded_at=of.recorded_at,
        processed_at=changes.now,
        v=kept.v,
        is_skewed=kept.is_skewed,
        coordinates=of.coordinates,
        contact_id=kept.contact_id,
        resolved=kept.resolved,
        identifiers=of.identifiers,
        payload=of.payload,
        findings=[finding.document() for finding in kept.findings],
    )


def case_of(scene: Scene, row: EventRow, **traces: Any) -> Case:
    """Return the case of an event of a scene, as the inquiry gathers it."""
    versions = {
        each.automation_id: VersionRow(each.automation_id, each.name, 1, each.definition)
        for each in scene.tables.definitions
    }
    views = {
        run.run_id: RunView(
            StoredRun(run, versions[run.automation_id]),
            compile_version(*versions[run.automation_id]),
        )
        for run in scene.runs
    }
    return Case(
        asked=row.id,
        at=None,
        traces=Traces(events=[row], **traces),
        runs=views,
        automations={key: version.name for key, version in versions.items()},
        contact=scene.tables.contacts[row.contact_id],
    )


def explained(scene: Scene, changes: Changes) -> dict[str, Any]:
    return explain(case_of(scene, row_of(changes)))


def only(entries: list[dict[str, Any]]) -> dict[str, Any]:
    (entry,) = entries
    return entry


def unstored(**known: Any) -> dict[str, Any]:
    found = {"decoded": None, "position": None, "log": None} | known
    return explain(Case("evt", PLACE, Traces(), found=Found(**found)))


def position(next_offset: int | None, owner: str | None = "w") -> PartitionRow:
    return PartitionRow("waitline.events", 0, next_offset, NOW, NOW, NOW, NOW, owner)


def letter(winner: str | None = None) -> QuarantineRow:
    return QuarantineRow(
        PLACE, NOW, NOW, "not_json", "expected a value", "f1f2", "evt", winner, b"{", b"", ()
    )


# --- what it did ----------------------------------------------------------------------------------


def test_the_document_has_the_keys_of_the_interface() -> None:
    scene = Scene(WAITING)
    found = explained(scene, scene.decide(event("go")))
    assert list(found)[:5] == ["event", "verdict", "identity", "automations", "waits"]
    assert list(only(found["automations"]))[:4] == ["automation", "verdict", "reason", "run_id"]


def test_a_trigger_started_a_run() -> None:
    scene = Scene(WAITING)
    found = explained(scene, scene.decide(event("go")))
    assert found["verdict"] == "started"
    started = only(found["automations"])
    assert (started["automation"], started["verdict"]) == ("A", "started")
    assert started["run_id"] == str(scene.run.run_id)
    assert str(scene.run.run_id) in found["advice"]


def test_why_a_filter_held_is_told_with_its_values() -> None:
    rich = trigger(filter_rule=rule("event.total", "gt", 10))
    scene = Scene(line(push("thanks"), on=rich))
    started = only(
        explained(scene, scene.decide(event("go", payload={"total": 30})))["automations"]
    )
    assert started["reason"] == "its filter held: event.total gt 10: was 30"


def test_an_event_resumed_a_wait() -> None:
    scene = Scene(WAITING)
    scene.decide(event("go"))
    found = explained(
        scene, scene.at(ahead(minutes=1)).decide(event("email.opened", ahead(minutes=1)))
    )
    assert found["verdict"] == "resumed"
    resumed = only(found["waits"])
    assert list(resumed)[:5] == ["run_id", "step_key", "verdict", "reason", "values"]
    assert (resumed["step_key"], resumed["verdict"]) == ("opened", "resumed")


def test_an_early_event_is_found_to_have_resumed_a_wait_by_look_back() -> None:
    """W2: what look-back found is written on the run only, and explained from there."""
    scene = Scene(WAITING)
    row = row_of(scene.decide(event("email.opened", id="early")))
    assert explain(case_of(scene, row))["verdict"] == "no_open_wait"
    scene.at(ahead(seconds=9)).decide(event("go", ago(seconds=1)))
    found = explain(case_of(scene, row))
    assert found["verdict"] == "resumed"
    assert "look-back" in only(found["waits"])["reason"]


def test_an_event_ended_a_run_by_its_exit_rule() -> None:
    scene = Scene(line(wait("opened", "email.opened"), exit=[{"event": "refunded"}]))
    scene.decide(event("go"))
    found = explained(scene, scene.decide(event("refunded", ahead(seconds=1))))
    assert found["verdict"] == "exited"
    assert only(found["exits"])["verdict"] == "exited"


# --- why it did nothing ---------------------------------------------------------------------------


def test_a_filter_that_was_false_is_told_with_the_value_that_stood_there() -> None:
    """O3: filter false, with the values."""
    rich = trigger(filter_rule=rule("event.total", "gt", 50))
    scene = Scene(line(push("thanks"), on=rich))
    found = explained(scene, scene.decide(event("go", payload={"total": 30})))
    assert found["verdict"] == "filter_false"
    refused = only(found["automations"])
    assert refused["reason"] == "event.total gt 50: was 30"
    assert refused["values"][0]["actual"] == 30
    assert "event.total gt 50: was 30" in found["reason"]


def test_an_absent_field_is_told_as_absent() -> None:
    scene = Scene(line(push("thanks"), on=trigger(filter_rule=rule("event.total", "gt", 50))))
    refused = only(explained(scene, scene.decide(event("go")))["automations"])
    assert refused["reason"] == "event.total gt 50: was absent"


def test_a_wait_of_another_order_refused_it() -> None:
    scene = Scene(line(wait("paid", "order.paid", filter_rule=same("order_id"))))
    scene.decide(event("go", payload={"order_id": "o-1"}))
    later = event("order.paid", ahead(minutes=1), payload={"order_id": "o-2"})
    found = explained(scene, scene.at(ahead(minutes=1)).decide(later))
    assert found["verdict"] == "filter_false"
    assert only(found["waits"])["reason"] == 'event.order_id eq "o-1": was "o-2"'


def test_a_second_entry_was_refused() -> None:
    """S2: a refusal is told with its reason."""
    scene = Scene(line(push("thanks"), reentry="once"))
    scene.decide(event("go", id="one"))
    found = explained(scene, scene.decide(event("go", id="two")))
    assert found["verdict"] == "once"
    assert "re-entry is `once`" in only(found["automations"])["reason"]


def test_a_live_event_from_before_the_window() -> None:
    """W2: below the floor a live event is `before_window`."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    found = explained(scene, scene.at(ahead(minutes=1)).decide(event("email.opened", ago(hours=1))))
    assert found["verdict"] == "before_window"
    assert "before the window began" in only(found["waits"])["reason"]


def test_a_stored_event_from_before_the_window_of_a_later_wait() -> None:
    """O3: what a look-back refused left no finding, and is judged again."""
    scene = Scene(WAITING)
    row = row_of(scene.decide(event("email.opened", ago(hours=2))))
    scene.at(ahead(minutes=1)).decide(event("go"))
    assert explain(case_of(scene, row))["verdict"] == "before_window"


def test_a_stored_event_that_the_filter_of_a_later_wait_refused() -> None:
    scene = Scene(line(wait("paid", "order.paid", filter_rule=same("order_id"))))
    row = row_of(scene.decide(event("order.paid", payload={"order_id": "o-2"})))
    scene.at(ahead(seconds=9)).decide(event("go", ago(seconds=1), payload={"order_id": "o-1"}))
    found = explain(case_of(scene, row))
    assert found["verdict"] == "filter_false"
    assert only(found["waits"])["reason"] == 'event.order_id eq "o-1": was "o-2"'


def test_an_event_after_the_deadline() -> None:
    """W3: V after the deadline never resumes, and says by how much."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    late = scene.at(ahead(minutes=31)).decide(event("email.opened", ahead(minutes=31)))
    found = explained(scene, late)
    assert found["verdict"] == "after_deadline"
    assert "60.0 s after the deadline" in only(found["waits"])["reason"]


def test_an_event_in_time_that_came_after_the_time_out() -> None:
    """W5: in time, but too late to be read."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    scene.at(ahead(minutes=31)).fire_due()
    found = explained(
        scene, scene.at(ahead(minutes=32)).decide(event("email.opened", ahead(minutes=1)))
    )
    assert found["verdict"] == "late_arrival"
    assert "after the time-out" in only(found["waits"])["reason"]


def test_a_second_answer_finds_the_wait_closed_and_learns_by_whom() -> None:
    scene = Scene(WAITING)
    scene.decide(event("go"))
    scene.at(ahead(minutes=1)).decide(event("email.opened", ahead(minutes=1), id="first"))
    found = explained(
        scene, scene.at(ahead(minutes=2)).decide(event("email.opened", ahead(minutes=2)))
    )
    assert found["verdict"] == "already_closed"
    assert "another event, first" in only(found["waits"])["reason"]


def test_an_automation_that_was_stopped_or_enabled_later() -> None:
    """S1: `stopped` and `before_enabled` are told."""
    scene = Scene(line(push("thanks"), status="disabled"))
    assert explained(scene, scene.decide(event("go")))["verdict"] == "stopped"
    scene = Scene(line(push("thanks")))
    found = explained(scene, scene.decide(event("go", ago(days=31))))
    assert found["verdict"] == "before_enabled"


def test_an_event_that_was_too_old() -> None:
    """S5: the age is told."""
    scene = Scene(line(push("thanks")))
    found = explained(scene, scene.decide(event("go", ago(days=8), recorded_at=NOW)))
    assert found["verdict"] == "too_old"
    assert "8.0 days old" in only(found["automations"])["reason"]


def test_a_merge_that_was_blocked_counts_only_where_nothing_else_happened() -> None:
    """I2: merge_blocked is recorded, and explained."""
    note = NoteRow(1, "x", PLACE, "merge_blocked", "two_contacts: email stays apart", NOW)
    scene = Scene(WAITING)
    quiet = row_of(scene.decide(event("email.opened")))
    found = explain(case_of(scene, quiet, notes=[note]))
    assert found["verdict"] == "merge_blocked"
    assert found["identity"]["notes"][0]["verdict"] == "merge_blocked"
    busy = row_of(scene.at(ahead(seconds=1)).decide(event("go", ahead(seconds=1))))
    assert explain(case_of(scene, busy, notes=[note]))["verdict"] == "started"


def test_contact_values_that_were_not_stored_are_marked_as_of_now() -> None:
    """O3: contact values are marked "as of now"."""
    named = trigger(filter_rule=rule("contact.email", "exists"))
    scene = Scene(line(push("thanks"), on=named))
    started = only(explained(scene, scene.decide(event("go")))["automations"])
    assert started["values"][0]["as_of_now"] is True
    assert "as of now" in started["reason"]


# --- what was dropped, set aside or never came ----------------------------------------------------


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
