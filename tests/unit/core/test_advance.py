"""A run's walk from step to step: delays, limits, endings, faults, history."""

from datetime import timedelta
from typing import get_args

import pytest
from msgspec.structs import replace

from handlers.abandon import Abandon
from handlers.decide import decide
from handlers.decision import Sleep
from handlers.directory import Directory, FreshContactIds
from handlers.publishing.catalogue import compile_catalogue
from handlers.steps import KINDS
from handlers.timer import TimerDue
from handlers.world import StoredEvents, World
from state.automation import STEPS_MAX
from state.effect import Answer
from state.run import STATUS_OF, Reason, RunStatus
from state.turn import Changes, Snapshot
from tests.kit import (
    NOW,
    PLAIN,
    Scene,
    ahead,
    automation_id,
    condition,
    contact_event,
    delay,
    effects,
    event,
    line,
    push,
    rule,
    stored_version,
    trigger,
    update,
    verdicts,
    wait,
    way,
)

# --- T1: delays -----------------------------------------------------------------------------------


def test_a_delay_lasts_exactly_so_long():
    """T1: exact, counted from the entry of the step."""
    scene = Scene(line(delay("d", "1 day"), push("p")))
    scene.at(ahead(minutes=3)).decide(event("go"))
    assert scene.run.activity == "delayed"
    assert scene.at(ahead(days=1, minutes=2)).fire_due().runs == []
    assert effects(scene.at(ahead(days=1, minutes=3)).fire_due()) == ["p"]


def test_an_instant_that_has_passed_fires_at_once(monkeypatch):
    """T1: a computed instant in the past fires at once, `past_due`."""
    kind = replace(KINDS["delay"], enter=lambda turn: Sleep(turn.now, True, {"until": "now"}))
    monkeypatch.setitem(KINDS, "delay", kind)
    scene = Scene(line(delay("d", "1 day"), push("p")))
    assert effects(scene.decide(event("go"))) == ["p"]
    assert scene.steps()[1]["output"] == {"past_due": True}


# --- F1 -------------------------------------------------------------------------------------------


def test_a_run_executes_at_most_150_steps():
    """F1: even if a graph should lead it in a circle."""
    scene = Scene(line(update("u", first_name="A"), update("v", first_name="B")))
    catalogue = compile_catalogue(1, scene.tables.definitions, dict(scene.tables.interest_since))
    (version,) = catalogue.versions.values()
    round_and_round = replace(version, successors={**version.successors, ("v", "default"): "u"})
    automation = replace(catalogue.automations[automation_id()], current=round_and_round)
    snapshot, changes = Snapshot(now=NOW), Changes(now=NOW)
    world = World(
        snapshot=snapshot,
        catalogue=replace(
            catalogue,
            versions={(automation_id(), 1): round_and_round},
            starts={"go": (automation,)},
        ),
        rules=PLAIN,
        stored=StoredEvents(),
        people=Directory(snapshot, {}, FreshContactIds([1]), changes),
        changes=changes,
    )
    outcome = decide(world, [event("go")])
    assert isinstance(outcome, Changes)
    (change,) = outcome.runs
    assert change.after.failure.code == "too_many_steps"
    assert change.after.steps_done == STEPS_MAX


def test_joins_are_legal():
    """F1: two branches may meet again."""
    fork = condition("c", **rule("trigger.n", "eq", 1))
    document = line(
        fork, update("u", first_name="A"), push("p"), aside=[update("v", first_name="B")]
    )
    document["connections"] += [way("c", "v", "condition_not_met"), way("v", "p")]
    scene = Scene(document)
    scene.decide(event("go", payload={"n": 2}))
    scene.settle()
    assert scene.path() == ["start", "c", "v", "p"]


# --- F6 -------------------------------------------------------------------------------------------


def test_a_condition_on_an_absent_field_fails_and_names_it():
    """F6: `exists` asks first."""
    scene = Scene(line(condition("c", **rule("trigger.total", "gt", 5)), push("p")))
    scene.decide(event("go"))
    assert scene.run.reason == "failed_step"
    assert "trigger.total" in scene.run.failure.message
    asked = {
        "type": "and",
        "rules": [rule("trigger.total", "exists"), rule("trigger.total", "gt", 5)],
    }
    scene = Scene(line(condition("c", **asked), push("p")))
    scene.decide(event("go"))
    assert scene.run.reason == "completed_no_branch"


# --- R1, R2: statuses and endings -----------------------------------------------------------------


