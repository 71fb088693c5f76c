"""Who may enter an automation again: each policy, over all versions, and what it refuses."""

import pytest
from msgspec.structs import replace

from handlers.admit import ACTIVE_RUNS_MAX
from handlers.publishing.entry import EntryError, parse_reentry
from state.problem import ProblemsError
from tests.kit import (
    NOW,
    Document,
    Scene,
    ago,
    ahead,
    delay,
    email,
    event,
    line,
    push,
    stored_version,
    trigger,
    update,
    verdicts,
    wait,
)

PARKED = (delay("d", "1 day"),)


def publish_next(scene: Scene, old: Document, new: Document) -> None:
    """Let a new version start runs; those of the old one go on."""
    scene.publish_automations(stored_version(old, is_current=False), stored_version(new, number=2))


def refused(scene: Scene, **more: object) -> str:
    """Return the one verdict on one more trigger, which is recorded and says no run."""
    changes = scene.decide(event("go", **more))
    (finding,) = changes.events[-1].findings
    assert (finding.subject, finding.run_id) == ("automation", None)
    assert changes.runs == []
    return finding.verdict


# --- once, one_active -----------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["cancelled_operator", "engine_error", "exited_rule"])
def test_once_counts_runs_however_they_ended(reason):
    """S2: every run entered counts, failed and cancelled too."""
    scene = Scene(line(*PARKED, reentry="once"))
    scene.decide(event("go"))
    run = scene.run
    scene.tables.done[run.run_id] = replace(run, parked=None).end(reason, NOW)
    del scene.tables.runs[run.run_id]
    assert refused(scene, at=ahead(seconds=1)) == "once"


@pytest.mark.parametrize("policy", ["one_active", "key:event.n"])
def test_an_active_run_of_an_older_version_stands_in_the_way(policy):
    """S2: over all versions; when it has ended, the next trigger starts one."""
    old = line(wait("w", "answer"), reentry=policy)
    new = line(wait("w", "other"), reentry=policy)
    scene = Scene(old)
    scene.decide(event("go", payload={"n": 1}))
    publish_next(scene, old, new)
    expected = "one_active" if policy == "one_active" else "key_active"
    assert refused(scene, at=ahead(seconds=1), payload={"n": 1}) == expected
    scene.decide(event("answer", ahead(seconds=2)))
    go = event("go", ahead(seconds=3), payload={"n": 1})
    assert verdicts(scene.decide(go)) == ["started"]


def test_one_active_is_blocked_by_a_run_whatever_it_does():
    """S2: waiting, delayed or sending."""
    for step in (wait("w", "answer"), delay("d", "1 day"), push("p")):
        scene = Scene(line(step, reentry="one_active"))
        scene.decide(event("go"))
        assert refused(scene, at=ahead(seconds=1)) == "one_active"


# --- after ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        (ahead(minutes=60), "started"),
        (ahead(minutes=60, microseconds=-1), "reentry_too_soon"),
        (NOW, "reentry_too_soon"),
        (ago(minutes=59), "reentry_too_soon"),
        (ago(minutes=60), "reentry_too_soon"),
        (ago(days=6), "reentry_too_soon"),
    ],
)
def test_after_counts_from_the_newest_v_that_entered(at, verdict):
    """S2: of trigger V; an older trigger starts nothing, however it came to be late."""
    scene = Scene(line(push("p"), reentry="after:1 hour"), now=ahead(hours=2))
    scene.decide(event("go", NOW))
    assert verdicts(scene.decide(event("go", at, id="second"))) == [verdict]


def test_after_is_counted_in_v_not_in_the_time_of_processing():
    """S2: two triggers an hour apart by V enter together, however close they were processed."""
    scene = Scene(line(push("p"), reentry="after:1 hour"))
    changes = scene.decide(event("go", ago(hours=1)), event("go", NOW))
    assert [verdicts(changes, n) for n in (0, 1)] == [["started"], ["started"]]


def test_after_holds_over_all_versions():
    """S2: the memory is the automation's."""
    old, new = line(push("p"), reentry="after:1 hour"), line(email("m"), reentry="after:1 hour")
    scene = Scene(old, now=ahead(hours=2))
    scene.decide(event("go"))
    publish_next(scene, old, new)
    assert refused(scene, at=ahead(minutes=59)) == "reentry_too_soon"
    assert verdicts(scene.decide(event("go", ahead(minutes=60)))) == ["started"]


