"""Failed runs that are tried again: R3, R4, F2, S2."""

from uuid import uuid4

import pytest
from msgspec.structs import replace

from handlers.abandon import Abandon
from handlers.ending import Cancel
from handlers.retry import Retry
from state.effect import Answer
from state.run import Run, lineage_of, retry_id_of
from state.turn import Changes
from tests.explaining import explained, only
from tests.kit import (
    NOW,
    Scene,
    ahead,
    contact_event,
    delay,
    effects,
    email,
    event,
    line,
    push,
    stored_version,
    wait,
)
from tests.people import met

WALK = line(push("p"), push("q"), push("r"))


def failed(document=WALK) -> Scene:
    """Return a scene with a run that sent its first message and failed at the second."""
    scene = Scene(document)
    scene.decide(event("go", id="e1", payload={"k": 1}))
    scene.settle()
    scene.at(ahead(minutes=1)).settle("failed", code="refused", text="no such person")
    assert scene.run.reason == "failed_step"
    return scene


def retry(scene: Scene, run: Run, why: str | None = None) -> Changes:
    return scene.decide(Retry(run.contact_id, run.run_id, "cli:ann@desk", why))


def newest(scene: Scene) -> Run:
    return max(scene.runs, key=lambda run: run.retry)


def test_a_retry_is_a_new_run_at_the_step_that_failed():
    """R3: its id comes from its cause, and the finished run does not move."""
    scene = failed()
    old = scene.run
    changes = retry(scene.at(ahead(minutes=5)), old)
    assert effects(changes) == ["q"]
    new = newest(scene)
    assert (new.run_id, new.retried_from, new.retry) == (retry_id_of(old), old.run_id, 1)
    assert lineage_of(new) == [old.run_id, new.run_id]
    assert scene.tables.done[old.run_id] == old
    assert (new.trigger, new.version, new.resolved) == (old.trigger, old.version, old.resolved)
    assert (new.created_at, new.activity) == (ahead(minutes=5), "sending")


def test_the_message_that_failed_is_asked_for_under_the_same_key():
    """R3, F2: the provider never took it; the key is that of its cause, whoever tries."""
    scene = failed()
    (declined,) = [
        one for one in scene.tables.messages.values() if one.answer.settlement == "failed"
    ]
    changes = retry(scene, scene.run)
    (again,) = changes.effects
    assert (again.key, again.effect_id) == (declined.effect.key, declined.effect.effect_id)
    assert changes.resent == [(again.effect_id, declined.effect.run_id)]
    scene.settle()
    assert scene.tables.messages[again.effect_id].answer.settlement == "sent"
    assert [one.answer.settlement for one in scene.tables.set_aside] == ["failed"]


def test_what_was_done_is_inherited_and_not_done_again():
    """R3, R4: outputs, used events, finished steps and waits; only the try that failed is left."""
    document = line(push("p"), wait("w", "answer", timeout="1 hour"), push("q"), push("r"))
    scene = Scene(document)
    scene.decide(event("go", id="e1"))
    scene.settle()
    scene.decide(event("answer", ahead(seconds=1), id="a1", payload={"x": 1}))
    scene.settle("failed", code="refused")
    old = scene.run
    retry(scene, old)
    new = newest(scene)
    assert scene.path(new) == ["start", "p", "w"]
    assert [one["status"] for one in scene.waits(new)] == ["received"]
    assert (new.outputs, new.wait_events) == (old.outputs, old.wait_events)
    assert (new.used, new.steps_done) == (old.used, old.steps_done)
    scene.settle()
    scene.settle()
    done = newest(scene)
    assert (scene.path(done), done.reason) == (["start", "p", "w", "q", "r"], "completed_end")
    assert sum(1 for effect in scene.tables.messages.values() if effect.effect.step_key == "p") == 1


def test_a_retry_is_audited():
    """O4, R3: who, of which run, at which step, as what, why."""
    scene = failed()
    (audited,) = retry(scene, scene.run, why="mailbox mended").audited
    assert (audited.who, audited.what) == ("cli:ann@desk", "run.retry")
    assert audited.before == {"status": "failed", "reason": "failed_step", "step_key": "q"}
    new = newest(scene)
    assert audited.after == {"retried_as": new.run_id, "why": "mailbox mended"}


