"""Step kinds are found, complete, and explain their configuration."""

import importlib
from types import ModuleType

import pytest

from handlers.decision import Elapsed, Matched, Settled, TimedOut
from handlers.step import ConfigError
from handlers.steps import KINDS, kind_of
from state.problem import Problem
from tests.turns import resumed

FITTING = {
    "trigger": {"event_name": "a"},
    "delay": {"duration": "1 hour"},
    "wait_for_event": {"event_name": "a"},
    "condition": {"field": "event.x", "operator": "exists"},
    "send_email": {"template": {"id": "t"}},
    "send_push": {"template": {"id": "t"}},
    "contact_update": {},
    "contact_delete": {},
    "add_to_segment": {"segment_id": "vip"},
    "remove_from_segment": {"segment_id": "vip"},
    "set_topic_subscription": {"topic_id": "news", "subscription": "opt_out"},
}
CAUSES = (Matched("a", {}, "event_received"), TimedOut(), Elapsed(), Settled("sent"))
ANSWERED = {
    "delay": (Elapsed,),
    "wait_for_event": (Matched, TimedOut),
    "send_email": (Settled,),
    "send_push": (Settled,),
}


def refused(kind: str, config: object) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        KINDS[kind].parse(config)
    return caught.value.problems


def test_every_step_kind_of_the_rules_is_found():
    """F1: the kinds of steps, as far as this version goes."""
    assert set(KINDS) == set(FITTING)


def test_each_kind_says_which_branches_may_leave_it():
    """W8: a wait has the branches `event_received` and `timeout`; F1: no kind fans out."""
    branches = {name: kind.branches for name, kind in KINDS.items()}
    assert branches.pop("wait_for_event") == ("event_received", "timeout")
    assert branches.pop("condition") == ("condition_met", "condition_not_met")
    assert set(branches.values()) == {("default",)}


@pytest.mark.parametrize("part", ["TYPE", "Config", "BRANCHES", "arms", "enter", "resume"])
def test_a_module_that_misses_a_part_fails_when_it_is_read(part):
    whole = importlib.import_module("handlers.steps.delay")
    module = ModuleType("handlers.steps.broken")
    for name in {"TYPE", "Config", "BRANCHES", "arms", "enter", "resume"} - {part}:
        setattr(module, name, getattr(whole, name))
    with pytest.raises(TypeError, match=f"broken lacks {part}"):
        kind_of(module)


@pytest.mark.parametrize("kind", FITTING)
@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: type(cause).__name__)
def test_a_step_answers_only_what_it_parks_for(kind, cause):
    if isinstance(cause, ANSWERED.get(kind, ())):
        assert resumed(kind, FITTING[kind], cause)
    else:
        with pytest.raises(AssertionError, match=kind):
            resumed(kind, FITTING[kind], cause)


@pytest.mark.parametrize("kind", FITTING)
def test_unknown_keys_and_null_options_are_ignored(kind):
    options = {
        "timeout": None,
        "since": None,
        "filter_rule": None,
        "from": None,
        "properties": None,
    }
    assert KINDS[kind].parse({**FITTING[kind], "added_later": 1}) == KINDS[kind].parse(
        FITTING[kind]
    )
    assert KINDS[kind].parse({**FITTING[kind], **options})


@pytest.mark.parametrize("empty", [None, [], {}])
def test_an_empty_configuration_may_be_null_or_a_list(empty):
    assert KINDS["contact_update"].parse(empty)
    assert refused("trigger", empty) == (Problem("event_name", "is missing", "add `event_name`"),)


@pytest.mark.parametrize(
    ("kind", "config", "fix"),
    [
        ("trigger", {"eventName": "a"}, "write `event_name`"),
        ("delay", {"seconds": 90}, "write `duration`"),
        ("wait_for_event", {"event_name": "a", "timeout_seconds": 9}, "write `timeout`"),
        ("wait_for_event", {"event_name": "a", "filterRule": {}}, "write `filter_rule`"),
        ("send_email", {"template_id": "t"}, "write `template.id`"),
        ("contact_update", {"firstName": "Ann"}, "write `first_name`"),
    ],
)
def test_a_key_in_another_spelling_is_refused_with_the_right_one(kind, config, fix):
    (problem,) = refused(kind, config)
    assert problem.field in config
    assert problem.fix == fix


@pytest.mark.parametrize(
    ("kind", "config", "fields"),
    [
        ("trigger", {"event_name": 7}, ["event_name"]),
        ("trigger", {"event_name": "a\n"}, ["event_name"]),
        ("trigger", {"event_name": "a" * 256}, ["event_name"]),
        ("trigger", {"event_name": None}, ["event_name"]),
        ("delay", {"duration": 90}, ["duration"]),
        ("wait_for_event", {"event_name": "a", "timeout": "P0D"}, ["timeout"]),
        ("wait_for_event", {"event_name": "a", "since": "ever"}, ["since"]),
        ("wait_for_event", {"event_name": "a", "deliver": "some"}, ["deliver"]),
        ("wait_for_event", {"any_of": [{"event_name": ""}]}, ["any_of[0].event_name"]),
        ("condition", {"type": "and", "rules": [{}]}, ["rules[0].field", "rules[0].operator"]),
        ("condition", "event.x", [""]),
        ("send_email", {"template": "t"}, ["template"]),
        ("send_email", {"template": {}}, ["template.id"]),
        ("send_email", {"template": {"id": "t", "variables": 1}}, ["template.variables"]),
        (
            "send_push",
            {"template": {"id": "t", "variables": {"A": {"var": "x"}, "B": [{"var": "y.z"}]}}},
            ["template.variables.A.var", "template.variables.B[0].var"],
        ),
        ("send_email", {"template": {"id": "t"}, "subject": "a\nb"}, ["subject"]),
        ("send_email", {"template": {"id": "t"}, "from": "a\r\nBcc: b"}, ["from"]),
        ("contact_update", {"first_name": 1, "unsubscribed": "no"}, ["first_name", "unsubscribed"]),
        ("contact_update", {"properties": {"a": [1], "b": {}}}, ["properties.a", "properties.b"]),
        ("contact_update", {"properties": 1}, ["properties"]),
    ],
)
def test_what_is_wrong_in_a_configuration_is_named_by_its_key(kind, config, fields):
    problems = refused(kind, config)
    assert [problem.field for problem in problems] == fields
    assert all(problem.fix for problem in problems)
