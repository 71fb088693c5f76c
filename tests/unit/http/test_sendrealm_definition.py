"""Sendrealm's definitions: read as automations of ours, and ours written as theirs."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, strategies as st

from handlers.http.sendrealm.definition import our_drawing, their_definition
from handlers.http.sendrealm.filters import filters_of, rule_of
from handlers.publishing.catalogue import compile_version
from handlers.publishing.publish import parse_automation
from state.automation import Version
from state.problem import ProblemsError
from state.rule import OPERATORS, ORDER, PRESENCE, TEXT, parse_rule
from tests.kit import (
    TEMPLATES,
    arm,
    arms,
    automation_id,
    condition,
    delay,
    email,
    line,
    push,
    rule,
    same,
    trigger,
    update,
    wait,
    way,
)

AUDIENCE = {"audience_id": "vip"}
JOURNEY: Mapping[str, Any] = {
    "trigger": {"event_name": "order.completed", "filters": {"amount_gte": 1000}},
    "steps": [
        {
            "key": "send_receipt",
            "type": "send_email_template",
            "config": {"template_version_id": "mail", "domain_id": "dom_1"},
        },
        {"key": "pause", "type": "delay", "config": {"duration_seconds": 60}},
        {
            "key": "wait_for_open",
            "type": "wait_for_event",
            "config": {
                "event_name": "sendrealm.mail.open",
                "timeout_seconds": 1800,
                "filters": {"message": {"var": "trigger.message"}},
            },
        },
        {"key": "thank", "type": "send_push_template", "config": {"template_version_id": "push"}},
        {"key": "rich", "type": "condition", "config": {"filters": {"amount_gt": 5000}}},
        {"key": "join", "type": "add_to_audience", "config": AUDIENCE},
        {"key": "leave", "type": "remove_from_audience", "config": AUDIENCE},
    ],
    "connections": [
        {"from": "trigger", "to": "send_receipt", "branch": "next"},
        {"from": "send_receipt", "to": "pause", "branch": "next"},
        {"from": "pause", "to": "wait_for_open", "branch": "next"},
        {"from": "wait_for_open", "to": "thank", "branch": "received"},
        {"from": "wait_for_open", "to": "rich", "branch": "timeout"},
        {"from": "rich", "to": "join", "branch": "true"},
        {"from": "rich", "to": "leave", "branch": "false"},
    ],
}


def compiled(drawing: Mapping[str, Any]) -> Version:
    document = {
        "name": "A",
        "templates": TEMPLATES,
        "segments": ["vip"],
        **drawing,
    }
    draft = parse_automation(document)
    return compile_version(automation_id(), draft.name, 1, draft.definition)


def published(drawing: Mapping[str, Any]) -> Mapping[str, Any]:
    return parse_automation(
        {"name": "A", "templates": TEMPLATES, "segments": ["vip"], **drawing}
    ).definition


def problems(definition: object) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        our_drawing(definition)
    return [problem.text for problem in caught.value.problems]


def test_a_definition_means_an_automation_of_ours() -> None:
    drawing = our_drawing(JOURNEY)
    assert drawing["steps"] == [
        {
            "key": "trigger",
            "type": "trigger",
            "config": {
                "event_name": "order.completed",
                "filter_rule": rule_at("amount", "gte", 1000),
            },
        },
        {
            "key": "send_receipt",
            "type": "send_email",
            "config": {"template": {"id": "mail"}, "domain_id": "dom_1"},
        },
        {"key": "pause", "type": "delay", "config": {"duration": "60 seconds"}},
        {
            "key": "wait_for_open",
            "type": "wait_for_event",
            "config": {
                "event_name": "sendrealm.mail.open",
                "timeout": "1800 seconds",
                "filter_rule": rule_at("message", "eq", {"var": "trigger.message"}),
            },
        },
        {"key": "thank", "type": "send_push", "config": {"template": {"id": "push"}}},
        {"key": "rich", "type": "condition", "config": rule_at("amount", "gt", 5000)},
        {"key": "join", "type": "add_to_segment", "config": {"segment_id": "vip"}},
        {"key": "leave", "type": "remove_from_segment", "config": {"segment_id": "vip"}},
    ]
    assert [(one["from"], one["to"], one["type"]) for one in drawing["connections"]] == [
        ("trigger", "send_receipt", "default"),
        ("send_receipt", "pause", "default"),
        ("pause", "wait_for_open", "default"),
        ("wait_for_open", "thank", "event_received"),
        ("wait_for_open", "rich", "timeout"),
        ("rich", "join", "condition_met"),
        ("rich", "leave", "condition_not_met"),
    ]


def rule_at(field: str, operator: str, value: object) -> Mapping[str, object]:
    return {"type": "rule", **rule(f"event.{field}", operator, value)}


def test_a_definition_comes_back_as_it_was_sent() -> None:
    assert their_definition(published(our_drawing(JOURNEY))) == JOURNEY


DRAWN = {
    "all kinds": line(
        email("receipt", NAME="Ann"),
        delay("pause", "1 day"),
        wait("opened", "email.opened", timeout="30 minutes", filter_rule=same("order_id")),
        push("thank"),
        condition("rich", **rule("event.total", "gt", 5)),
        update("note", first_name="Ann", properties={"vip": True}),
        aside=[email("nudge", "other")],
        ways=[way("opened", "nudge", "timeout")],
    ),
    "calendar": line(delay("pause", "P1M"), wait("opened", "o", timeout="P1D"), time_zone="UTC"),
    "arms": line(
        arms("two", "any_of", arm("paid", branch="paid"), arm("left", branch="left")),
        aside=[push("thank")],
        ways=[way("two", "thank", "paid")],
    ),
    "entry": line(push("thank"), reentry="once", exit=[{"event": "refunded", "goal": True}]),
    "other rules": line(
        condition(
            "either", type="or", rules=[rule("event.a", "eq", 1), rule("contact.email", "eq", "a")]
        ),
        on=trigger(
            "go",
            filter_rule={
                "type": "and",
                "rules": [rule("event.a", "eq", 1), rule("contact.id", "eq", "x")],
            },
        ),
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_an_automation_of_ours_means_the_same_after_both_ways(name: str) -> None:
    """R3: what a client reads and writes back is the version it was."""
    drawing = {key: DRAWN[name][key] for key in DRAWN[name] if key not in ("name", "templates")}
    there = their_definition(published(drawing))
    again = our_drawing(there)
    assert meaning(compiled(again)) == meaning(compiled(drawing))


def meaning(version: Version) -> object:
    """Return what a version does, whatever its trigger is called and its configs are written as."""

    def key(step: str) -> str:
        return "trigger" if step == version.trigger_key else step

    return (
        [(key(one), version.steps[one].type, version.steps[one].config) for one in version.order],
        {(key(a), branch): b for (a, branch), b in version.successors.items()},
        (version.arms, version.exits, version.reentry, version.time_zone),
        (version.trigger_event, version.trigger_filter),
    )


def test_what_is_not_of_the_shape_is_said_all_at_once() -> None:
    assert problems(None) == ["definition: is missing; write its keys and values"]
    assert problems({"steps": {}, "connections": [3]}) == [
        "definition, trigger: is missing; write its keys and values",
        "definition, steps: must be a list, not {}; write items",
        "definition, connections[0]: must be an object, not 3; write its keys and values",
    ]


def test_the_trigger_is_no_step() -> None:
    steps = [{"key": "trigger", "type": "delay"}, {"key": "a", "type": "trigger"}]
    said = problems({"trigger": {"event_name": "go"}, "steps": steps})
    assert [text.partition(";")[0] for text in said] == [
        'definition, steps[0].key: "trigger" is taken',
        'definition, steps[1].type: "trigger" is taken',
    ]


def test_seconds_are_whole_numbers() -> None:
    config = {"event_name": "a", "timeout_seconds": "soon"}
    steps = [{"key": "w", "type": "wait_for_event", "config": config}]
    (said,) = problems({"trigger": {"event_name": "go"}, "steps": steps})
    assert said.startswith('definition, steps[0].config.timeout_seconds: "soon" is not a number')


def test_an_unknown_type_is_left_to_be_refused_by_its_name() -> None:
    steps = [{"key": "w", "type": "dance", "config": {}}]
    drawing = our_drawing({"trigger": {"event_name": "go"}, "steps": steps})
    with pytest.raises(ProblemsError, match='"dance" is not a kind of step'):
        parse_automation({"name": "A", **drawing})


# --- filters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "comparison"),
    [
        ({"currency": "EUR"}, ("currency", "eq", "EUR")),
        ({"amount_gte": 1000}, ("amount", "gte", 1000)),
        ({"order.total_lt": 5}, ("order.total", "lt", 5)),
        ({"name_not_contains": "test"}, ("name", "not_contains", "test")),
        ({"size_gt_eq": 3}, ("size_gt", "eq", 3)),
        ({"_gte": 3}, ("_gte", "eq", 3)),
    ],
)
def test_a_filter_is_a_field_and_an_operator(filters, comparison) -> None:
    """S1: a filter decides which events start a run."""
    assert rule_of(filters) == rule_at(*comparison)
    assert filters_of(rule_at(*comparison)) == filters


def test_no_filters_are_no_rule() -> None:
    assert rule_of({}) is None
    assert rule_of(None) is None


def test_what_filters_cannot_say_stays_a_rule() -> None:
    either = {"type": "or", "rules": [rule_at("a", "eq", 1), rule_at("b", "eq", 2)]}
    twice = {"type": "and", "rules": [rule_at("a", "eq", 1), rule_at("a", "eq", 2)]}
    for unsayable in (either, twice, rule("contact.email", "eq", "a@b.c")):
        assert filters_of(unsayable) is None


@pytest.mark.parametrize("filters", [[], {"paid_exists": False}, "amount > 3"])
def test_what_are_no_filters_is_refused(filters) -> None:
    with pytest.raises(ProblemsError):
        rule_of(filters)


FIELDS = st.text("abgte_q", min_size=1, max_size=8).map(lambda name: f"event.{name}")


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, object]:
    operator = draw(st.sampled_from(OPERATORS))
    written: dict[str, object] = {"type": "rule", "field": draw(FIELDS), "operator": operator}
    if operator not in PRESENCE:
        values = st.integers() if operator in ORDER else st.text(max_size=3)
        written["value"] = draw(values if operator in ORDER + TEXT else values | st.none())
    return written


@given(st.lists(comparisons(), min_size=1, max_size=4))
def test_rules_that_filters_can_say_come_back_the_same(parts: list[dict[str, object]]) -> None:
    whole = parts[0] if len(parts) == 1 else {"type": "and", "rules": parts}
    filters = filters_of(whole)
    if filters is None:
        assert len({(part["field"], part["operator"]) for part in parts}) < len(parts)
    else:
        assert parse_rule(rule_of(filters)) == parse_rule(whole)