def test_a_run_is_retried_once_and_then_its_retry():
    """R3: the chain is one line, so that no step can be finished twice."""
    scene = failed()
    first = scene.run
    retry(scene, first)
    assert retry(scene, first).runs == []
    scene.settle("failed", code="refused")
    second = newest(scene)
    assert retry(scene, first).runs == []
    retry(scene, second)
    third = newest(scene)
    assert (third.retried_from, third.retry) == (second.run_id, 2)
    assert lineage_of(third) == [first.run_id, second.run_id, third.run_id]
    scene.settle()
    scene.settle()
    assert newest(scene).reason == "completed_end"


@pytest.mark.parametrize("settlement", ["sent", "unknown"])
def test_what_the_provider_has_is_not_sent_again(settlement):
    """R3, F3: the engine failed while the answer came; the retry goes on behind that step."""
    scene = Scene(WALK)
    scene.decide(event("go"))
    (row,) = scene.tables.outbox.values()
    row.claimed_by = "a worker"
    scene.decide(Abandon(scene.run.contact_id, scene.run.run_id, "refused 22P05"))
    assert retry(scene, scene.run).runs == []  # still on its way
    scene.decide(
        Answer(row.effect.effect_id, scene.run.run_id, scene.run.contact_id, settlement, 1)
    )
    changes = retry(scene, scene.run)
    assert (effects(changes), changes.resent) == (["q"], [])
    output = scene.steps(newest(scene))[1]["output"]
    assert (output["push_id"], output.get("unknown")) == (
        str(row.effect.effect_id),
        True if settlement == "unknown" else None,
    )


def test_a_message_that_the_engines_failure_called_back_is_sent_by_the_retry():
    """R3, F3: nobody ever tried it."""
    scene = Scene(WALK)
    scene.decide(event("go"))
    scene.decide(Abandon(scene.run.contact_id, scene.run.run_id, "refused 22P05"))
    assert effects(retry(scene, scene.run)) == ["p"]
    scene.settle()
    assert newest(scene).parked.step_key == "q"


def test_a_run_that_the_engine_failed_at_a_wait_waits_again_and_looks_back():
    """R3, W2: what came meanwhile is found."""
    scene = Scene(line(wait("w", "answer", timeout="1 hour"), push("p")))
    scene.decide(event("go"))
    scene.decide(Abandon(scene.run.contact_id, scene.run.run_id, "KeyError"))
    scene.decide(event("answer", ahead(minutes=1)))
    scene.at(ahead(minutes=2))
    assert effects(retry(scene, scene.run)) == ["p"]
    new = newest(scene)
    assert [one["status"] for one in scene.waits(new)] == ["received"]


def test_a_wait_that_is_opened_again_counts_from_the_same_previous_step():
    """R3, W2: from when the run stood at it; what came while its answer was on its way is seen."""
    scene = Scene(line(push("p"), wait("w", "opened", since="previous_step"), delay("d", "1 hour")))
    scene.decide(event("go"))
    scene.at(ahead(minutes=2)).settle()
    assert scene.run.parked.floor == NOW
    scene.decide(Abandon(scene.run.contact_id, scene.run.run_id, "KeyError"))
    scene.decide(event("opened", ahead(minutes=1)))
    retry(scene, scene.run)
    assert newest(scene).activity == "delayed"


def test_who_has_fulfilled_an_exit_rule_since_gets_nothing_from_a_retry():
    """S3, R3, O3: no run was there to end when the event came; the retry is ended by it instead."""
    scene = failed(WALK | {"exit": [{"event": "bought"}]})
    bought = scene.decide(event("bought", ahead(minutes=2)))
    old = scene.run
    changes = retry(scene.at(ahead(minutes=5)), old)
    assert (effects(changes), newest(scene).reason) == ([], "exited_before_start")
    assert scene.path(newest(scene)) == ["start", "p"]
    told = only(explained(scene, bought)["exits"])
    assert told["run_id"] == str(newest(scene).run_id)
    assert f"run {old.run_id} was retried after this event" in told["reason"]


def test_a_run_that_failed_before_its_first_stop_begins_anew():
    """R3: there is nothing to inherit."""
    scene = Scene(line(email("m"), push("p")))
    scene.decide(event("go", anonymous_id="a"))
    assert scene.run.failure.code == "no_address"
    before = scene.run
    retry(scene, before)
    assert (newest(scene).failure.code, scene.path(newest(scene))) == ("no_address", ["start", "m"])


