"""An automation is published whole, or everything that is wrong with it is said at once."""

from copy import deepcopy
from datetime import date, timedelta
from uuid import UUID

import pytest
import yaml

from handlers.publishing.catalogue import compile_version
from handlers.publishing.publish import Draft, parse_automation
from state.automation import STEPS_MAX, Exit, Reentry
from state.duration import Duration
from state.path import Var
from state.rule import Comparison
from tests.drawings import (
    EXAMPLE,
    MAIL,
    TRIGGER,
    compiled,
    delay,
    email,
    line,
    problem,
    problems,
    wait,
    way,
)


@pytest.fixture
def example() -> dict[str, object]:
    return yaml.safe_load(EXAMPLE.read_text())


# --- what is published -------------------------------------------------------


def test_the_example_is_published_as_it_is_written(example):
    """S1: the version's trigger is what starts its runs."""
    draft = parse_automation(example)
    assert draft.name == "Receipt and follow-up"
    assert draft.is_enabled
    version = compile_version(UUID(int=1), draft.name, 3, draft.definition)
    assert (version.automation_name, version.number) == ("Receipt and follow-up", 3)
    assert (version.trigger_key, version.trigger_event) == ("start", "order.completed")
    assert version.order == ("start", "receipt", "opened", "thanks", "nudge")
    assert version.names == {"order.completed", "email.opened", "order.refunded"}
    assert version.successors["opened", "timeout"] == "nudge"
    assert version.successors["opened", "event_received"] == "thanks"
    rule = Comparison("event.order_id", "eq", Var("trigger.order_id"))
    assert version.exits == (Exit("order.refunded", rule),)
    assert version.templates["thanks"].channel == "push"


def test_a_definition_gives_back_configurations_as_they_were_written(example):
    draft = parse_automation(example)
    steps = {step["key"]: step["config"] for step in draft.definition["steps"]}
    assert steps["opened"] == {"event_name": "email.opened", "timeout": "30 minutes"}
    assert compiled(example).steps["opened"].raw_config == steps["opened"]


def test_a_definition_shares_nothing_with_the_file_it_came_from(example):
    draft = parse_automation(example)
    before = deepcopy(draft.definition)
    example["steps"][0]["config"]["event_name"] = "changed"
    example["templates"]["nudge"]["text"] = "changed"
    assert draft.definition == before


def test_a_definition_spells_out_its_defaults():
    assert parse_automation(line(delay("d"))) == Draft(
        "A",
        {
            "name": "A",
            "reentry": "always",
            "exit": [],
            "steps": [TRIGGER, delay("d")],
            "connections": [way("start", "d", "default")],
            "templates": {},
        },
        is_enabled=True,
    )


@pytest.mark.parametrize(
    ("status", "is_enabled"), [(None, True), ("enabled", True), ("disabled", False)]
)
def test_a_file_may_leave_its_automation_disabled(status, is_enabled):
    assert parse_automation(line(status=status)).is_enabled is is_enabled


@pytest.mark.parametrize(
    ("text", "reentry"),
    [
        (None, Reentry("always")),
        ("always", Reentry("always")),
        ("once", Reentry("once")),
        ("one_active", Reentry("one_active")),
        ("after:7 days", Reentry("after", span=Duration(timedelta(days=7)))),
        ("after:P1M", Reentry("after", span=Duration(months=1))),
        ("key:event.order_id", Reentry("key", path="event.order_id")),
    ],
)
def test_every_form_of_re_entry_is_understood(text, reentry):
    """S2: always, once, one_active, after:<duration>, key:<path>."""
    assert compiled(line(reentry=text)).reentry == reentry


def test_branches_may_join():
    """F1: joins are legal; graph order keeps each step behind those that lead to it."""
    raw = {
        "name": "A",
        "steps": [delay("end"), wait("w"), delay("late"), TRIGGER],
        "connections": [
            way("start", "w"),
            way("w", "end", "event_received"),
            way("w", "late", "timeout"),
            way("late", "end"),
        ],
    }
    assert compiled(raw).order == ("start", "w", "late", "end")


def test_absent_and_null_and_empty_mean_the_same():
    raw = line(delay("d"), exit=None, templates=[], reentry=None)
    raw["connections"] = [{"from": "start", "to": "d", "type": None, "extra": 1}]
    raw["steps"].append({"key": "u", "type": "contact_update", "config": []})
    raw["connections"].append(way("d", "u"))
    assert compiled(raw).successors == {("start", "default"): "d", ("d", "default"): "u"}


def test_a_stored_template_is_copied_into_the_version_and_the_files_own_comes_first():
    stored = {"hello": MAIL, "unused": MAIL}
    draft = parse_automation(line(email("m")), stored)
    assert draft.definition["templates"] == {"hello": MAIL}
    own = {"subject": "Own", "text": "x"}
    draft = parse_automation(line(email("m"), templates={"hello": own}), stored)
    assert draft.definition["templates"] == {"hello": own}


# --- what is refused ---------------------------------------------------------


