"""One wait for several events: its arms, what meets them, and what is told of them."""

from datetime import timedelta

import pytest

from handlers.steps import KINDS
from handlers.world import Rules
from state.history import history_of, outputs_in, wait_events_in
from tests.explaining import explained, only
from tests.kit import (
    NOW,
    Document,
    Scene,
    ago,
    ahead,
    arm,
    arms,
    delay,
    effects,
    event,
    line,
    push,
    rule,
    same,
    verdicts,
    wait,
    way,
)

PAID, SHIPPED = arm("paid", branch="paid"), arm("shipped", branch="shipped")


def any_of(*listed: Document, before: tuple[Document, ...] = (), **config: object) -> Document:
    """Return a wait for any arm; every branch leads to a push of its name, as does no event."""
    step = arms("w", "any_of", *listed, timeout="1 hour", **config)
    branches = KINDS["wait_for_event"].branching(KINDS["wait_for_event"].parse(step["config"]))
    return line(
        *before,
        step,
        aside=[push(branch) for branch in branches],
        ways=[way("w", branch, branch) for branch in branches],
    )


def all_of(*listed: Document, before: tuple[Document, ...] = (), **config: object) -> Document:
    step = arms("w", "all_of", *listed, **{"timeout": "1 hour", **config})
    return line(*before, step, push("yes"), aside=[push("no")], ways=[way("w", "no", "timeout")])


BOTH = all_of(arm("paid"), arm("shipped"))


def met_by(wait_: Document) -> list[str | None]:
    return [None if one["met_by"] is None else one["met_by"]["id"] for one in wait_["arms"]]


# --- any_of ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["paid", "shipped"])
def test_the_first_event_of_any_closes_the_wait_and_its_arm_says_the_branch(name):
    """W7: one wait with arms, each with its branch; closing the wait closes all."""
    scene = Scene(any_of(PAID, SHIPPED))
    scene.decide(event("go"))
    changes = scene.decide(event(name, ahead(seconds=1), id="it", payload={"n": 1}))
    assert (verdicts(changes), effects(changes)) == (["resumed"], [name])
    other = {"paid": "shipped", "shipped": "paid"}[name]
    assert verdicts(scene.decide(event(other, ahead(seconds=2)))) == []
    (closed,) = scene.waits()
    assert closed["events"] == ["paid", "shipped"]
    assert (closed["status"], closed["outcome_branch"]) == ("received", name)
    assert [(one["event"], one["branch"]) for one in closed["arms"]] == [
        ("paid", "paid"),
        ("shipped", "shipped"),
    ]
    assert sorted(met_by(closed), key=str) == [None, "it"]
    assert scene.steps()[1]["output"] == {"event": name, "payload": {"n": 1}}
    assert scene.run.wait_events == {name: {"n": 1}}


def test_an_arm_without_a_branch_follows_event_received():
    """W7, W8: the branches of a step depend on its arms, the timeout stays one."""
    scene = Scene(any_of(arm("paid"), SHIPPED))
    scene.decide(event("go"))
    assert effects(scene.decide(event("paid", ahead(seconds=1)))) == ["event_received"]
    scene.decide(event("go", ahead(seconds=2)))
    assert effects(scene.at(ahead(hours=1)).fire_due()) == ["timeout"]


def test_two_arms_of_one_name_are_told_apart_by_their_filters_in_declared_order():
    """W7: one event closes at most one arm of a wait, the first whose filter holds."""
    big = arm("paid", branch="big", filter_rule=rule("event.n", "gt", 10))
    some = arm("paid", branch="some", filter_rule=rule("event.n", "gt", 0))
    for n, branch in [(11, "big"), (5, "some"), (0, "none")]:
        scene = Scene(any_of(big, some, arm("paid", branch="none")))
        scene.decide(event("go"))
        assert effects(scene.decide(event("paid", ahead(minutes=1), payload={"n": n}))) == [branch]


def test_the_oldest_v_of_the_stored_events_chooses_the_arm():
    """W7, W2: whatever the order in which they came, and in which the arms are declared."""
    scene = Scene(any_of(PAID, SHIPPED, before=(delay("d", "30 minutes"),)))
    scene.decide(event("go"))
    scene.at(ahead(minutes=20))
    scene.decide(event("paid", ahead(minutes=20)), event("shipped", ahead(minutes=10), id="old"))
    assert effects(scene.at(ahead(minutes=30)).fire_due()) == ["shipped"]
    assert met_by(scene.waits()[0]) == [None, "old"]


