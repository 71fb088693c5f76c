"""T3: what a paused automation keeps, and what becomes of it at the release."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from handlers.ending import Cancel
from handlers.timer import Release, TimerDue
from state.run import HeldStart, Sending, Sleeping, Waiting
from tests.kit import (
    NOW,
    Scene,
    ahead,
    delay,
    drawn,
    effects,
    email,
    event,
    line,
    push,
    same,
    trigger,
    verdicts,
    wait,
    way,
)

#: go -> wait for answer: push `yes`, or at the timeout push `no`.
WAITING = line(
    wait("w", "answer", timeout="1 hour"),
    push("yes"),
    aside=[push("no")],
    ways=[way("w", "no", "timeout")],
    exit=[{"event": "refund"}],
)
SENDING = line(email("a"), email("b"))


def paused(document=WAITING, mode="hold", **more) -> Scene:
    """Return a scene with one run of `go` at NOW, paused a minute later."""
    scene = Scene(document, **more)
    scene.decide(event("go"))
    scene.at(ahead(minutes=1)).pause(mode)
    return scene


def released(scene: Scene, at=None) -> Scene:
    scene.at(at or scene.now).pause(None)
    return scene


# --- starts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["hold", "freeze"])
def test_a_start_parks_at_the_first_step_and_begins_at_the_release(mode):
    """T3, S1: the run is there at once, with its id and its memory, and nothing was sent."""
    scene = Scene(line(email("m"), reentry="one_active"))
    scene.pause(mode)
    changes = scene.decide(event("go"), event("go", ahead(seconds=1)))
    assert verdicts(changes, 0) == ["started"]
    assert changes.events[0].findings[0].reason == "held"
    assert verdicts(changes, 1) == ["one_active"]
    assert isinstance(scene.run.parked, HeldStart)
    assert (scene.run.parked.step_key, scene.run.activity) == ("start", "delayed")
    assert (effects(changes), scene.steps()) == ([], [])
    assert scene.at(ahead(hours=1)).fire_due().runs == []
    assert effects(released(scene).fire_due()) == ["m"]
    assert scene.path() == ["start"]
    assert scene.steps()[0]["started_at"].startswith("2026-11-22T11:00:00")


def test_a_start_that_was_held_looks_back_over_the_pause():
    """T3, W2: what came while it was held is found when its waits open."""
    scene = Scene(line(wait("w", "answer"), push("yes")))
    scene.pause("hold")
    scene.decide(event("go"))
    changes = scene.at(ahead(minutes=1)).decide(event("answer", ahead(minutes=1)))
    assert verdicts(changes) == []
    assert effects(released(scene, ahead(hours=1)).fire_due()) == ["yes"]
    assert scene.waits()[0]["resumed_by_event"]["event"] == "answer"


def test_waits_after_one_that_was_kept_look_back_too():
    """T3, W2: the second wait opens at the release and finds what came in the pause."""
    scene = paused(line(wait("v", "answer"), wait("w", "other"), push("yes")))
    scene.decide(event("answer", ahead(minutes=1)), event("other", ahead(minutes=2)))
    assert scene.waits() == []
    changes = released(scene, ahead(hours=1)).fire_due()
    assert effects(changes) == ["yes"]
    assert [one["did"][0].reason for one in changes.receipts] == ["kept", "look_back"]


def test_a_start_is_held_for_lag_only_if_its_run_has_exit_rules():
    """T3, T2: at the release, exits that lie unread in the topics come first, as with a delay."""
    for exits, activity in (([], "sending"), ([{"event": "refund"}], "delayed")):
        scene = Scene(line(email("m"), exit=exits))
        scene.pause("hold")
        scene.decide(event("go"))
        scene.partitions(drawn(NOW - timedelta(seconds=1)))
        released(scene, ahead(seconds=1)).fire_due()
        assert scene.run.activity == activity


# --- waits ----------------------------------------------------------------------------------------


def test_a_kept_match_beats_the_deadline_that_passed_in_the_pause():
    """T3: kept matches apply before timeouts; the wait is received, by the event it kept."""
    scene = paused()
    changes = scene.at(ahead(minutes=30)).decide(event("answer", ahead(minutes=30), id="e1"))
    assert verdicts(changes) == ["kept"]
    assert (effects(changes), changes.receipts) == ([], [])
    assert scene.at(ahead(hours=5)).fire_due().runs == []
    changes = released(scene, ahead(hours=6)).fire_due()
    assert effects(changes) == ["yes"]
    (closed,) = scene.waits()
    assert (closed["status"], closed["resumed_by_event"]["id"]) == ("received", "e1")
    assert closed["kept_event"]["kept_at"].startswith("2026-11-22T10:30:00")
    assert closed["closed_at"].startswith("2026-11-22T16:00:00")
    assert scene.run.outputs["w"]["event"] == "answer"
    (receipt,) = changes.receipts
    assert (receipt["event_id"], receipt["did"][0].verdict) == ("e1", "resumed")


def test_an_event_that_comes_after_the_deadline_but_happened_before_is_kept():
    """T3, W3: V <= deadline beats the timeout, however late it is processed."""
    scene = paused()
    changes = scene.at(ahead(hours=9)).decide(event("answer", ahead(hours=1)))
    assert verdicts(changes) == ["kept"]
    assert effects(released(scene).fire_due()) == ["yes"]


def test_a_wait_keeps_the_first_event_and_no_other():
    """T3, W5: the first applied wins; to those after it the wait is taken."""
    scene = paused()
    first, second = event("answer", ahead(minutes=3)), event("answer", ahead(minutes=2))
    changes = scene.decide(first, second)
    assert [verdicts(changes, 0), verdicts(changes, 1)] == [["kept"], ["already_kept"]]
    assert verdicts(scene.decide(event("answer", ahead(minutes=4)))) == ["already_kept"]
    released(scene, ahead(minutes=5)).fire_due()
    assert scene.waits()[0]["resumed_by_event"]["id"] == first.id
    assert scene.run.used == {first.key}


def test_a_deadline_stands_while_held_and_passes_at_the_release():
    """T3: without a kept match the wait times out then; V after the deadline never resumes."""
    scene = paused()
    late = scene.at(ahead(hours=1, seconds=1)).decide(event("answer", ahead(hours=1, seconds=1)))
    assert verdicts(late) == ["after_deadline"]
    assert scene.run.activity == "waiting"
    assert effects(released(scene, ahead(hours=2)).fire_due()) == ["no"]
    assert scene.waits()[0]["deadline"].startswith("2026-11-22T11:00:00")
    assert scene.waits()[0]["frozen_seconds"] == 0


def test_a_timeout_that_is_overdue_at_the_release_is_still_held_for_lag():
    """T3, W4: an answer that lies unread in a topic comes before it."""
    scene = paused()
    scene.partitions(drawn(ahead(minutes=59), resumed_since=None))
    assert released(scene, ahead(hours=2)).fire_due().tally["timers_held"] == 1
    assert effects(scene.decide(event("answer", ahead(minutes=59)))) == ["yes"]


def test_a_kept_match_waits_for_no_lag():
    """T3: what has come need not be waited for."""
    scene = paused()
    scene.decide(event("answer", ahead(minutes=1)))
    scene.partitions(drawn(None, resumed_since=None))
    assert effects(released(scene).fire_due()) == ["yes"]


@pytest.mark.parametrize(("deliver", "order"), [("oldest", [0, 1]), ("newest", [1, 0])])
def test_who_is_delivered_to_is_decided_when_the_event_comes(deliver, order):
    """T3, W6: each event is kept for the wait that it would have resumed."""
    scene = Scene(line(wait("w", "answer", deliver=deliver), push("yes")))
    scene.decide(event("go", id="g0"))
    scene.at(ahead(seconds=1)).decide(event("go", ahead(seconds=1), id="g1"))
    older, newer = scene.runs
    scene.pause("hold")
    for number, at in enumerate(order):
        changes = scene.at(ahead(minutes=1)).decide(
            event("answer", ahead(minutes=1), id=f"a{number}")
        )
        assert verdicts(changes).count("kept") == 1
        waiting = scene.tables.runs[(older, newer)[at].run_id].parked
        assert (waiting.met[-1].id, waiting.kept_at) == (f"a{number}", scene.now)
    assert len(effects(released(scene).fire_due())) == 2


def test_filters_are_judged_when_the_event_comes():
    """T3, W1: an event that does not match is not kept, and leaves the wait to others."""
    scene = Scene(line(wait("w", "answer", filter_rule=same("n")), push("yes")))
    scene.decide(event("go", payload={"n": 1}))
    scene.pause("hold")
    assert verdicts(scene.decide(event("answer", NOW, payload={"n": 2}))) == ["filter_false"]
    assert verdicts(scene.decide(event("answer", NOW, payload={"n": 1}))) == ["kept"]
    released(scene).fire_due()
    assert scene.run.outputs["w"]["payload"] == {"n": 1}


def test_arms_are_met_in_a_pause_and_the_one_that_closes_the_wait_is_kept():
    """T3, W7: of `all_of` each arm is met as ever; the wait goes on with all of them."""
    arms = [{"event_name": "paid"}, {"event_name": "signed"}]
    both = {"key": "w", "type": "wait_for_event", "config": {"all_of": arms, "timeout": "1 hour"}}
    scene = paused(line(both, push("yes")))
    assert verdicts(scene.decide(event("signed", ahead(minutes=1)))) == ["arm_met"]
    assert verdicts(scene.decide(event("paid", ahead(minutes=2)))) == ["kept"]
    assert verdicts(scene.decide(event("paid", ahead(minutes=3)))) == ["already_kept"]
    assert effects(released(scene, ahead(hours=3)).fire_due()) == ["yes"]
    assert scene.waits()[0]["resumed_by_event"]["event"] == "paid"
    assert [one["event"] for one in scene.run.outputs["w"]["events"]] == ["paid", "signed"]


@pytest.mark.parametrize(("name", "sent"), [("paid", "yes"), ("refused", "no")])
def test_a_kept_match_follows_the_branch_of_its_arm(name, sent):
    """T3, W7: of `any_of` the arm that the event met."""
    arms = [{"event_name": "paid", "branch": "good"}, {"event_name": "refused", "branch": "bad"}]
    either = {"key": "w", "type": "wait_for_event", "config": {"any_of": arms}}
    ways = [way("w", "yes", "good"), way("w", "no", "bad")]
    document = line(either, aside=[push("yes"), push("no")], ways=ways)
    scene = paused(document)
    scene.decide(event(name, ahead(minutes=1)))
    assert effects(released(scene).fire_due()) == [sent]


def test_a_merge_in_a_pause_lets_waits_keep_what_the_other_side_had():
    """T3, I3: look-back runs again for moved waits, and nothing advances by it."""
    scene = paused(line(wait("w", "answer"), push("yes")))
    scene.decide(event("answer", ahead(minutes=1), id="a", external_id="u1"))
    both = {"email": "ann@x.io", "external_id": "u1"}
    changes = scene.at(ahead(minutes=2)).decide(event("noise", ahead(minutes=2), **both))
    assert (effects(changes), changes.receipts) == ([], [])
    assert (scene.run.activity, scene.run.parked.met[-1].id) == ("waiting", "a")
    assert effects(released(scene).fire_due()) == ["yes"]


# --- delays and sends -----------------------------------------------------------------------------


def test_a_delay_ends_at_the_release_if_it_was_over_before():
    """T3: nothing advances while held, and the instant stands."""
    scene = paused(line(delay("d", "1 hour"), email("m")))
    assert scene.at(ahead(hours=2)).fire_due().runs == []
    assert effects(released(scene).fire_due()) == ["m"]


def test_an_answer_is_settled_at_once_and_its_run_goes_on_at_the_release():
    """T3, F3: the message is sent or not, whatever the run does."""
    scene = paused(SENDING)
    changes = scene.settle("unknown", provider_id="p1", code="timeout", text="no answer")
    assert (effects(changes), scene.run.activity) == ([], "sending")
    assert len(scene.tables.messages) == 1
    assert scene.settle().runs == []
    changes = released(scene, ahead(hours=1)).fire_due()
    assert (effects(changes), changes.withdrawn) == (["b"], [])
    assert scene.run.outputs["a"]["unknown"] is True


def test_a_failure_that_was_kept_fails_the_run_at_the_release():
    """T3, F5: and calls nothing back, since it is settled."""
    scene = paused(SENDING)
    scene.settle("failed", code="bounced", text="no such address")
    assert scene.run.status == "running"
    changes = released(scene).fire_due()
    assert (scene.run.failure.code, changes.withdrawn) == ("bounced", [])


# --- what ends a run ------------------------------------------------------------------------------


def held_start() -> Scene:
    scene = Scene(WAITING)
    scene.pause("hold")
    scene.decide(event("go"))
    return scene


def kept_wait() -> Scene:
    scene = paused()
    scene.decide(event("answer", ahead(minutes=1)))
    return scene


def kept_answer() -> Scene:
    scene = paused(line(email("a"), email("b"), exit=[{"event": "refund"}]))
    scene.settle()
    return scene


@pytest.mark.parametrize("make", [held_start, paused, kept_wait, kept_answer])
def test_an_exit_ends_a_paused_run_at_once(make: Callable[[], Scene]):
    """T3, S3: it sends nothing, so nothing is in its way; the release finds nothing of it."""
    scene = make()
    changes = scene.at(ahead(minutes=2)).decide(event("refund", ahead(minutes=2)))
    assert verdicts(changes, subject="exit") == ["exited"]
    assert (scene.run.reason, changes.withdrawn) == ("exited_rule", [])
    assert released(scene, ahead(hours=9)).fire_due().runs == []


@pytest.mark.parametrize("make", [held_start, paused, kept_wait, kept_answer])
def test_a_cancel_ends_a_paused_run_at_once(make: Callable[[], Scene]):
    """T3, S4: and what was kept on it comes to nothing."""
    scene = make()
    scene.decide(Cancel(scene.run.contact_id, scene.run.run_id, "me"))
    assert scene.run.reason == "cancelled_operator"
    assert released(scene, ahead(hours=9)).fire_due().runs == []


def test_one_who_exits_may_start_again_while_paused():
    """T3, S2: re-entry is judged as ever."""
    scene = Scene(line(email("m"), reentry="one_active", exit=[{"event": "refund"}]))
    scene.pause("hold")
    scene.decide(event("go"), event("refund", ahead(seconds=1)), event("go", ahead(seconds=2)))
    assert [run.status for run in scene.runs] == ["completed", "running"]


# --- the sweep's word is not enough ---------------------------------------------------------------


@pytest.mark.parametrize("parked", [Waiting, Sleeping, Sending, HeldStart])
def test_nothing_that_is_due_fires_while_paused_though_somebody_asks(parked):
    """T3: under the lock the pause is looked at again; nor does an operator's word against lag."""
    make = {
        Waiting: kept_wait,
        Sleeping: lambda: paused(line(delay("d", "1 hour"))),
        Sending: kept_answer,
        HeldStart: held_start,
    }[parked]
    scene = make()
    run = scene.run
    assert isinstance(run.parked, parked)
    scene.at(ahead(days=1))
    due = TimerDue(run.contact_id, run.run_id)
    release = Release(run.contact_id, run.run_id, "me", "why")
    changes = scene.decide(due, release)
    assert (changes.runs, changes.audited) == ([], [])


def test_other_automations_go_on():
    """T3: a pause is one automation's."""
    scene = Scene(line(email("m"), name="A"), line(email("m"), name="B", on=trigger("other")))
    scene.pause("hold", "A")
    assert effects(scene.decide(event("go"), event("other"))) == ["m"]