def test_everything_that_is_wrong_is_said_at_once_with_step_field_and_fix():
    """F1: errors name step, field and the fix."""
    raw = {
        "name": "",
        "statsu": "enabled",
        "reentry": "sometimes",
        "exit": [{"event": "x", "fliter": {}}, {}],
        "steps": [
            TRIGGER,
            wait("w", timeout="P13M", filter_rule={"field": "event.a", "operator": "equals"}),
            {"key": "s", "type": "send_emial"},
            None,
        ],
        "connections": [way("start", "w"), way("w", "s"), way("w", "x", "timeout"), 7],
    }
    found = problems(raw)
    assert {(each.where, each.field) for each in found} == {
        ("automation", "name"),
        ("automation", "statsu"),
        ("automation", "reentry"),
        ("automation", "exit[0].fliter"),
        ("automation", "exit[1].event"),
        ("automation", "steps[3]"),
        ("automation", "connections[3]"),
        ('step "w"', "config.timeout"),
        ('step "w"', "config.filter_rule.operator"),
        ('step "s"', "type"),
        ('connection "w" -> "s"', "type"),
        ('connection "w" -> "x"', "to"),
    }
    assert all(each.message and each.fix for each in found)


@pytest.mark.parametrize(
    ("key", "meant"), [("step", "steps"), ("edges", "connections"), ("re_entry", "reentry")]
)
def test_a_misspelt_key_is_not_silently_left_out(key, meant):
    found = problem(line(**{key: []}))
    assert (found.field, f'did you mean "{meant}"' in found.fix) == (key, True)


@pytest.mark.parametrize("raw", [None, [], "text", 7])
def test_what_is_no_object_is_refused(raw):
    assert "must be an object" in problem(raw).message


def test_what_json_cannot_hold_is_named():
    raw = line(delay("d"))
    raw["steps"][1]["config"] = {"duration": "1 hour", "on": date(2026, 1, 1), "n": float("inf")}
    raw["steps"][0]["config"] = {"event_name": "a\0b", 7: "x"}
    raw["name"] = "\ud800"
    assert {each.field for each in problems(raw)} == {
        "name",
        "steps[0].config.event_name",
        "steps[0].config.7",
        "steps[1].config.on",
        "steps[1].config.n",
    }


def test_a_document_that_grows_without_end_is_refused():
    knot: list[object] = []
    knot.extend([knot, knot])
    assert "too large" in problem(line(templates=knot)).message


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (None, "there are none"),
        ([], "there are none"),
        ({"start": TRIGGER}, "must be a list"),
        ([delay("d")], "there is no trigger"),
        ([TRIGGER, {**TRIGGER, "key": "again"}], "several triggers: start, again"),
        ([TRIGGER, TRIGGER], '"start" is taken'),
        ([TRIGGER, *(delay(f"d{number}") for number in range(STEPS_MAX))], "there are 151"),
    ],
)
def test_steps_that_make_no_automation_are_refused(steps, message):
    """F1: one trigger, unique keys, at most 150 steps."""
    assert any(message in each.message for each in problems({"name": "A", "steps": steps}))


def test_150_steps_are_enough():
    """F1: at most 150 steps."""
    steps = [delay(f"d{number}") for number in range(STEPS_MAX - 1)]
    assert len(compiled(line(*steps)).order) == STEPS_MAX


def test_cycles_are_refused_and_their_path_is_named():
    """F1: cycles are not legal."""
    raw = line(delay("a"), delay("b"), delay("c"))
    raw["connections"].append(way("c", "b"))
    found = problem(raw)
    assert "b -> c -> b" in found.message
    assert (
        "a -> a"
        in problem(
            {"name": "A", "steps": [TRIGGER, delay("a")], "connections": [way("a", "a")]}
        ).message
    )


def test_a_step_that_nothing_leads_to_is_refused():
    raw = line(delay("a"))
    raw["steps"] += [delay("loose"), delay("behind")]
    raw["connections"].append(way("loose", "behind"))
    found = problem(raw)
    assert (found.where, found.message) == ('step "loose"', "cannot be reached")
    assert found.fix


def test_a_step_has_one_connection_of_a_type():
    """F1: at most one connection per (step, type), no fan-out."""
    raw = {
        "name": "A",
        "steps": [TRIGGER, delay("a"), delay("b")],
        "connections": [way("start", "a"), way("start", "b", "default")],
    }
    assert '"default" leads to "a" already' in problem(raw).message


@pytest.mark.parametrize(
    ("step", "branch", "allowed"),
    [
        (delay("s"), "timeout", "default"),
        (wait("s"), "default", "event_received, timeout"),
        (wait("s"), "condition_met", "event_received, timeout"),
    ],
)
def test_a_connection_leaves_a_step_by_one_of_its_branches(step, branch, allowed):
    """W8: the branches of a wait are `event_received` and `timeout`."""
    raw = line(step)
    raw["steps"].append(delay("next"))
    raw["connections"].append(way("s", "next", branch))
    assert allowed in problem(raw).fix


