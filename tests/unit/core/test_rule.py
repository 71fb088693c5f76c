"""Rules are parsed whole, and what is wrong with one is said at its place."""

import pytest

from state.audience import Audiences
from state.contact import Contact, Profile
from state.event import KINDS
from state.path import CONTACT_FIELDS, PathError, Var, parse_path, parse_values
from state.problem import Problem
from state.rule import (
    COMPARISONS_MAX,
    DEPTH_MAX,
    OPERATORS,
    AllOf,
    AnyOf,
    Comparison,
    RuleError,
    field_paths,
    parse_rule,
)
from tests.turns import NOW


def refused(raw: object, where: str = "") -> tuple[Problem, ...]:
    with pytest.raises(RuleError) as caught:
        parse_rule(raw, where)
    return caught.value.problems


def comparison(operator: str, *value: object, field: str = "event.x") -> dict[str, object]:
    raw: dict[str, object] = {"field": field, "operator": operator}
    return {**raw, "value": value[0]} if value else raw


def nested(depth: int) -> object:
    rule: object = comparison("exists")
    for _ in range(depth - 1):
        rule = {"type": "and", "rules": [rule]}
    return rule


@pytest.mark.parametrize("given", [{}, {"type": "rule"}, {"type": None}])
def test_the_type_of_a_comparison_may_be_left_out(given):
    raw = {**given, **comparison("eq", "pro")}
    assert parse_rule(raw) == Comparison("event.x", "eq", "pro")


def test_groups_nest():
    raw = {
        "type": "and",
        "rules": [
            comparison("gt", 3),
            {"type": "or", "rules": [comparison("exists"), comparison("eq", None)]},
        ],
    }
    assert parse_rule(raw) == AllOf(
        (
            Comparison("event.x", "gt", 3),
            AnyOf((Comparison("event.x", "exists"), Comparison("event.x", "eq", None))),
        )
    )


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_takes_a_value_that_fits_it(operator):
    fitting = {"exists": None, "is_empty": None, "is_not_empty": None}
    value = fitting.get(operator, 3 if operator in ("eq", "gt", "gte", "lt", "lte") else "text")
    assert parse_rule(comparison(operator, value)) == Comparison("event.x", operator, value)


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("gt", "3"),
        ("lte", True),
        ("contains", 3),
        ("ends_with", None),
        ("exists", True),
        ("is_empty", ""),
        ("eq", ["a"]),
        ("neq", {"a": 1}),
        ("eq", float("nan")),
    ],
)
def test_a_value_that_does_not_fit_its_operator_is_refused(operator, value):
    (problem,) = refused(comparison(operator, value), "filter")
    assert problem.field == "filter.value"
    assert problem.fix


def test_a_comparison_needs_its_value_even_to_compare_with_null():
    (problem,) = refused(comparison("eq"))
    assert problem.field == "value"
    assert parse_rule(comparison("eq", None)).value is None


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("equals", "eq"),
        ("EQ", "eq"),
        ("!=", "neq"),
        ("greater_than", "gt"),
        ("contain", "contains"),
    ],
)
def test_a_wrong_operator_is_refused_with_the_right_one(word, meant):
    (problem,) = refused(comparison(word, "x"), "filter")
    assert problem.field == "filter.operator"
    assert f'did you mean "{meant}"' in problem.fix
    assert "starts_with" in problem.fix


def test_every_problem_of_a_tree_is_named_at_its_place():
    raw = {"type": "or", "rules": [comparison("equals", 1), {"type": "and", "rules": []}, None, {}]}
    assert [problem.field for problem in refused(raw, "config")] == [
        "config.rules[0].operator",
        "config.rules[1].rules",
        "config.rules[2]",
        "config.rules[3].field",
        "config.rules[3].operator",
    ]


def test_an_unknown_type_and_a_forgotten_one_are_explained():
    assert 'did you mean "and"' in refused({"type": "und", "rules": []})[0].fix
    assert "type: and" in refused({"rules": [comparison("exists")]})[0].fix


@pytest.mark.parametrize(
    "path",
    [
        "event.a.b",
        "trigger.a",
        "contact.email",
        "contact.properties.plan",
        "steps.receipt.output.email_id",
        "wait_events.feedback.received.score",
    ],
)
def test_a_field_may_begin_at_every_root(path):
    assert parse_rule(comparison("exists", field=path)).field == path


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("evnt.a", "event"),
        ("plan", "valid"),
        ("event", "event.<field>"),
        ("event.", "event.<field>"),
        ("contact.frist_name", "first_name"),
        ("contact.plan", "properties.<key>"),
        ("contact.properties", "properties.<key>"),
        ("steps.receipt.email_id", "steps.<key>.output.<field>"),
        ("event." + "a" * 600, "at most"),
        (7, "event.order_id"),
    ],
)
def test_a_field_that_can_never_be_read_is_refused_with_a_hint(path, hint):
    (problem,) = refused(comparison("exists", field=path))
    assert problem.field == "field"
    assert hint in problem.fix


def test_a_contact_has_no_field_that_rules_may_not_name():
    everything = {"first_name": "A", "last_name": "B", "time_zone": "UTC"}
    profile = Profile(fields={**everything, **dict.fromkeys(KINDS[1:], "x")})
    scope = Contact(1, NOW, profile=profile).scope(Audiences())
    assert set(scope) == {*CONTACT_FIELDS, "properties", "topics"}


def test_a_value_may_be_read_from_elsewhere():
    raw = comparison("eq", {"var": "trigger.order_id"})
    assert parse_rule(raw) == Comparison("event.x", "eq", Var("trigger.order_id"))
    assert refused(comparison("eq", {"var": "order_id"}))[0].field == "value.var"


def test_the_paths_of_a_rule_are_those_of_its_fields_and_its_values():
    raw = {
        "type": "or",
        "rules": [comparison("eq", {"var": "trigger.a"}), comparison("exists", field="contact.id")],
    }
    assert field_paths(parse_rule(raw)) == {"event.x", "trigger.a", "contact.id"}


def test_rules_are_limited_in_depth_and_in_number():
    wide = [comparison("exists")] * COMPARISONS_MAX
    assert parse_rule(nested(DEPTH_MAX))
    assert parse_rule({"type": "and", "rules": wide})
    assert "deeper" in refused(nested(DEPTH_MAX + 1), "filter")[0].message
    assert "200" in refused({"type": "and", "rules": [*wide, wide[0]]}, "filter")[0].message


def test_a_rule_that_holds_itself_is_refused_at_once():
    knot: dict[str, object] = {"type": "and"}
    knot["rules"] = [knot, knot]
    assert len(refused(knot)) == 1


def test_paths_stand_anywhere_in_a_configured_value():
    raw = {"a": [{"var": "event.x"}, 1], "b": {"c": {"var": "contact.id"}}, "var": "text"}
    assert parse_values(raw) == {
        "a": [Var("event.x"), 1],
        "b": {"c": Var("contact.id")},
        "var": "text",
    }
    with pytest.raises(PathError) as caught:
        parse_values({"a": [{"var": "x"}], "b": {"var": "y"}})
    assert [problem.field for problem in caught.value.problems] == ["a[0].var", "b.var"]


def test_a_place_may_allow_fewer_roots():
    assert parse_path("event.id", ("event",)) == "event.id"
    with pytest.raises(PathError, match="valid: event"):
        parse_path("contact.id", ("event",))
