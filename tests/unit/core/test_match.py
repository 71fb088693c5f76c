"""One wait, one outcome; and what is shown of the event that came too late."""

import pytest

from tests.kit import (
    NOW,
    Scene,
    ago,
    ahead,
    effects,
    event,
    line,
    push,
    same,
    trigger,
    verdicts,
    wait,
    way,
)

WAITING = line(
    wait("w", "answer", timeout="1 hour"),
    push("yes"),
    aside=[push("no")],
    ways=[way("w", "no", "timeout")],
)


def timed_out(document=WAITING, **trigger_more: object) -> Scene:
    """Return a scene whose run's wait timed out at its deadline, an hour from NOW."""
    scene = Scene(document)
    scene.decide(event("go", **trigger_more))
    scene.at(ahead(hours=1)).fire_due()
    assert scene.waits()[0]["status"] == "timed_out"
    return scene


def test_a_wait_that_was_resumed_does_not_time_out():
    """W5: one wait, one outcome."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    assert effects(scene.decide(event("answer", ahead(minutes=59)))) == ["yes"]
    assert scene.at(ahead(hours=2)).fire_due().runs == []
    assert [w["status"] for w in scene.waits()] == ["received"]


def test_a_wait_that_timed_out_is_not_reopened():
    """W5: a late event never reopens; it is shown: `late_arrival`, and how late."""
    scene = timed_out()
    run = scene.run
    changes = scene.at(ahead(hours=2)).decide(event("answer", ahead(minutes=30), id="late"))
    assert (changes.runs, changes.effects) == ([], [])
    assert scene.run == run
    (late,) = changes.late
    assert (late.run_id, late.step_key) == (run.run_id, "w")
    assert late.match == ("late", "late_arrival", 3600.0)
    assert verdicts(changes) == ["late_arrival"]


def test_an_event_that_happened_too_late_says_so():
    """W5: V after the deadline: `after_deadline`, its lateness from there."""
    scene = timed_out()
    changes = scene.at(ahead(hours=9)).decide(event("answer", ahead(hours=1, seconds=90)))
    assert [tuple(late.match)[1:] for late in changes.late] == [("after_deadline", 90.0)]


def test_only_the_first_late_event_is_shown():
    """W5: the first within 24 h."""
    scene = timed_out()
    late = [event("answer", ahead(minutes=n), id=f"n{n}") for n in (40, 30)]
    changes = scene.at(ahead(hours=2)).decide(*late)
    assert [found.match.event_id for found in changes.late] == ["n40"]
    assert scene.decide(event("answer", ahead(minutes=20))).late == []


@pytest.mark.parametrize(("hours", "shown"), [(24.9, 1), (25.1, 0)])
def test_a_late_event_is_looked_out_for_a_day(hours, shown):
    """W5: 24 h from the closing of the wait."""
    scene = timed_out()
    changes = scene.at(ahead(hours=hours)).decide(event("answer", ahead(minutes=30)))
    assert len(changes.late) == shown


@pytest.mark.parametrize(
    ("at", "n", "shown"),
    [(ahead(minutes=1), 1, 1), (ahead(minutes=1), 2, 0), (ago(minutes=1), 1, 0)],
)
def test_what_would_not_have_matched_is_not_late(at, n, shown):
    """W5, W1: floor and filter bind here too; the filter still reads the trigger."""
    scene = timed_out(line(wait("w", "answer", timeout="1 hour", filter_rule=same("n"))),
                      payload={"n": 1})  # fmt: skip
    assert len(scene.decide(event("answer", at, payload={"n": n})).late) == shown


def test_the_trigger_is_not_its_own_late_event():
    """W5, D2: nor is an event that this run already used."""
    scene = timed_out(line(wait("w", "go", timeout="1 hour")))
    assert scene.decide(event("go", ahead(minutes=1), id="second")).late
    assert len(scene.runs) == 2


def test_a_wait_shows_a_late_event_once_though_it_is_still_open():
    """W5: seen while the timer was held: kept with the wait, and not looked for again."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    scene.at(ahead(hours=2))
    scene.decide(event("answer", ahead(minutes=70), id="a"))
    scene.decide(event("answer", ahead(minutes=80), id="b"))
    scene.fire_due()
    (closed,) = scene.waits()
    assert closed["late_match"] == {
        "event_id": "a",
        "verdict": "after_deadline",
        "lateness_seconds": 600.0,
    }
    assert scene.tables.closed_waits == {}


def test_one_event_resumes_all_matching_waits():
    """W6: all by default, each run once, in the order of parked_at."""
    one = line(wait("w", "answer"), push("p"), name="One", on=trigger("one"))
    two = line(wait("w", "answer"), push("p"), name="Two", on=trigger("two"))
    scene = Scene(one, two)
    for second, name in enumerate(["two", "one", "two"]):
        scene.at(ahead(seconds=second)).decide(event(name, NOW, id=f"{name}{second}"))
    changes = scene.at(ahead(seconds=9)).decide(event("answer", ahead(seconds=9)))
    assert verdicts(changes) == ["resumed"] * 3
    assert len({effect.key for effect in changes.effects}) == 3
    opened = [run.parked.entered_at for run in scene.runs]
    assert opened == [ahead(seconds=9)] * 3


@pytest.mark.parametrize(("deliver", "resumed"), [("oldest", 0), ("newest", 2)])
def test_a_step_may_deliver_to_one_of_its_waits(deliver, resumed):
    """W6: `oldest` or `newest` among the open waits of one automation and step, by parked_at."""
    scene = Scene(line(wait("w", "answer", deliver=deliver), push("p")))
    for second in range(3):
        scene.at(ahead(seconds=second)).decide(event("go", ahead(seconds=second)))
    changes = scene.at(ahead(seconds=9)).decide(event("answer", ahead(seconds=9)))
    assert sorted(verdicts(changes)) == ["not_delivered", "not_delivered", "resumed"]
    assert [run.activity for run in scene.runs].index("sending") == resumed


def test_what_ended_a_wait_is_on_the_run():
    """W8: what it waited for, until when, which event ended it and why."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    answer = event("answer", ahead(seconds=1), id="a1", place=("t", 3, 14), payload={"x": 1})
    scene.at(ahead(seconds=2)).decide(answer)
    (closed,) = scene.waits()
    assert closed["events"] == ["answer"]
    assert closed["deadline"] == "2026-11-22T11:00:00.000000Z"
    assert closed["outcome_branch"] == "event_received"
    assert closed["resumed_by_event"] == {
        "id": "a1",
        "event": "answer",
        "occurred_at": "2026-11-22T10:00:01.000000Z",
        "topic": "t",
        "partition": 3,
        "offset": 14,
    }
    assert scene.steps()[1]["output"] == {"event": "answer", "payload": {"x": 1}}


def test_a_branch_that_leads_nowhere_completes_the_run():
    """W8, R2: no branch: the run completes, `completed_no_branch`."""
    scene = timed_out(line(wait("w", "answer", timeout="1 hour"), push("p")))
    assert (scene.run.status, scene.run.reason) == ("completed", "completed_no_branch")
    assert scene.waits()[0]["outcome_branch"] == "timeout"
