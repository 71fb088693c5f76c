"""Rules are judged by what is there, and the trace says what decided."""

import pytest

from handlers.evaluate import ABSENT, Scope, evaluate, resolve, substitute
from state.evidence import Check
from state.path import Var
from state.rule import OPERATORS, AllOf, AnyOf, Comparison

SCOPE = Scope(
    event={
        "plan": "pro",
        "total": 30,
        "empty": "",
        "none": None,
        "tags": ["a", 1, {"k": 1.0}],
        "paid": True,
        "order": {"id": "o-1", "line.total": 5},
        "order.id": "dotted",
    },
    trigger={"order_id": "o-1"},
    contact={"email": "ann@x.io", "properties": {"a.b": 1}},
    steps={"a": {"id": 1}, "a.b": {"id": 2}, "a.output": {"id": 3}},
    wait_events={"feedback": {"received.x": 0}, "feedback.received": {"x": 9}},
)


def holds(field: str, operator: str, value: object = None) -> bool:
    return evaluate(Comparison(field, operator, value), SCOPE).holds


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("event.plan", "pro"),
        ("event.none", None),
        ("event.order.id", "dotted"),
        ("event.order.line.total", 5),
        ("event.nothing", ABSENT),
        ("event.plan.deeper", ABSENT),
        ("trigger.order_id", "o-1"),
        ("contact.properties.a.b", 1),
        ("steps.a.output.id", 1),
        ("steps.a.b.output.id", 2),
        ("steps.a.output.output.id", 3),
        ("steps.a.id", ABSENT),
        ("steps.z.output.id", ABSENT),
        ("wait_events.feedback.received.x", 9),
        ("wait_events.other.x", ABSENT),
        ("elsewhere.x", ABSENT),
    ],
)
def test_a_path_reads_the_longest_key_at_each_level(path, value):
    assert resolve(path, SCOPE) == value


def test_without_an_event_its_fields_are_absent():
    assert resolve("event.plan", Scope(trigger={"plan": "pro"})) is ABSENT


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("event.plan", "eq", "pro", True),
        ("event.total", "eq", 30.0, True),
        ("event.total", "eq", "30", False),
        ("event.total", "neq", "30", True),
        ("event.paid", "eq", True, True),
        ("event.paid", "eq", 1, False),
        ("event.none", "eq", None, True),
        ("event.plan", "eq", None, False),
        ("event.plan", "neq", None, True),
        ("event.total", "gt", 29.5, True),
        ("event.total", "gte", 30, True),
        ("event.total", "lt", 30, False),
        ("event.total", "lte", 30, True),
        ("event.paid", "gte", 1, False),
        ("event.plan", "gt", 1, False),
        ("event.plan", "contains", "r", True),
        ("event.tags", "contains", "a", True),
        ("event.tags", "contains", "1", False),
        ("event.plan", "not_contains", "x", True),
        ("event.tags", "not_contains", "a", False),
        ("event.total", "not_contains", "3", False),
        ("event.plan", "starts_with", "p", True),
        ("event.plan", "ends_with", "p", False),
        ("event.total", "starts_with", "3", False),
        ("event.tags", "eq", Var("event.tags"), True),
        ("event.order.id", "eq", Var("trigger.order_id"), False),
    ],
)
def test_a_comparison_holds_as_json_compares(field, operator, value, expected):
    """W1: a filter compares event, trigger and contact; a mistyped field makes it false."""
    assert holds(field, operator, value) is expected


@pytest.mark.parametrize(
    ("field", "exists", "is_empty"),
    [
        ("event.plan", True, False),
        ("event.empty", True, True),
        ("event.none", False, True),
        ("event.paid", True, False),
        ("event.nothing", False, True),
    ],
)
def test_presence_is_asked_for_by_name_and_null_is_not_there(field, exists, is_empty):
    assert holds(field, "exists") is exists
    assert holds(field, "is_empty") is is_empty
    assert holds(field, "is_not_empty") is not is_empty


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - {"is_empty"}))
def test_an_absent_field_makes_a_filter_false(operator):
    """W1: an absent field makes a filter false, under every operator that is not about absence."""
    value = 1 if operator in ("gt", "gte", "lt", "lte") else "x"
    assert not holds("event.nothing", operator, value)
    assert not holds("event.plan", "eq", Var("event.nothing"))


def test_this_order_and_this_message_can_be_said():
    """W1: filters read the arriving event, the trigger, and outputs of earlier steps."""
    scope = Scope(
        event={"order_id": "o-1", "email_id": "m-1"},
        trigger={"order_id": "o-1"},
        steps={"receipt": {"email_id": "m-1"}},
    )
    rule = AllOf(
        (
            Comparison("event.order_id", "eq", Var("trigger.order_id")),
            Comparison("event.email_id", "eq", Var("steps.receipt.output.email_id")),
        )
    )
    assert evaluate(rule, scope).holds
    assert not evaluate(rule, Scope(**{**_parts(scope), "event": {"order_id": "o-2"}})).holds


def _parts(scope: Scope) -> dict[str, object]:
    return {"trigger": scope.trigger, "steps": scope.steps}


def test_the_trace_holds_every_comparison_that_decided_and_no_more():
    first = Comparison("event.plan", "eq", "basic")
    second = Comparison("event.total", "gt", 10)
    both = evaluate(AnyOf((first, second, first)), SCOPE)
    assert both.holds
    assert both.checks == (
        Check("event.plan", "eq", "basic", "pro", False),
        Check("event.total", "gt", 10, 30, True),
    )
    assert len(evaluate(AllOf((first, second)), SCOPE).checks) == 1


def test_the_trace_shows_what_a_variable_read_and_what_was_absent():
    verdict = evaluate(Comparison("event.nothing", "eq", Var("trigger.order_id")), SCOPE)
    assert verdict.checks == (Check("event.nothing", "eq", "o-1", None, False, is_absent=True),)


def test_absent_fields_are_named_once_each():
    """F6: a step that must not decide without a field can name it."""
    either = AnyOf(
        (
            Comparison("event.nothing", "gt", 1),
            Comparison("event.nothing", "lt", 1),
            Comparison("event.plan", "eq", Var("trigger.gone")),
        )
    )
    assert evaluate(either, SCOPE).absent == ("event.nothing", "trigger.gone")


@pytest.mark.parametrize("operator", ["exists", "is_empty", "is_not_empty"])
def test_asking_whether_a_field_is_there_is_not_missing_it(operator):
    """F6: `exists` asks first."""
    assert evaluate(Comparison("event.nothing", operator), SCOPE).absent == ()


def test_exists_guards_what_follows_it():
    """F6: `exists` asks first, and what follows is then not read."""
    guarded = AllOf((Comparison("event.nothing", "exists"), Comparison("event.nothing", "gt", 1)))
    verdict = evaluate(guarded, SCOPE)
    assert not verdict.holds
    assert verdict.absent == ()


def test_variables_are_replaced_wherever_they_stand():
    value = {
        "a": [Var("event.total"), "x"],
        "b": {"c": Var("event.nothing")},
        "d": Var("event.none"),
    }
    assert substitute(value, SCOPE) == (
        {"a": [30, "x"], "b": {"c": None}, "d": None},
        ["event.nothing"],
    )
