"""The arms of a wait as they are drawn: what may be published, and which branches they give."""

import pytest

from handlers.publishing.publish import AutomationError, parse_automation
from handlers.steps import KINDS
from state.automation import Arm
from tests.kit import arm, arms, line, push, rule, same, way

PAID, SHIPPED = arm("paid", branch="paid"), arm("shipped", branch="shipped")


def test_the_arms_of_a_step_are_in_declared_order():
    """W7: each with its place; every name is of interest (E7)."""
    kind = KINDS["wait_for_event"]
    config = kind.parse({"any_of": [PAID, arm("opened")], "deliver": "newest"})
    assert kind.arms(config) == (
        Arm("paid", None, "paid", "newest", "any_of", 0),
        Arm("opened", None, "event_received", "newest", "any_of", 1),
    )
    assert kind.names(config) == {"paid", "opened"}
    assert kind.branches_of(config, {}) == ("paid", "event_received", "timeout")
    both = kind.parse({"all_of": [arm("paid"), arm("paid")]})
    assert [(one.branch, one.group) for one in kind.arms(both)] == [
        ("event_received", "all_of"),
        ("event_received", "all_of"),
    ]


@pytest.mark.parametrize(
    ("config", "field", "said"),
    [
        ({}, "config.event_name", "add `event_name`"),
        ({"event_name": None}, "config.event_name", "add `event_name`"),
        ({"event_name": "a", "any_of": [PAID]}, "config.event_name", "each arm of `any_of`"),
        ({"filter_rule": same("n"), "all_of": [arm("a"), arm("b")]}, "config.filter_rule", "arm"),
        ({"any_of": [PAID], "all_of": [arm("a"), arm("b")]}, "config.all_of", "keep one"),
        ({"any_of": []}, "config.any_of", "write 1 to 10"),
        ({"any_of": [PAID] * 11}, "config.any_of", "write 1 to 10"),
        ({"all_of": [arm("a")]}, "config.all_of", "write 2 to 10"),
        ({"any_of": "paid"}, "config.any_of", "write `[{event_name: ...}"),
        ({"any_of": ["paid"]}, "config.any_of[0]", "write keys"),
        ({"any_of": [{"event": "a"}]}, "config.any_of[0].event", "event_name"),
        ({"any_of": [arm("a", branch="timeout")]}, "config.any_of[0].branch", "another meaning"),
        ({"any_of": [arm("a", branch="default")]}, "config.any_of[0].branch", "another meaning"),
        ({"all_of": [arm("a", branch="x"), arm("b")]}, "config.all_of[0].branch", "leave it out"),
        (
            {"any_of": [arm("a", filter_rule={"field": "event.x", "operator": "equals"})]},
            "config.any_of[0].filter_rule.operator",
            "eq",
        ),
        (
            {"any_of": [arm("a", filter_rule=rule("steps.x.output.y", "eq", 1))]},
            "config.any_of[0].filter_rule",
            'no step "x"',
        ),
    ],
)
def test_arms_that_cannot_be_used_are_refused_and_the_key_is_named(config, field, said):
    """W7: arms replace `event_name`; what is wrong says what to do."""
    step = {"key": "w", "type": "wait_for_event", "config": config}
    with pytest.raises(AutomationError) as caught:
        parse_automation(line() | {"steps": [*line()["steps"], step], "connections": [
            way("start", "w")]})  # fmt: skip
    problems = caught.value.problems
    assert field in [each.field for each in problems], problems
    assert any(said in each.text for each in problems), problems


@pytest.mark.parametrize(
    ("branch", "valid"), [("paid", True), ("event_received", False), ("timeout", True)]
)
def test_a_connection_leaves_a_wait_by_one_of_its_arms(branch, valid):
    """W7, F1: the publish check knows the branches that the step's own arms name."""
    document = line(
        arms("w", "any_of", PAID, SHIPPED, timeout="1 hour"),
        aside=[push("p")],
        ways=[way("w", "p", branch)],
    )
    if valid:
        assert parse_automation(document)
        return
    with pytest.raises(AutomationError) as caught:
        parse_automation(document)
    (problem,) = caught.value.problems
    assert (problem.field, problem.where) == ("type", 'connection "w" -> "p"')
    assert "valid: paid, shipped, timeout" in problem.fix


def test_the_branches_of_a_step_whose_arms_are_at_fault_are_not_judged():
    """W7: one mistake is told once."""
    document = line(
        arms("w", "any_of", arm(""), timeout="1 hour"),
        aside=[push("p")],
        ways=[way("w", "p", "paid")],
    )
    with pytest.raises(AutomationError) as caught:
        parse_automation(document)
    assert [each.field for each in caught.value.problems] == ["config.any_of[0].event_name"]