# --- all_of ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("paid", "shipped"), ("shipped", "paid")])
def test_a_wait_for_all_closes_when_each_arm_was_met(order):
    """W7: in whichever order; the events stand in the output in declared order."""
    scene = Scene(BOTH)
    scene.decide(event("go"))
    first, last = (event(name, ahead(seconds=1), payload={"is": name}) for name in order)
    changes = scene.decide(first)
    assert (verdicts(changes), effects(changes), changes.receipts) == (["arm_met"], [], [])
    assert scene.run.activity == "waiting"
    assert scene.run.parked.entered_at == NOW
    changes = scene.at(ahead(seconds=2)).decide(last)
    assert (verdicts(changes), effects(changes)) == (["resumed"], ["yes"])
    assert scene.steps()[1]["output"] == {
        "event": order[1],
        "payload": {"is": order[1]},
        "events": [
            {"event": "paid", "payload": {"is": "paid"}},
            {"event": "shipped", "payload": {"is": "shipped"}},
        ],
    }
    (closed,) = scene.waits()
    assert (closed["status"], closed["outcome_branch"]) == ("received", "event_received")
    assert closed["resumed_by_event"]["event"] == order[1]
    assert None not in met_by(closed)
    assert scene.run.wait_events == {name: {"is": name} for name in order}
    assert scene.run.used == {first.key, last.key}


def test_a_wait_for_all_times_out_with_some_arms_met():
    """W7, W8: then it follows `timeout`; the run shows which arms were met."""
    scene = Scene(BOTH)
    scene.decide(event("go"))
    came = event("shipped", ahead(seconds=1), id="s")
    scene.decide(came)
    assert effects(scene.at(ahead(hours=1)).fire_due()) == ["no"]
    (closed,) = scene.waits()
    assert (closed["status"], closed["resumed_by_event"]) == ("timed_out", None)
    assert met_by(closed) == [None, "s"]
    assert came.key in scene.run.used


def test_two_arms_of_one_name_need_two_events():
    """W7, W1: an event that met an arm is used; the wait needs another one for the next."""
    scene = Scene(all_of(arm("paid"), arm("paid")))
    scene.decide(event("go"))
    assert verdicts(scene.decide(event("paid", ahead(seconds=1), id="1"))) == ["arm_met"]
    assert verdicts(scene.decide(event("paid", ahead(seconds=2), id="2"))) == ["resumed"]
    assert met_by(scene.waits()[0]) == ["1", "2"]


def test_an_event_that_met_an_arm_is_used_up_for_the_run():
    """W1, W7: a later wait of the run for its name needs another one, though that arm timed out."""
    document = line(
        arms("w", "all_of", arm("paid"), arm("shipped"), timeout="1 hour"),
        push("yes"),
        aside=[wait("v", "paid")],
        ways=[way("w", "v", "timeout")],
    )
    scene = Scene(document)
    scene.decide(event("go"))
    scene.decide(event("paid", ahead(seconds=1)))
    scene.at(ahead(hours=1)).fire_due()
    assert scene.run.parked.step_key == "v"


def test_an_arm_is_met_once():
    """W7: a second event for an arm that was met does nothing, and evidence says so."""
    scene = Scene(BOTH)
    scene.decide(event("go"))
    scene.decide(event("paid", ahead(seconds=1), id="1"))
    changes = scene.decide(event("paid", ahead(seconds=2), id="2"))
    assert (verdicts(changes), changes.runs) == (["already_met"], [])
    scene.decide(event("shipped", ahead(seconds=3)))
    assert met_by(scene.waits()[0])[0] == "1"


def test_stored_events_meet_arms_in_the_order_of_their_v():
    """W7, W2: each at most one; if all are met the wait closes at once."""
    listed = [arm("paid", filter_rule=rule("event.n", "gt", 1)), arm("paid"), arm("shipped")]
    scene = Scene(all_of(*listed, before=(delay("d", "30 minutes"),)))
    scene.decide(event("go"))
    scene.at(ahead(minutes=9))
    for minute, n in [(9, 0), (3, 2), (5, 2), (7, 2)]:
        paid = event("paid", ahead(minutes=minute), id=f"at-{minute}", payload={"n": n})
        scene.decide(paid)
    scene.decide(event("shipped", ahead(minutes=1), id="s"))
    changes = scene.at(ahead(minutes=30)).fire_due()
    assert effects(changes) == ["yes"]
    (closed,) = scene.waits()
    assert met_by(closed) == ["at-3", "at-5", "s"]
    assert closed["resumed_by_event"]["id"] == "at-5"
    assert closed["opened_at"] == closed["closed_at"]
    (receipt,) = changes.receipts
    assert receipt["event_id"] == "at-5"


