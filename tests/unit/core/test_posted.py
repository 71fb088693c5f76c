"""Automations as an API is sent them: what is taken, and how mistakes are explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from handlers.publishing.posted import (
    PostedChange,
    parse_posted,
    parse_posted_change,
    parse_redrawn,
    redrawn,
    template_names,
)
from handlers.publishing.publish import AutomationError, Draft
from state.audience import Audiences, Segment
from tests.drawings import MAIL, TRIGGER, delay, email, line, wait
from tests.stored import uuid

VIP = Segment(uuid("segment"), "VIP")


def parsed(body: object, **templates: Any) -> Draft:
    return parse_posted(body, templates, Audiences.of([VIP]))


def refused(parse: Callable[..., object], body: object, **templates: Any) -> dict[str, str]:
    """Return the problems by the place and the field that they name."""
    with pytest.raises(AutomationError) as caught:
        parse(body, **templates)
    return {f"{each.where} {each.field}".strip(): each.text for each in caught.value.problems}


def test_an_automation_comes_back_as_it_was_sent() -> None:
    """F1: configurations as they are, durations in words; a connection's type is spelt out."""
    body = line(delay("d"), wait("w", timeout="3 days", filter_rule=None))
    body["steps"].append({"key": "off", "type": "contact_delete", "config": []})
    body["connections"].append({"from": "w", "to": "off", "type": "timeout"})
    body["connections"][0]["type"] = None
    draft = parsed(body | {"unknown": 1, "reentry": "once"})
    assert not draft.is_enabled
    assert draft.definition["steps"] == [
        *body["steps"][:3],
        {"key": "off", "type": "contact_delete", "config": {}},
    ]
    assert draft.definition["connections"] == [
        {"from": "start", "to": "d", "type": "default"},
        {"from": "d", "to": "w", "type": "default"},
        {"from": "w", "to": "off", "type": "timeout"},
    ]
    assert draft.definition["reentry"] == "always"


def test_a_trigger_alone_is_an_automation() -> None:
    body = {"name": "A", "steps": [TRIGGER], "connections": []}
    assert not parsed(body | {"status": None}).is_enabled
    assert parsed(body | {"status": "enabled"}).is_enabled


def test_what_is_missing_is_named() -> None:
    assert refused(parsed, {}).keys() == {
        "automation name",
        "automation steps",
        "automation connections",
    }
    found = refused(parsed, {"name": "A", "steps": [TRIGGER], "status": "on"})
    assert found.keys() == {"automation connections", "automation status"}
    assert refused(parsed, {"name": "A", "steps": [TRIGGER]}).keys() == {"automation connections"}
    for body in (None, [], "x"):
        assert "must be an object" in refused(parsed, body)["automation"]


def test_what_the_node_client_drops_is_explained() -> None:
    body = line({"key": "w", "type": "wait_for_event", "config": {"timeout": "1 day"}})
    body["steps"][0] = {"key": "start", "type": "trigger", "config": {}}
    body["steps"].append({"key": "s", "type": "add_to_segment", "config": {}})
    body["steps"].append({"key": "d", "type": "delay", "config": {}})
    body["connections"] += [{"from": "w", "to": "s", "type": "timeout"}, {"from": "s", "to": "d"}]
    found = refused(parsed, body)
    for step in ("start", "w"):
        text = found[f'step "{step}" config.event_name']
        assert "is missing" in text
        assert "the Node client expects `eventName`, and drops `event_name`" in text
    assert "expects `segmentId`" in found['step "s" config.segment_id']
    assert "Node" not in found['step "d" config.duration']


@pytest.mark.parametrize("config", [{}, [], None])
def test_an_update_that_lost_all_it_changes_is_refused(config: object) -> None:
    """F1: each key of a contact update may be left out, so that only their loss tells a mistake."""
    body = line({"key": "u", "type": "contact_update", "config": config})
    for parse in (parsed, parse_posted_change):
        found = refused(parse, body)['step "u" config']
        assert "changes nothing" in found
        assert "the Node client expects `firstName`" in found
    body["steps"][1]["config"] = {"first_name": None}
    assert parsed(body).definition["steps"][1]["config"] == {"first_name": None}


def test_a_step_of_no_known_type_may_arrive_as_null() -> None:
    body = line(delay("d"))
    body["steps"].append(None)
    found = refused(parsed, body)["automation steps[2]"]
    assert "must be a step, not null" in found
    assert "the Node client makes a null of a step whose type it does not know" in found
    body["steps"][2] = 7
    assert "Node" not in refused(parsed, body)["automation steps[2]"]


def test_a_mistaken_operator_is_mended() -> None:
    rule = {"type": "rule", "field": "event.plan", "operator": "equals", "value": "pro"}
    found = refused(parsed, line({"key": "c", "type": "condition", "config": rule}))
    assert 'did you mean "eq"?' in found['step "c" config.operator']


def test_templates_are_named_by_steps_of_any_shape() -> None:
    body = line(email("a"), email("b", "other"), {"key": "x", "config": {"template": {"id": 1}}})
    assert template_names(body) == {"hello", "other"}
    for odd in (None, [], {"steps": 1}, {"steps": [None, {"config": []}, {"config": {}}]}):
        assert template_names(odd) == frozenset()
    assert template_names({"steps": [{"config": {"template": {"id": "a\0"}}}]}) == frozenset()


def test_a_change_says_what_it_changes() -> None:
    graph = {"steps": [TRIGGER], "connections": []}
    assert parse_posted_change({"name": "B", "x": 1}) == PostedChange("B", None, None)
    assert parse_posted_change({"status": "enabled"}) == PostedChange(None, True, None)
    whole = {"name": None, "status": "disabled", **graph}
    assert parse_posted_change(whole) == PostedChange(None, False, graph)


def test_a_change_that_cannot_be_is_refused() -> None:
    half = refused(parse_posted_change, {"steps": [TRIGGER], "status": "on", "name": ""})
    assert half.keys() == {"automation connections", "automation status", "automation name"}
    assert "come together" in half["automation connections"]
    for nothing in ({}, {"name": None}, {"unknown": 1}):
        assert "nothing is to be changed" in refused(parse_posted_change, nothing)["automation"]


def test_another_graph_keeps_what_only_a_file_says() -> None:
    """S2: re-entry, exits and own templates are not part of what an API replaces."""
    drawn = line(email("m"), reentry="once", exit=[{"event": "x"}], templates={"hello": MAIL})
    before = parsed(line(email("m")), hello=MAIL)
    assert before.stored_templates == {"hello"}
    graph = {"steps": [*line()["steps"], email("n")], "connections": [{"from": "start", "to": "n"}]}
    document = redrawn(drawn, graph, ())
    after = parse_redrawn(document, {"hello": None}, Audiences())
    assert after.definition["reentry"] == "once"
    assert after.definition["exit"] == [{"event": "x"}]
    assert after.definition["templates"] == {"hello": MAIL}
    newer = MAIL | {"text": "Newer."}
    document = redrawn(before.definition, {}, before.stored_templates)
    after = parse_redrawn(document, {"hello": newer}, Audiences())
    assert after.definition["templates"] == {"hello": newer}
    assert after.stored_templates == {"hello"}
