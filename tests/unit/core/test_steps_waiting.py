"""Triggers, delays and waits: what they park for, and where they go from there."""

from datetime import timedelta

import pytest

from handlers.decision import Elapsed, GoTo, Matched, Sleep, TimedOut, Wait
from handlers.steps import KINDS
from state.automation import Arm
from state.rule import Comparison
from tests.turns import NOW, entered, resumed

FILTER = {"field": "event.x", "operator": "eq", "value": 1}


def wait(**config: object) -> Wait:
    outcome = entered("wait_for_event", {"event_name": "email.opened", **config})
    assert isinstance(outcome, Wait)
    return outcome


def test_a_trigger_goes_on_at_once():
    assert entered("trigger", {"event_name": "order.completed"}) == GoTo("default")


def test_a_trigger_listens_to_its_event_with_its_filter():
    """S1: an automation starts by its trigger's name, if the trigger's filter holds."""
    config = KINDS["trigger"].parse({"event_name": "a", "filter_rule": FILTER})
    assert KINDS["trigger"].arms(config) == (Arm("a", Comparison("event.x", "eq", 1), "default"),)


def test_a_delay_sleeps_from_now():
    """T1: a delay is exact; its instant lies ahead, so it is not past due."""
    outcome = entered("delay", {"duration": "2 hours"})
    assert outcome == Sleep(NOW + timedelta(hours=2), False, {"duration": "2 hours"})
    assert resumed("delay", {"duration": "2 hours"}, Elapsed()) == GoTo("default")


def test_a_wait_listens_to_its_event_with_its_filter():
    """W1: a wait matches by name and filter."""
    kind = KINDS["wait_for_event"]
    config = kind.parse({"event_name": "a.b", "filter_rule": FILTER, "deliver": "oldest"})
    rule = Comparison("event.x", "eq", 1)
    assert kind.arms(config) == (Arm("a.b", rule, "event_received", "oldest"),)
    assert kind.names(config) == {"a.b"}
    assert KINDS["delay"].names(KINDS["delay"].parse({"duration": "1 hour"})) == frozenset()


def test_a_deadline_is_counted_from_now():
    """W3: deadline = entered_at + timeout."""
    assert wait(timeout="30 minutes").deadline == NOW + timedelta(minutes=30)
    assert wait().deadline is None


@pytest.mark.parametrize(
    ("since", "back"),
    [
        (None, timedelta(hours=1)),
        ("previous_step", timedelta(minutes=5)),
        ("now", timedelta(0)),
        ("3 hours", timedelta(hours=3)),
        ("60 days", timedelta(days=60)),
    ],
)
def test_a_wait_wants_to_look_back_to_its_floor(since, back):
    """W2: the floor is the run's start, or what `since` says; test_waits has its bounds."""
    assert wait(since=since).floor == NOW - back


def test_a_wait_follows_the_branch_of_what_ended_it():
    """W8: the branches are `event_received` and `timeout`."""
    config = {"event_name": "a"}
    matched = resumed("wait_for_event", config, Matched("a", {"x": 1}, "event_received"))
    assert matched == GoTo("event_received", {"event": "a", "payload": {"x": 1}})
    assert resumed("wait_for_event", config, TimedOut()) == GoTo("timeout")
