"""Conditions and contact updates: what they decide from what they read."""

from msgspec.structs import asdict

from handlers.decision import Fail, GoTo, ProfileChange
from state.evidence import Check
from tests.turns import entered

RULE = {"field": "event.total", "operator": "gt", "value": 10}


def test_a_condition_follows_the_branch_that_its_rule_says():
    met = entered("condition", RULE, event={"total": 11})
    judged = {"checks": [asdict(Check("event.total", "gt", 10, 11, True))]}
    assert met == GoTo("condition_met", {"result": True}, judged)
    missed = entered("condition", RULE, event={"total": 10})
    assert isinstance(missed, GoTo)
    assert missed.branch == "condition_not_met"


def test_a_condition_on_an_absent_field_fails_and_names_it():
    """F6: a condition step on an absent field fails; the error names the field."""
    outcome = entered("condition", RULE, event={})
    assert isinstance(outcome, Fail)
    assert outcome.code == "field_absent"
    assert "event.total" in outcome.text


def test_a_condition_that_asks_with_exists_first_does_not_fail():
    """F6: `exists` asks first."""
    asked = {"type": "and", "rules": [{"field": "event.total", "operator": "exists"}, RULE]}
    outcome = entered("condition", asked, event={})
    assert isinstance(outcome, GoTo)
    assert outcome.branch == "condition_not_met"


def test_a_mistyped_field_is_not_absent_for_a_condition():
    outcome = entered("condition", RULE, event={"total": "many"})
    assert isinstance(outcome, GoTo)
    assert outcome.branch == "condition_not_met"


def test_an_update_writes_values_and_variables_and_leaves_out_what_is_not_named():
    """F2: a contact step changes state; I6: the step writes."""
    config = {
        "first_name": {"var": "event.name"},
        "properties": {"plan": "pro", "score": {"var": "event.score"}, "old": None},
    }
    outcome = entered("contact_update", config, event={"name": "Ann", "score": 2.5})
    assert isinstance(outcome, GoTo)
    properties = {"plan": "pro", "score": 2.5, "old": None}
    assert outcome.change == ProfileChange({"first_name": "Ann"}, properties)
    assert outcome.input == {"first_name": "Ann", "properties": properties}


def test_null_clears_a_name_and_says_nothing_of_consent():
    """I6: only an explicit `unsubscribed` changes consent."""
    outcome = entered("contact_update", {"last_name": None, "unsubscribed": None})
    assert isinstance(outcome, GoTo)
    assert outcome.change == ProfileChange({"last_name": None}, {})


def test_consent_is_written_only_when_it_is_explicit():
    """I6: only an explicit `unsubscribed: false` resubscribes."""
    for flag in (True, False):
        outcome = entered("contact_update", {"unsubscribed": flag})
        assert isinstance(outcome, GoTo)
        assert outcome.change == ProfileChange({"unsubscribed": flag}, {})
    assert entered("contact_update", {}) == GoTo(input={}, change=ProfileChange())


def test_an_update_from_an_absent_field_fails_and_names_it():
    """F5: a step that cannot be done fails with a code and a text."""
    config = {"first_name": {"var": "event.name"}, "properties": {"a": {"var": "event.b"}}}
    outcome = entered("contact_update", config, event={})
    assert isinstance(outcome, Fail)
    assert outcome.code == "field_absent"
    assert "event.name, event.b" in outcome.text


def test_an_update_with_a_value_that_the_profile_does_not_hold_fails():
    config = {
        "first_name": {"var": "event.x"},
        "unsubscribed": {"var": "event.y"},
        "properties": {"p": {"var": "event.z"}},
    }
    outcome = entered("contact_update", config, event={"x": 1, "y": "true", "z": [1]})
    assert isinstance(outcome, Fail)
    assert outcome.code == "value_invalid"
    assert "first_name, unsubscribed, properties.p" in outcome.text