def test_a_refused_trigger_does_not_move_the_last_entry():
    """S2: else a steady stream of triggers would keep somebody out for ever."""
    scene = Scene(line(push("p"), reentry="after:1 hour"), now=ahead(hours=2))
    scene.decide(event("go"))
    assert refused(scene, at=ahead(minutes=59)) == "reentry_too_soon"
    assert verdicts(scene.decide(event("go", ahead(minutes=60)))) == ["started"]


# --- key ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same_key"),
    [
        (1, 1.0, True),
        (0, -0.0, True),
        (2**60, float(2**60), True),
        (1, "1", False),
        (1, True, False),
        (0, False, False),
        ("true", True, False),
        (1.5, 1.5, True),
        (1.5, "1.5", False),
        ("a", "A", False),
        ("", "", True),
    ],
)
def test_business_keys_are_equal_as_json_values_are(one, other, same_key):
    """S2: 1 and 1.0 are one key; text, numbers and booleans never are one another's."""
    scene = Scene(line(*PARKED, reentry="key:event.k"))
    scene.decide(event("go", ago(seconds=1), payload={"k": one}))
    changes = scene.decide(event("go", NOW, payload={"k": other}))
    assert verdicts(changes) == ["key_active" if same_key else "started"]


@pytest.mark.parametrize("value", [None, [], [1], {}, {"a": 1}])
def test_a_key_that_is_no_scalar_is_absent(value):
    """S2: absent or not scalar: refused `key_absent`, with or without a run under way."""
    scene = Scene(line(*PARKED, reentry="key:event.k"))
    assert refused(scene, payload={"k": value}) == "key_absent"
    assert refused(scene, at=ahead(seconds=1), payload={}) == "key_absent"
    scene.decide(event("go", payload={"k": 1}))
    assert refused(scene, at=ahead(seconds=2), payload={"k": value}) == "key_absent"


@pytest.mark.parametrize("path", ["event.order.id", "trigger.order.id"])
def test_a_key_may_be_read_of_the_event_by_either_name(path):
    """S2: the trigger is the arriving event."""
    scene = Scene(line(*PARKED, reentry=f"key:{path}"))
    found = [
        verdicts(scene.decide(event("go", ago(seconds=n), payload={"order": {"id": key}})))[0]
        for n, key in enumerate(["a", "b", "a"])
    ]
    assert found == ["started", "started", "key_active"]


def test_a_key_may_be_read_of_the_contact_as_it_is_now():
    """S2: a value that changes between two triggers makes another key."""
    stage = update("u", properties={"stage": {"var": "event.stage"}})
    scene = Scene(
        line(*PARKED, reentry="key:contact.properties.stage"),
        line(stage, name="Stage", on=trigger("stage")),
    )
    assert refused(scene) == "key_absent"
    for second, stage_is in enumerate(["one", "two"], start=1):
        scene.at(ahead(seconds=second))
        scene.decide(event("stage", ahead(seconds=second), payload={"stage": stage_is}))
        assert verdicts(scene.decide(event("go", ahead(seconds=second)))) == ["started"]
        assert refused(scene, at=ahead(seconds=second, microseconds=1)) == "key_active"


@pytest.mark.parametrize(
    "raw", ["key:", "key:order", "key:steps.x.output.y", "key:contact.nothing", "key:event"]
)
def test_a_key_that_can_never_be_read_is_refused_at_publish(raw):
    """S2: only the event, the trigger and the contact are there before a run."""
    with pytest.raises(ProblemsError):
        parse_reentry(raw)


@pytest.mark.parametrize("raw", ["after:", "after:0 hours", "after:soon", "twice", 1])
def test_a_policy_that_cannot_be_used_is_refused_at_publish(raw):
    """S2: and says what is valid."""
    with pytest.raises((EntryError, ProblemsError)) as caught:
        parse_reentry(raw)
    assert all(problem.fix for problem in caught.value.problems)


# --- the cap --------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["always", "key:event.n", "after:1 second"])
def test_the_cap_holds_under_every_policy_and_over_all_versions(policy):
    """S2: at most 100 active runs per (contact, automation); one that ends makes room."""
    old = line(wait("w", "answer", deliver="oldest"), reentry=policy)
    scene = Scene(old)
    for n in range(ACTIVE_RUNS_MAX):
        scene.decide(event("go", ago(minutes=200 - n), payload={"n": n}))
    assert len(scene.tables.runs) == ACTIVE_RUNS_MAX
    publish_next(scene, old, line(delay("d", "1 day"), reentry=policy))
    assert refused(scene, payload={"n": 101}) == "capped"
    scene.decide(event("answer", NOW))
    assert len(scene.tables.runs) == ACTIVE_RUNS_MAX - 1
    assert verdicts(scene.decide(event("go", ahead(seconds=2), payload={"n": 102}))) == ["started"]
