"""Runs that are ended from outside: R2, S4, O4."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from handlers.ending import Cancel, Expire
from handlers.timer import TimerDue
from state.turn import Changes
from tests.kit import (
    Scene,
    ahead,
    delay,
    event,
    line,
    push,
    rule,
    verdicts,
    wait,
)

WAITS = line(wait("w", "answer", timeout="1 hour"), push("p"))
SLEEPS = line(delay("d", "1 hour"), push("p"))
SENDS = line(push("p"), push("q"))


def started(document) -> Scene:
    scene = Scene(document)
    scene.decide(event("go"))
    return scene


def cancel(scene: Scene, **more) -> Changes:
    run = scene.run
    return scene.decide(Cancel(run.contact_id, run.run_id, "cli:ann@desk", **more))


# --- S4, O4: cancel -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "activity", "step_key"),
    [(WAITS, "waiting", "w"), (SLEEPS, "delayed", "d"), (SENDS, "sending", "p")],
)
def test_a_run_is_cancelled_wherever_it_stands(document, activity, step_key):
    """S4, O4, R2: cancel is a verb of its own; who did it, where the run stood, and why."""
    scene = started(document)
    changes = cancel(scene, why="a test order")
    assert (scene.run.status, scene.run.reason) == ("cancelled", "cancelled_operator")
    assert changes.tally["runs_cancelled"] == 1
    (audited,) = changes.audited
    assert (audited.who, audited.what, audited.target) == (
        "cli:ann@desk",
        "run.cancel",
        str(scene.run.run_id),
    )
    stood = {name: audited.before[name] for name in ("status", "activity", "step_key")}
    assert stood == {"status": "running", "activity": activity, "step_key": step_key}
    assert audited.after == {
        "status": "cancelled",
        "reason": "cancelled_operator",
        "why": "a test order",
    }


def test_a_cancelled_runs_open_wait_is_closed():
    """W8, S4: as cancelled, and no event resumes it any more."""
    scene = started(WAITS)
    cancel(scene)
    assert [one["status"] for one in scene.waits()] == ["cancelled"]
    changes = scene.decide(event("answer", ahead(minutes=1)))
    assert (changes.runs, changes.effects) == ([], [])


def test_a_cancel_calls_the_message_back_and_says_which():
    """F4, O4: the audit names the message that was asked for."""
    scene = started(SENDS)
    (row,) = scene.tables.outbox.values()
    changes = cancel(scene)
    assert [one.why for one in changes.withdrawn] == ["cancelled_operator"]
    assert changes.audited[0].before["message"] == row.effect.effect_id
    assert scene.tables.outbox == {}


def test_a_finished_run_is_not_cancelled():
    """R3: it never moves, and nothing is written down that was not done."""
    scene = started(WAITS)
    cancel(scene)
    run = scene.run
    changes = cancel(scene)
    assert (changes.runs, changes.audited, changes.tally["runs_cancelled"]) == ([], [], 0)
    assert scene.run == run


def test_what_comes_first_in_a_turn_wins_over_the_other():
    """W5, S4: one outcome for a wait that is answered and cancelled at once."""
    for answer_first, reason in ((True, "completed_no_branch"), (False, "cancelled_operator")):
        scene = started(line(wait("w", "answer", timeout="1 hour")))
        inputs = [
            event("answer", ahead(minutes=1)),
            Cancel(scene.run.contact_id, scene.run.run_id, "cli:ann@desk"),
        ]
        scene.decide(*(inputs if answer_first else reversed(inputs)))
        assert scene.run.reason == reason


def test_a_deleted_automations_runs_say_so():
    """R2: cancelled with the automation, not for themselves."""
    scene = started(WAITS)
    cancel(scene, reason="cancelled_automation_deleted")
    assert (scene.run.status, scene.run.reason) == ("cancelled", "cancelled_automation_deleted")


# --- R2: expiry -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "status"), [(399, "running"), (400, "cancelled")])
def test_a_run_expires_after_400_days(age, status):
    """R2: to the day, whatever it waits for."""
    scene = started(line(wait("w", "answer"), push("p")))
    scene.at(ahead(days=age))
    scene.decide(Expire(scene.run.contact_id, scene.run.run_id))
    assert scene.run.status == status
    assert scene.run.reason == (None if status == "running" else "expired")


def test_how_old_a_run_may_get_is_a_setting():
    """R2: WAITLINE_RUN_AGE_MAX."""
    scene = started(WAITS)
    scene.rules = replace(scene.rules, run_age_max=timedelta(minutes=10))
    scene.at(ahead(minutes=10)).decide(Expire(scene.run.contact_id, scene.run.run_id))
    assert scene.run.reason == "expired"


def test_an_expired_run_does_nothing_any_more():
    """R3: neither does its timer, nor a second expiry."""
    scene = started(WAITS)
    at = (scene.run.contact_id, scene.run.run_id)
    scene.at(ahead(days=401))
    scene.decide(Expire(*at))
    assert scene.decide(TimerDue(*at), Expire(*at)).runs == []


# --- R2: goals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("goal", "reason"), [(True, "exited_goal"), (False, "exited_rule")])
def test_an_exit_that_is_the_goal_says_so(goal, reason):
    """R2, S3: an exit rule with `goal: true` ends its run as one that did what it is for."""
    scene = started(line(delay("d", "1 day"), push("p"), exit=[{"event": "bought", "goal": goal}]))
    changes = scene.decide(event("bought", ahead(minutes=1)))
    assert (scene.run.status, scene.run.reason) == ("completed", reason)
    assert verdicts(changes) == ["exited"]
    assert changes.receipts[0]["ended"][0]["reason"] == reason


def test_the_first_exit_rule_that_holds_decides():
    """S3, R2: in the order in which they are written."""
    small = {"event": "bought", "filter": rule("event.total", "lt", 10)}
    scene = started(line(delay("d", "1 day"), exit=[small, {"event": "bought", "goal": True}]))
    scene.decide(event("bought", ahead(minutes=1), payload={"total": 30}))
    assert scene.run.reason == "exited_goal"