def test_every_reason_has_one_status():
    """R2: every ending has a reason from the list, and each reason one status (R1)."""
    assert set(STATUS_OF) == set(get_args(Reason))
    assert set(STATUS_OF.values()) == set(get_args(RunStatus)) - {"running"}


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([update("u", first_name="A")], "completed_end"),
        (
            [condition("c", **rule("contact.email", "eq", "nobody")), push("p")],
            "completed_no_branch",
        ),
        ([condition("c", **rule("trigger.none", "eq", 1))], "failed_step"),
    ],
)
def test_the_endings_that_steps_lead_to(steps, reason):
    """R2: no silent completion."""
    scene = Scene(line(*steps))
    scene.decide(event("go"))
    run = scene.run
    assert (run.reason, run.status, run.activity) == (reason, STATUS_OF[reason], None)
    assert (run.completed_at, run.parked) == (NOW, None)


def test_an_exit_has_its_own_reason():
    """R2: exited_rule."""
    scene = Scene(line(wait("w", "answer"), exit=[{"event": "refund"}]))
    scene.decide(event("go"))
    scene.decide(event("refund", ahead(seconds=1)))
    assert (scene.run.reason, scene.run.status) == ("exited_rule", "completed")


@pytest.mark.parametrize(
    ("steps", "activity"),
    [
        ([wait("w", "answer")], "waiting"),
        ([delay("d", "1 day")], "delayed"),
        ([push("p")], "sending"),
    ],
)
def test_what_a_running_run_does_meanwhile(steps, activity):
    """R1: status `running`; the rest is its activity."""
    scene = Scene(line(*steps))
    scene.decide(event("go"))
    assert (scene.run.status, scene.run.activity) == ("running", activity)


def broken(monkeypatch, kind: str = "contact_update") -> None:
    """Make every step of a kind raise, as a bug would."""

    def fault(_turn: object) -> None:
        raise ZeroDivisionError("ann@x.io")

    monkeypatch.setitem(KINDS, kind, replace(KINDS[kind], enter=fault))


def test_a_fault_of_ours_fails_that_run_and_no_other(monkeypatch):
    """E5: an exception of one (automation, event) fails that run with `engine_error`."""
    broken(monkeypatch)
    scene = Scene(line(update("u", first_name="A"), name="Bad"), line(push("p"), name="Good"))
    changes = scene.decide(event("go"))
    assert effects(changes) == ["p"]
    assert len(changes.faults) == 1
    found = {run.automation_id: run for run in scene.runs}
    bad = found[automation_id("Bad")]
    assert (bad.status, bad.reason) == ("failed", "engine_error")
    assert "ZeroDivisionError" in bad.failure.message
    assert "ann@x.io" not in bad.failure.message
    assert found[automation_id("Good")].activity == "sending"


def test_a_faulty_walk_leaves_nothing_behind_it(monkeypatch):
    """E5, R4: what its steps had written of the contact is taken back with them."""
    broken(monkeypatch, "delay")
    scene = Scene(line(update("u", first_name="Bob"), delay("d", "1 day")))
    changes = scene.decide(event("go"))
    assert scene.run.reason == "engine_error"
    assert changes.profiles == {}


@pytest.mark.usefixtures("faulty_parking")
def test_what_a_faulty_walk_would_have_sent_is_not_sent():
    """E5, F2: a run that ends with `engine_error` leaves no effect of the same turn behind."""
    scene = Scene(line(push("p")))
    changes = scene.decide(event("go"))
    assert (changes.effects, scene.run.reason) == ([], "engine_error")


@pytest.mark.parametrize("cause", ["event", "timer", "answer"])
def test_a_fault_on_the_way_on_ends_the_run_where_it_stood(monkeypatch, cause):
    """E5: a resumed run too: by event, by timer, by answer; an open wait is cancelled."""
    first = {"event": wait("w", "answer"), "timer": delay("d", "1 hour"), "answer": push("p")}[
        cause
    ]
    scene = Scene(line(first, update("u", first_name="A")))
    scene.decide(event("go"))
    broken(monkeypatch)
    if cause == "event":
        scene.decide(event("answer", ahead(seconds=1)))
        assert [w["status"] for w in scene.waits()] == ["cancelled"]
    elif cause == "timer":
        scene.at(ahead(hours=1)).fire_due()
    else:
        scene.settle()
    assert (scene.run.reason, scene.run.failure.step_key) == ("engine_error", first["key"])


def test_a_run_that_the_database_refuses_ends():
    """E5: abandoned with the kind of fault; one that has ended already stays as it is."""
    scene = Scene(line(wait("w", "answer")))
    scene.decide(event("go"))
    run = scene.run
    abandon = Abandon(run.contact_id, run.run_id, "SQLSTATE 22P05")
    scene.decide(abandon)
    assert (scene.run.reason, scene.run.status) == ("engine_error", "failed")
    assert scene.decide(abandon).runs == []


