"""What a merge does to runs: they move, wake, end; once-only ones are resolved."""

from datetime import timedelta

import pytest

from state.contact import contact_uuid
from state.event import Identifier
from tests.kit import (
    NOW,
    Scene,
    ago,
    ahead,
    contact_event,
    delay,
    email,
    event,
    line,
    rule,
    trigger,
    verdicts,
    wait,
)
from tests.people import WAITING, met

# --- runs and waits -------------------------------------------------------------------------------


def test_waits_timers_and_runs_move():
    """I3: what comes for the survivor resumes them, what comes due fires."""
    scene = Scene(WAITING, line(delay("d", "1 hour"), name="B"))
    scene.decide(event("go", anonymous_id="a"))
    scene.decide(event("other", email="b@x.io"), contact_event("created", email="b@x.io"))
    met(scene, email="b@x.io", anonymous_id="a")
    kept = scene.contact("b@x.io")
    assert {run.contact_id for run in scene.tables.runs.values()} == {kept}
    scene.decide(event("answer", ahead(seconds=1), email="b@x.io"))
    scene.at(ahead(hours=1)).fire_due()
    assert {run.reason for run in scene.runs} == {"completed_end"}


@pytest.mark.parametrize("waiter", ["email", "anonymous_id"])
def test_a_merge_wakes_waits_by_the_other_sides_history(waiter):
    """I3, W2: look-back runs again, whichever side waits; no wake-up is lost."""
    scene = Scene(WAITING)
    named = {"email": "b@x.io", "anonymous_id": "a"}
    other = next(kind for kind in named if kind != waiter)
    scene.decide(event("go", **{waiter: named[waiter]}))
    scene.decide(event("answer", ahead(seconds=1), **{other: named[other]}))
    assert scene.run.activity == "waiting"
    changes = scene.at(ahead(seconds=2)).decide(
        contact_event("identified", ahead(seconds=2), **named)
    )
    assert scene.run.reason == "completed_end"
    (receipt,) = changes.receipts
    assert receipt["contact_id"] == str(contact_uuid(scene.contact("b@x.io")))
    assert receipt["did"][0].reason == "look_back"


def test_a_merge_does_not_wake_by_what_came_before_the_floor_or_after_the_deadline():
    """I3, W2, W3: the window holds for the other side's events too."""
    scene = Scene(line(wait("w", "answer", timeout="1 minute")))
    scene.decide(event("answer", ago(minutes=5), id="early", email="b@x.io"))
    scene.decide(event("go", anonymous_id="a"))
    scene.at(ahead(minutes=2)).decide(event("answer", ahead(seconds=61), id="late", email="b@x.io"))
    met(scene, email="b@x.io", anonymous_id="a")
    assert scene.run.activity == "waiting"


@pytest.mark.parametrize(("age", "reason"), [(34, "completed_end"), (36, None)])
def test_a_merge_looks_back_no_farther_than_any_wait(age, reason):
    """I3, W2: at most 35 days, however long the wait has been parked; older events may be gone."""
    scene = Scene(line(wait("w", "answer", timeout="60 days"), *WAITING["steps"][2:]))
    scene.decide(event("go", anonymous_id="a"))
    scene.decide(event("answer", ahead(days=1), email="b@x.io"))
    scene.at(ahead(days=1 + age))
    met(scene, email="b@x.io", anonymous_id="a")
    assert scene.run.reason == reason


def test_merged_history_starts_nothing():
    """I3: a trigger of the other side that was refused or had no automation then stays so."""
    scene = Scene(
        line(delay("d", "1 hour"), on=trigger(filter_rule=rule("contact.external_id", "exists")))
    )
    scene.decide(event("go", anonymous_id="a"))
    scene.decide(event("other", external_id="u"), contact_event("created", external_id="u"))
    met(scene, external_id="u", anonymous_id="a")
    assert scene.runs == []


def test_a_later_wait_looks_back_into_the_merged_history():
    """I3, W2: events are read through the merge set, not rewritten."""
    scene = Scene(line(delay("d", "1 minute"), *WAITING["steps"][1:]))
    scene.decide(event("go", email="b@x.io"))
    scene.decide(event("answer", ahead(seconds=1), anonymous_id="a"))
    scene.at(ahead(seconds=2))
    met(scene, email="b@x.io", anonymous_id="a")
    assert scene.run.activity == "delayed"
    scene.at(ahead(minutes=1)).fire_due()
    assert scene.run.reason == "completed_end"
    kept = [record.contact_id for record in scene.tables.events.values()]
    assert len(set(kept)) == 2


def test_an_answer_for_a_moved_run_resumes_it():
    """I3, F3: the effect was claimed under the other's number."""
    scene = Scene(line(email("mail")))
    both = {"email": "b@x.io", "anonymous_id": "a"}
    scene.decide(event("go", email="b@x.io"))
    scene.decide(contact_event("created", external_id="u"))
    before = [row.effect.contact_id for row in scene.tables.outbox.values()]
    met(scene, external_id="u", email=both["email"])
    assert before != [scene.contact("u", "external_id")]
    scene.settle()
    assert scene.run.reason == "completed_end"
    assert scene.run.contact_id == scene.contact("u", "external_id")


def test_a_late_event_is_shown_on_a_moved_wait():
    """I3, W5: the wait timed out under the other's number."""
    scene = Scene(line(wait("w", "answer", timeout="1 minute")))
    scene.decide(event("go", anonymous_id="a"))
    scene.at(ahead(minutes=2)).fire_due()
    scene.decide(contact_event("created", email="b@x.io"))
    met(scene, email="b@x.io", anonymous_id="a")
    scene.decide(event("answer", ahead(seconds=30), email="b@x.io"))
    (late,) = scene.tables.late.values()
    assert late.match.verdict == "late_arrival"


