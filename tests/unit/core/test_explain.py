"""Explaining a stored event: what it did, or why it did nothing (rule O3)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from handlers.explaining.case import Case
from handlers.explaining.explain import explain
from state.reading import NoteRow, Traces
from state.run import Resolved
from tests.explaining import PLACE, WAITING, case_of, explained, only, row_of
from tests.kit import NOW, Scene, ago, ahead, event, line, push, rule, same, trigger, wait

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


@pytest.mark.parametrize(
    "verdict",
    ["merge_blocked", "identifier_taken", "identifier_released", "merged", "deleted", "erased"],
)
def test_what_an_event_did_to_who_is_who_is_told(verdict: str) -> None:
    """O3, I2, I3, I5: of events that are not stored, the note of their place is what there is."""
    note = NoteRow(1, "x", PLACE, verdict, "email: because", NOW)
    found = explain(Case("x", None, Traces([], [], [], [note])))
    assert found["verdict"] == verdict
    assert len(found["reason"]) > 20


def test_what_an_erased_event_did_is_told_from_its_run() -> None:
    """O3, I5: its findings are gone with its person; that nothing had waited for it is untrue."""
    scene = Scene(WAITING)
    go = row_of(scene.decide(event("go")))
    opened = ahead(minutes=1)
    answer = row_of(scene.at(opened).decide(event("email.opened", opened)))
    again = ahead(minutes=2)
    unused = row_of(scene.at(again).decide(event("email.opened", again, id="again")))
    gone = [
        replace(row, resolved=Resolved("email", "erased", "erased"), payload={}, findings=())
        for row in (go, answer, unused)
    ]
    started, resumed, nothing = (explain(case_of(scene, row)) for row in gone)
    assert started["verdict"] == "started"
    assert only(started["automations"])["run_id"] == str(scene.run.run_id)
    assert "erased with its person" in only(started["automations"])["reason"]
    assert (resumed["verdict"], only(resumed["waits"])["step_key"]) == ("resumed", "opened")
    assert (nothing["verdict"], nothing["waits"]) == ("erased", [])
    assert "was deleted since" in nothing["reason"]


def test_contact_values_that_were_not_stored_are_marked_as_of_now() -> None:
    """O3: contact values are marked "as of now"."""
    named = trigger(filter_rule=rule("contact.email", "exists"))
    scene = Scene(line(push("thanks"), on=named))
    started = only(explained(scene, scene.decide(event("go")))["automations"])
    assert started["values"][0]["as_of_now"] is True
    assert "as of now" in started["reason"]