def test_a_finished_runs_history_tells_what_closed_its_waits():
    """R4, W7: of every arm, so that nothing is kept twice."""
    scene = Scene(all_of(arm("paid"), arm("shipped")))
    scene.decide(event("go"))
    scene.decide(event("paid", ahead(minutes=3), payload={"n": 1}))
    scene.decide(event("shipped", ahead(minutes=4), payload={"by": "post"}))
    entries = history_of(scene.run)
    assert outputs_in(entries) == scene.run.outputs
    assert wait_events_in(entries) == scene.run.wait_events
    assert wait_events_in(entries) == {"paid": {"n": 1}, "shipped": {"by": "post"}}


def test_a_wait_parks_with_the_arms_that_stored_events_have_met():
    """W7, W2: what is lacking comes live."""
    scene = Scene(all_of(arm("paid"), arm("shipped"), before=(delay("d", "30 minutes"),)))
    scene.decide(event("go"))
    scene.decide(event("paid", ahead(minutes=3), id="early"))
    scene.at(ahead(minutes=30)).fire_due()
    assert [one.id for one in scene.run.parked.met] == ["early"]
    assert scene.run.used == frozenset()
    assert effects(scene.decide(event("shipped", ahead(minutes=31)))) == ["yes"]
    assert met_by(scene.waits()[0])[0] == "early"


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        (ago(microseconds=1), "before_window"),
        (NOW, "arm_met"),
        (ahead(hours=1), "arm_met"),
        (ahead(hours=1, microseconds=1), "after_deadline"),
    ],
)
def test_floor_and_deadline_hold_for_each_arm(at, verdict):
    """W7, W2, W3: V from the floor to the deadline, both included."""
    scene = Scene(BOTH)
    scene.decide(event("go"))
    assert verdicts(scene.at(ahead(hours=2)).decide(event("shipped", at))) == [verdict]


def test_each_arm_sees_back_to_when_its_own_name_was_of_interest():
    """W7, W2: a name that is new cuts the look-back of its own arm only, and the wait says so."""
    scene = Scene(any_of(PAID, SHIPPED, since="2 hours"))
    scene.tables.interest_since["shipped"] = ago(minutes=30)
    scene.decide(event("go"))
    assert scene.run.parked.is_truncated
    assert verdicts(scene.decide(event("shipped", ago(minutes=31)))) == ["before_window"]
    assert verdicts(scene.decide(event("paid", ago(minutes=90)))) == ["resumed"]


def test_an_exit_cancels_the_wait_with_all_its_arms():
    """W7, S3: the arms met until then are still told."""
    scene = Scene(BOTH | {"exit": [{"event": "refunded"}]})
    scene.decide(event("go"))
    scene.decide(event("paid", ahead(seconds=1), id="p"), event("refunded", ahead(seconds=2)))
    (closed,) = scene.waits()
    assert (closed["status"], met_by(closed)) == ("cancelled", ["p", None])


def test_one_event_is_delivered_to_one_wait_arms_and_all():
    """W6, W7: `deliver` holds for every arm; what one wait got, the others do not get."""
    scene = Scene(all_of(arm("paid"), arm("shipped"), deliver="oldest"))
    for second in range(2):
        scene.at(ahead(seconds=second)).decide(event("go", NOW, id=f"go{second}"))
    assert verdicts(scene.decide(event("paid", ahead(seconds=3)))) == ["not_delivered", "arm_met"]
    changes = scene.decide(event("paid", ahead(seconds=4)))
    assert verdicts(changes) == ["already_met", "arm_met"]
    assert verdicts(scene.decide(event("shipped", ahead(seconds=5)))) == [
        "not_delivered",
        "resumed",
    ]


# --- late arrivals --------------------------------------------------------------------------------


def timed_out(document: Document, *came: str) -> Scene:
    scene = Scene(document)
    scene.decide(event("go"))
    for name in came:
        scene.decide(event(name, ahead(minutes=1)))
    scene.at(ahead(hours=1)).fire_due()
    return scene


def test_a_late_event_is_one_that_would_have_met_an_arm_still_lacking():
    """W5, W7: the arm met in time has no latecomer."""
    scene = timed_out(BOTH, "paid")
    again = scene.at(ahead(hours=2)).decide(event("paid", ahead(minutes=30), id="again"))
    assert (again.late, verdicts(again)) == ([], [])
    changes = scene.decide(event("shipped", ahead(minutes=30), id="late"))
    assert [found.match for found in changes.late] == [("late", "late_arrival", 3600.0)]
    assert scene.decide(event("shipped", ahead(minutes=40))).late == []