# --- several at once ------------------------------------------------------------------------------

PHONE, MAIL, COOKIE = {"phone": "+49123456"}, {"email": "b@x.io"}, {"anonymous_id": "a"}


def three(document=WAITING, *, chained: bool, **payload: object) -> Scene:
    """Return a scene of three with a run each, of whom the first two become the third one.

    Chained, the second survives the first and then becomes the third; else the first survives both.
    """
    scene = Scene(document)
    for second, named in enumerate((PHONE, MAIL, COOKIE)):
        scene.at(ago(minutes=9 - second)).decide(event("go", scene.now, payload=payload, **named))
    strongest = COOKIE if chained else MAIL
    said = contact_event("created", scene.now, payload={"external_id": "u"}, **strongest)
    scene.decide(said)
    return scene.at(NOW)


@pytest.mark.parametrize("chained", [True, False])
def test_one_event_may_bring_three_together(chained):
    """I3: even a survivor that becomes another one hands all runs on, its new ones too."""
    scene = three(chained=chained)
    changes = met(scene, **PHONE, **MAIL, **COOKIE)
    home = scene.contact("u", "external_id")
    assert {run.contact_id for run in scene.runs} == {home}
    assert [len(merge.moved_runs) for merge in changes.merges] == ([1, 2] if chained else [1, 1])
    scene.decide(event("answer", NOW, **PHONE))
    assert [run.reason for run in scene.runs] == ["completed_end"] * 3


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("named", [PHONE, MAIL, COOKIE])
def test_each_of_three_is_woken_by_the_history_of_every_other(chained, named):
    """I3, W2: whoever's the answer was, and in whatever order they became one; in one round."""
    scene = three(line(wait("w", "answer"), delay("d", "1 day")), chained=chained)
    scene.decide(event("answer", NOW, **named))
    assert sorted(run.activity for run in scene.runs) == ["delayed", "waiting", "waiting"]
    met(scene, **PHONE, **MAIL, **COOKIE)
    assert [run.activity for run in scene.runs] == ["delayed"] * 3
    assert len(scene.asked) == 1


@pytest.mark.parametrize("chained", [True, False])
def test_of_three_runs_that_exclude_each_other_the_oldest_stays(chained):
    """I3, R2: over all merges of the event."""
    scene = three(line(wait("w", "answer"), reentry="one_active"), chained=chained)
    met(scene, **PHONE, **MAIL, **COOKIE)
    assert [run.reason for run in scene.runs] == [None, "merged_duplicate", "merged_duplicate"]


# --- once-only runs -------------------------------------------------------------------------------


def both_run(**automation) -> Scene:
    """Return a scene in which both have a run; b's is the older one."""
    scene = Scene(line(wait("w", "answer"), **automation))
    payload = {"order": "o-1"}
    scene.decide(event("go", ago(minutes=2), email="b@x.io", payload=payload))
    scene.at(NOW + timedelta(seconds=1))
    scene.decide(event("go", ago(minutes=1), anonymous_id="a", payload=payload))
    scene.at(NOW + timedelta(seconds=2))
    return scene


@pytest.mark.parametrize("policy", ["once", "one_active", "key:event.order"])
def test_of_two_runs_that_exclude_each_other_the_older_stays(policy):
    """I3, R2: the other ends merged_duplicate, its wait cancelled."""
    scene = both_run(reentry=policy)
    met(scene, email="b@x.io", anonymous_id="a")
    older, younger = scene.runs
    assert (older.status, younger.reason) == ("running", "merged_duplicate")
    assert [one["status"] for one in scene.waits(younger)] == ["cancelled"]


@pytest.mark.parametrize("policy", ["always", "after:1 hour"])
def test_runs_that_may_be_active_at_once_both_stay(policy):
    """I3: under `always` both stay."""
    scene = both_run(reentry=policy)
    met(scene, email="b@x.io", anonymous_id="a")
    assert [run.status for run in scene.runs] == ["running", "running"]


def test_different_business_keys_exclude_nothing():
    """I3, S2: equal keys only."""
    scene = Scene(line(wait("w", "answer"), reentry="key:event.order"))
    scene.decide(event("go", ago(minutes=2), email="b@x.io", payload={"order": "o-1"}))
    scene.decide(event("go", ago(minutes=1), anonymous_id="a", payload={"order": "o-2"}))
    met(scene, email="b@x.io", anonymous_id="a")
    assert [run.status for run in scene.runs] == ["running", "running"]


def test_the_other_side_has_entered_once_too():
    """I3, S2: the memory of re-entry is read through the merge set."""
    scene = Scene(line(delay("d", "1 minute"), reentry="once"))
    scene.decide(event("go", anonymous_id="a"))
    scene.at(ahead(minutes=1)).fire_due()
    scene.decide(contact_event("created", email="b@x.io"))
    met(scene, email="b@x.io", anonymous_id="a")
    changes = scene.decide(event("go", ahead(minutes=1), email="b@x.io"))
    assert verdicts(changes) == ["once"]


# --- the log --------------------------------------------------------------------------------------


def test_a_merge_is_logged_with_enough_to_undo():
    """I3: who was who, both profiles, the runs that moved and those it decided."""
    scene = both_run(reentry="one_active")
    younger = scene.runs[1].run_id
    gone = scene.contact("a", "anonymous_id")
    changes = met(scene, email="b@x.io", anonymous_id="a")
    (merge,) = changes.merges
    assert (merge.survivor, merge.merged.contact_id) == (scene.contact("b@x.io"), gone)
    assert [link.identifier for link in merge.merged.links] == [Identifier("anonymous_id", "a")]
    assert (merge.moved_runs, merge.decided_runs) == ((younger,), (younger,))