def test_a_retry_that_the_engine_fails_is_retried_at_the_same_step(monkeypatch):
    """R3, E5: whatever went wrong, nothing that was finished is done again."""
    scene = failed()
    with monkeypatch.context() as broken:
        broken.setattr("handlers.advance._Walk._send", lambda *_: 1 / 0)
        retry(scene, scene.run)
    second = newest(scene)
    assert (second.reason, second.failure.step_key) == ("engine_error", "q")
    assert effects(retry(scene, second)) == ["q"]
    assert scene.path(newest(scene)) == ["start", "p"]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["running", "completed", "cancelled", "unknown"])
def test_only_a_failed_run_is_retried(how):
    """R3: a cancelled run was ended on purpose; its trigger can be published anew."""
    scene = Scene(line(push("p")))
    scene.decide(event("go"))
    run = scene.run
    if how == "completed":
        scene.settle()
    if how == "cancelled":
        scene.decide(Cancel(run.contact_id, run.run_id, "cli:ann@desk"))
    wanted = replace(run, run_id=uuid4()) if how == "unknown" else run
    changes = retry(scene, wanted)
    assert (changes.runs, changes.audited) == ([], [])


@pytest.mark.parametrize(
    ("reentry", "other", "starts"),
    [
        ("one_active", {"k": 2}, False),
        ("key:event.k", {"k": 1}, False),
        ("key:event.k", {"k": 2}, True),
        ("always", {"k": 1}, True),
        ("once", None, True),
        ("after:7 days", None, True),
    ],
)
def test_a_retry_keeps_to_the_limits_of_active_runs(reentry, other, starts):
    """S2, R3: it is no new entry, but there is never a second active run where one is allowed."""
    scene = failed(WALK | {"reentry": reentry})
    old = scene.run
    if other is not None:
        scene.decide(event("go", id="e2", payload=other))
    assert bool(retry(scene, old).runs) == starts


def test_the_automations_policy_of_today_counts():
    """S2: over all versions."""
    scene = failed()
    old = scene.run
    versions = [
        stored_version(WALK, is_current=False),
        stored_version(WALK | {"reentry": "one_active"}, number=2),
    ]
    scene.publish_automations(*versions)
    scene.decide(event("go", id="e2"))
    assert retry(scene, old).runs == []


def test_a_run_that_a_merge_brought_stands_in_the_way_of_a_retry_under_once():
    """I3, R3: of two that exclude each other one stays; the other is not brought back."""
    scene = Scene(line(push("p"), reentry="once"))
    scene.decide(event("go", email="b@x.io"))
    scene.settle("failed", code="refused")
    old = scene.run
    scene.decide(event("go", anonymous_id="a"))
    met(scene, email="b@x.io", anonymous_id="a")
    assert retry(scene, old).runs == []


def test_runs_that_never_had_a_business_key_do_not_share_one():
    """S2, R3: they started before the automation had the policy."""
    scene = failed()
    old = scene.run
    scene.decide(event("go", id="e2"))
    keyed = stored_version(WALK | {"reentry": "key:event.k"}, number=2)
    scene.publish_automations(stored_version(WALK, is_current=False), keyed)
    assert effects(retry(scene, old)) == ["q"]


def test_a_hundred_active_runs_leave_no_room():
    """S2: capped, as any entry."""
    scene = failed(line(push("p"), push("q"), delay("d", "1 day")))
    old = scene.run
    for number in range(100):
        scene.decide(event("go", id=f"more {number}"))
    assert retry(scene, old).runs == []


def test_a_paused_automations_run_is_not_retried():
    """T3, R3: nothing of it advances; the retry waits for the release."""
    scene = failed()
    old = scene.run
    scene.pause("hold")
    assert retry(scene, old).runs == []
    scene.pause(None)
    assert retry(scene, old).tally["runs_retried"] == 1


def test_a_deleted_contacts_run_is_not_retried():
    """I5, R3: there is nobody to whom anything could be sent."""
    scene = failed()
    old = scene.run
    scene.decide(contact_event("deleted", ahead(minutes=2), email="ann@x.io"))
    assert retry(scene, old).runs == []


def test_a_stopped_automations_run_is_retried_and_a_retired_versions_says_so():
    """R3, S4: stopping starts nothing of itself; a version that is gone must be brought back."""
    scene = failed()
    old = scene.run
    scene.publish_automations(stored_version(WALK, is_enabled=False))
    assert retry(scene, old).tally["runs_retried"] == 1
    scene = failed()
    scene.publish_automations()
    assert retry(scene, scene.run).tally["retries_without_version"] == 1