def test_a_late_event_of_any_arm_is_shown_once():
    """W5, W7: the first of them, by its lateness from the one deadline."""
    scene = timed_out(any_of(PAID, SHIPPED))
    changes = scene.at(ahead(hours=2)).decide(event("shipped", ahead(minutes=61), id="late"))
    assert [found.match for found in changes.late] == [("late", "after_deadline", 60.0)]
    assert scene.decide(event("paid", ahead(minutes=30))).late == []


def test_a_late_event_from_before_its_name_was_of_interest_is_none():
    """W5, W7, W2: each arm's own floor binds here too."""
    scene = Scene(any_of(PAID, SHIPPED, since="2 hours"))
    scene.tables.interest_since["shipped"] = ago(minutes=30)
    scene.decide(event("go"))
    scene.at(ahead(hours=1)).fire_due()
    assert scene.decide(event("shipped", ago(minutes=31))).late == []
    assert scene.decide(event("paid", ago(minutes=90))).late != []


def test_an_event_after_the_deadline_of_an_open_wait_is_late_for_the_arm_it_lacks():
    """W5, W7: noted while the timer is held."""
    scene = Scene(BOTH)
    scene.decide(event("go"))
    scene.decide(event("paid", ahead(minutes=1)))
    scene.at(ahead(hours=2))
    assert verdicts(scene.decide(event("paid", ahead(hours=2), id="p"))) == ["already_met"]
    assert verdicts(scene.decide(event("shipped", ahead(hours=2), id="s"))) == ["after_deadline"]
    scene.fire_due()
    assert scene.waits()[0]["late_match"]["event_id"] == "s"


# --- what explains it -----------------------------------------------------------------------------


def test_an_event_that_met_an_arm_is_told_as_a_deed():
    """O3, W7: with the comparison that held, and what the wait still lacks."""
    scene = Scene(all_of(arm("paid", filter_rule=same("n")), arm("shipped")))
    scene.decide(event("go", payload={"n": 1}))
    told = explained(scene, scene.decide(event("paid", ahead(seconds=1), payload={"n": 1})))
    assert told["verdict"] == "arm_met"
    assert 'met an arm of the wait "w"' in told["reason"]
    assert "event.n eq 1: was 1" in only(told["waits"])["reason"]
    again = explained(scene, scene.decide(event("paid", ahead(seconds=2), payload={"n": 1})))
    assert again["verdict"] == "already_met"
    assert "another event had met this arm" in again["reason"]


def test_an_event_that_met_an_arm_by_look_back_is_told_in_hindsight():
    """O3, W7: nothing was noted on it when it came."""
    scene = Scene(all_of(arm("paid"), arm("shipped"), before=(delay("d", "30 minutes"),)))
    scene.decide(event("go"))
    changes = scene.decide(event("paid", ahead(minutes=3)))
    second = scene.decide(event("paid", ahead(minutes=4)))
    assert explained(scene, changes)["verdict"] == "no_open_wait"
    scene.at(ahead(minutes=30)).fire_due()
    told = explained(scene, changes)
    assert told["verdict"] == "arm_met"
    assert "look-back" in only(told["waits"])["reason"]
    assert explained(scene, second)["verdict"] == "already_met"
    scene.decide(event("shipped", ahead(minutes=31)))
    assert explained(scene, second)["verdict"] == "already_closed"


# --- what follows it ------------------------------------------------------------------------------


def test_rules_behind_a_wait_read_what_its_arms_were_met_by():
    """W7: `wait_events.<name>` of each arm, and `steps.<key>.output.event`."""
    paid = rule("wait_events.paid.n", "eq", 1)
    last = rule("steps.w.output.event", "eq", "shipped")
    both = {"key": "c", "type": "condition", "config": {"type": "and", "rules": [paid, last]}}
    scene = Scene(line(arms("w", "all_of", arm("paid"), arm("shipped")), both, push("p")))
    scene.decide(event("go"))
    scene.decide(event("paid", ahead(seconds=1), payload={"n": 1}))
    assert effects(scene.decide(event("shipped", ahead(seconds=2)))) == ["p"]


def test_the_timer_of_a_wait_with_arms_is_that_of_any_wait():
    """W7, T2: one deadline for all arms, and meeting one does not move it."""
    scene = Scene(BOTH, rules=Rules(grace=timedelta(seconds=30)))
    scene.decide(event("go"))
    due = scene.run.parked.due_at
    scene.at(ahead(minutes=30)).decide(event("paid", ahead(minutes=30)))
    assert scene.run.parked.due_at == due == ahead(hours=1, seconds=30)