def test_ends_of_connections_are_steps():
    raw = line(delay("receipt"))
    raw["connections"].append(way("reciept", "receipt"))
    assert 'did you mean "receipt"' in problem(raw).fix


def test_older_names_of_keys_are_explained():
    raw = {
        "name": "A",
        "steps": [{**TRIGGER}, {"ref": "w", "type": "delay"}],
        "connections": [{"from": "start", "to": "start", "edge_type": "timeout"}],
    }
    assert [each.fix for each in problems(raw)] == ["write `key`", "write `type`"]


@pytest.mark.parametrize(
    "text", ["twice", "after:", "after:P13M", "key:", "key:steps.a.output.b", 7, {}]
)
def test_a_re_entry_policy_that_cannot_be_used_is_refused(text):
    """S2: the forms of re-entry."""
    assert problem(line(reentry=text)).field == "reentry"


def test_a_triggers_filter_reads_the_event_and_the_contact_only():
    """S1: there is no run yet when the trigger's filter is judged."""
    for path, is_fine in [
        ("event.a", True),
        ("contact.email", True),
        ("steps.start.output.a", False),
    ]:
        rule = {"field": path, "operator": "exists"}
        trigger = {**TRIGGER, "config": {"event_name": "a", "filter_rule": rule}}
        raw = {"name": "A", "steps": [trigger]}
        if is_fine:
            assert compiled(raw).trigger_filter == Comparison(path, "exists")
        else:
            assert problem(raw).field == "config.filter_rule"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("steps.recipt.output.email_id", 'did you mean "receipt"'),
        ("wait_events.a.c.x", "valid: a.b"),
    ],
)
def test_a_path_to_what_is_not_in_the_automation_is_refused_wherever_it_stands(path, hint):
    rule = {"field": path, "operator": "exists"}
    places = {
        "config.filter_rule": line(email("receipt"), wait("w", filter_rule=rule)),
        "config": line(email("receipt"), wait("w")),
        "config.template.variables.X[0]": line(email("receipt", X=[{"var": path}]), wait("w")),
        "exit[0].filter": line(email("receipt"), wait("w"), exit=[{"event": "x", "filter": rule}]),
    }
    condition = {"key": "c", "type": "condition", "config": rule}
    places["config"]["steps"].append(condition)
    places["config"]["connections"].append(way("w", "c", "timeout"))
    for place, raw in places.items():
        found = problem(raw, hello=MAIL)
        assert found.field.startswith(place)
        assert hint in found.fix


def test_paths_to_what_is_in_the_automation_are_fine():
    paths = ["steps.receipt.output.email_id", "wait_events.a.b.x", "trigger.x", "event.x"]
    variables = {f"V{number}": {"var": path} for number, path in enumerate(paths)}
    raw = line(email("receipt"), wait("w"), templates={"hello": MAIL})
    raw["steps"].append(email("last", **variables))
    raw["connections"].append(way("w", "last", "timeout"))
    assert compiled(raw)


def test_a_template_must_exist_and_be_of_the_steps_channel():
    found = problem(line(email("m", "helo")), hello=MAIL)
    assert found.field == "config.template.id"
    assert "no template" in found.message
    assert "use one by email" in problem(line(email("m")), hello={"title": "a", "text": "b"}).fix


def test_a_template_that_cannot_be_used_is_named():
    found = problem(line(templates={"x": {"subject": "s"}}))
    assert (found.where, found.field) == ('template "x"', "text")


def test_a_variable_that_would_always_be_missing_is_refused():
    template = {"subject": "{{{A}}}", "text": "{{{B|b}}} {{{contact.first_name}}}"}
    found = problem(line(email("m")), hello=template)
    assert found.field == "config.template.variables.A"
    assert "{{{A|fallback}}}" in found.fix
    assert parse_automation(line(email("m", A=1)), {"hello": template})


@pytest.mark.parametrize("goal", ["yes", 1, {}])
def test_a_goal_is_true_or_false(goal):
    """R2: what an exit rule says of itself is not guessed."""
    raw = line(delay("d"), exit=[{"event": "x", "goal": goal}])
    assert problem(raw).field == "exit[0].goal"


def test_a_goal_is_published_with_its_rule():
    """R2, S3: an exit rule that is not the goal need not say so."""
    exits = compiled(line(delay("d"), exit=[{"event": "x", "goal": True}, {"event": "y"}])).exits
    assert [rule.is_goal for rule in exits] == [True, False]


def test_what_others_keep_with_an_automation_is_kept_as_it_is():
    kept = {"editor": {"zoom": 2, "notes": ["a"]}}
    assert parse_automation(line(delay("d"), annotations=kept)).definition["annotations"] == kept
    for none in ({}, None):
        draft = parse_automation(line(delay("d"), annotations=none))
        assert "annotations" not in draft.definition


@pytest.mark.parametrize("raw", [[], "zoom", {"editor": 2}])
def test_annotations_are_an_object_for_each_owner(raw):
    assert problem(line(delay("d"), annotations=raw)).field == "annotations"