# --- R3, R4 ---------------------------------------------------------------------------------------


def test_a_finished_run_never_moves():
    """R3: no event, timer or answer changes it any more."""
    scene = Scene(line(wait("w", "answer", timeout="1 hour"), push("p")))
    scene.decide(event("go"))
    (effect,) = scene.decide(event("answer", ahead(seconds=1))).effects
    scene.settle()
    done = scene.run
    assert done.status == "completed"
    scene.at(ahead(days=1)).decide(
        event("answer", ahead(seconds=2)),
        TimerDue(done.contact_id, done.run_id),
        Answer(effect.effect_id, done.run_id, done.contact_id, "failed", 9),
        Abandon(done.contact_id, done.run_id, "late"),
    )
    assert scene.run == done
    with pytest.raises(AssertionError, match="never moves"):
        done.end("cancelled_operator", NOW)


def test_a_run_stays_on_its_version_to_its_end():
    """R3: published versions are immutable; a run resumes on its own."""
    old = line(wait("w", "answer"), push("old"))
    scene = Scene(old)
    scene.decide(event("go"))
    scene.publish_automations(
        stored_version(old, is_current=False),
        stored_version(line(push("new")), number=2),
    )
    assert effects(scene.decide(event("answer", ahead(seconds=1)))) == ["old"]


def test_the_history_holds_every_step_with_its_input_output_and_times():
    """R4: complete without the topic."""
    fork = condition("c", **rule("trigger.n", "eq", 1))
    scene = Scene(
        line(fork, delay("d", "1 hour"), push("p"), wait("w", "answer", timeout="1 hour"))
    )
    scene.decide(event("go", payload={"n": 1}))
    scene.at(ahead(hours=1)).fire_due()
    scene.at(ahead(hours=1, minutes=1)).settle()
    scene.at(ahead(hours=1, minutes=9)).decide(event("answer", ahead(hours=1, minutes=2)))
    assert scene.path() == ["start", "c", "d", "p", "w"]
    assert [step["status"] for step in scene.steps()] == ["completed"] * 5
    assert [step["branch_taken"] for step in scene.steps()] == [
        "default",
        "condition_met",
        "default",
        "default",
        "event_received",
    ]
    judged = scene.steps()[1]
    assert judged["output"] == {"result": True}
    assert judged["input"]["checks"][0]["actual"] == 1
    assert scene.steps()[2]["input"] == {"duration": "1 hour"}
    assert [(step["started_at"][11:16], step["completed_at"][11:16]) for step in scene.steps()] == [
        ("10:00", "10:00"),
        ("10:00", "10:00"),
        ("10:00", "11:00"),
        ("11:00", "11:01"),
        ("11:01", "11:09"),
    ]
    assert scene.run.trigger.payload == {"n": 1}


def test_a_failed_step_is_in_the_history_with_its_error():
    """R4: every step with input, output, error."""
    scene = Scene(line(condition("c", **rule("trigger.none", "eq", 1))))
    scene.decide(event("go"))
    last = scene.steps()[-1]
    assert (last["status"], last["error"]["code"]) == ("failed", "field_absent")


def test_a_steps_values_come_from_what_waits_received():
    """W1, F2: `wait_events.<name>` and `steps.<key>.output` are read by later steps."""
    scene = Scene(line(wait("w", "score.given"), update("u", properties={
        "score": {"var": "wait_events.score.given.n"},
        "name": {"var": "steps.w.output.event"},
    })))  # fmt: skip
    scene.decide(event("go"))
    scene.decide(event("score.given", ahead(seconds=1), payload={"n": 9}))
    profile = scene.tables.contacts[scene.contact("ann@x.io")].profile
    assert profile.properties == {"score": 9, "name": "score.given"}


def test_a_run_can_start_from_a_contact_event():
    """E7, S1: contact events are events too."""
    scene = Scene(line(push("p"), on=trigger("contact.updated")))
    changes = scene.decide(contact_event("updated", payload={"first_name": "Ann"}))
    assert (verdicts(changes), effects(changes)) == (["started"], ["p"])


def test_a_timer_long_overdue_advances_by_the_time_it_fires():
    """D3, W3: the next step is entered at now, so its own deadline lies ahead."""
    scene = Scene(line(delay("d", "1 hour"), wait("w", "answer", timeout="1 hour")))
    scene.decide(event("go"))
    scene.at(ahead(hours=5)).fire_due()
    assert scene.run.parked.deadline == ahead(hours=5) + timedelta(hours=1)
