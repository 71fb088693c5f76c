"""What a run sends: keys from causes, answers that move it once, failures that end it."""

import pytest

from state.effect import Answer, effect_id_of
from tests.kit import (
    Scene,
    ahead,
    automation_id,
    condition,
    effects,
    email,
    event,
    line,
    push,
    rule,
    update,
)

# --- F2: effects ----------------------------------------------------------------------------------


def test_an_effects_key_is_derived_from_its_cause():
    """F2: (automation, trigger event key, step key, occurrence); the id from the key."""
    scene = Scene(line(push("p")))
    trigger_event = event("go", id="e1")
    (effect,) = scene.decide(trigger_event).effects
    assert effect.key == f"{automation_id()}:{trigger_event.key}:0:p"
    assert effect.effect_id == effect_id_of(effect.key)


def test_keys_differ_for_every_run_and_step():
    """F2: two steps of a run, two runs of a contact, two automations: four keys and more."""
    scene = Scene(line(push("p"), push("q"), name="A"), line(push("p"), name="B"))
    for n in range(2):
        scene.decide(event("go", id=f"e{n}"))
    keys = {row.effect.key for row in scene.tables.outbox.values()}
    scene.settle()
    keys |= {row.effect.key for row in scene.tables.outbox.values()}
    assert len(keys) == 6


def test_the_id_of_a_message_is_known_when_it_is_decided():
    """F2: it stands in the step's output before anything is sent."""
    scene = Scene(line(push("p")))
    (effect,) = scene.decide(event("go")).effects
    assert scene.run.parked.output["push_id"] == str(effect.effect_id)


def test_a_contact_step_changes_state_at_once_and_the_next_step_sees_it():
    """F2: in the run's own transaction."""
    fork = condition("c", **rule("contact.first_name", "eq", "Zoe"))
    scene = Scene(line(update("u", first_name="Zoe"), fork, push("p")))
    assert effects(scene.decide(event("go"))) == ["p"]


def test_a_completed_step_is_never_executed_again():
    """F2, F3: the answer that comes twice moves nothing the second time."""
    scene = Scene(line(push("p"), push("q")))
    scene.decide(event("go"))
    (row,) = scene.tables.outbox.values()
    answer = Answer(row.effect.effect_id, row.effect.run_id, row.effect.contact_id, "sent", 1)
    assert effects(scene.decide(answer)) == ["q"]
    changes = scene.decide(answer)
    assert (changes.runs, changes.effects) == ([], [])


# --- F3 -------------------------------------------------------------------------------------------


def test_a_send_step_runs_until_it_is_settled():
    """F3: the run advances then, in another turn."""
    scene = Scene(line(push("p"), push("q")))
    scene.decide(event("go"))
    assert (scene.run.activity, scene.path()) == ("sending", ["start"])
    scene.at(ahead(seconds=3)).settle()
    assert scene.path() == ["start", "p"]
    step = scene.steps()[1]
    assert (step["started_at"], step["completed_at"]) == (
        "2026-11-22T10:00:00.000000Z",
        "2026-11-22T10:00:03.000000Z",
    )


@pytest.mark.parametrize(
    ("settlement", "more"),
    [("sent", {}), ("unknown", {"unknown": True}), ("skipped", {"skipped": "unsubscribed"})],
)
def test_the_run_goes_on_when_a_send_is_settled(settlement, more):
    """F3: with `unknown: true` where nobody can tell, with the reason where it was skipped."""
    scene = Scene(line(push("p"), push("q")))
    scene.decide(event("go"))
    assert effects(scene.settle(settlement, code="unsubscribed")) == ["q"]
    output = scene.steps()[1]["output"]
    assert {key: output[key] for key in output if key not in ("to", "push_id", "template")} == more


def test_a_send_that_failed_for_good_fails_the_run():
    """F5: step key, code and text."""
    scene = Scene(line(push("p"), push("q")))
    scene.decide(event("go"))
    scene.settle("failed", code="bad_address", text="no such person")
    assert (scene.run.status, scene.run.reason) == ("failed", "failed_step")
    assert scene.run.failure.document() == {
        "step_key": "p",
        "code": "bad_address",
        "message": "no such person",
    }
    assert scene.steps()[1]["error"]["code"] == "bad_address"
    assert scene.tables.outbox == {}


def test_an_answer_for_a_run_that_has_ended_only_settles_the_message():
    """R3, F3: a finished run never moves."""
    scene = Scene(line(push("p"), push("q"), exit=[{"event": "refund"}]))
    scene.decide(event("go"))
    for row in scene.tables.outbox.values():
        row.claimed_by = "a worker"
    scene.decide(event("refund", ahead(seconds=1)))
    run = scene.run
    assert scene.settle().runs == []
    assert scene.run == run
    (message,) = scene.tables.messages.values()
    assert (message.answer.settlement, message.sent_after_cancel) == ("sent", True)


def test_an_answer_for_another_effect_moves_nothing():
    """F3: the run resumes by exactly the effect it waits for."""
    scene = Scene(line(push("p"), push("q")))
    (first,) = scene.decide(event("go")).effects
    scene.settle()
    stale = Answer(first.effect_id, first.run_id, first.contact_id, "failed", 2)
    assert scene.decide(stale).runs == []
    assert scene.run.parked.step_key == "q"


def test_an_email_without_an_address_fails_the_step():
    """F5: before anything is written to the outbox."""
    scene = Scene(line(email("m")))
    changes = scene.decide(event("go", anonymous_id="a"))
    assert changes.effects == []
    assert (scene.run.failure.step_key, scene.run.failure.code) == ("m", "no_address")
