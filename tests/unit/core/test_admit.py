"""Which automations an event starts a run in, and why others refuse it."""

from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import astuple

from handlers.admit import ACTIVE_RUNS_MAX
from state.run import run_id_of
from tests.kit import (
    NOW,
    START,
    Scene,
    ago,
    ahead,
    automation_id,
    delay,
    event,
    line,
    push,
    rule,
    stored_version,
    trigger,
    verdicts,
    wait,
)

PARKED = (delay("d", "1 day"),)


def test_a_runs_id_is_derived_from_its_cause():
    """S1: run id = hash(automation, trigger event key, occurrence)."""
    scene = Scene(line(*PARKED))
    first = event("go", id="e1")
    scene.decide(first)
    assert scene.run.run_id == run_id_of(automation_id(), first.key)
    ids = {run_id_of(UUID(int=a), UUID(int=e), o) for a in (1, 2) for e in (1, 2) for o in (0, 1)}
    assert len(ids) == 8


def test_a_run_is_pinned_to_the_version_of_its_start():
    """S1, R3: publishing a new version changes nothing for runs in progress."""
    old, new = line(wait("w", "answer"), push("old")), line(wait("w", "other"), push("new"))
    scene = Scene(old)
    scene.decide(event("go"))
    scene.publish_automations(stored_version(old, is_current=False), stored_version(new, number=2))
    scene.decide(event("go", ahead(seconds=1), email="bob@x.io"))
    assert [run.version for run in scene.runs] == [1, 2]
    changes = scene.decide(
        event("answer", ahead(seconds=2)), event("other", ahead(seconds=2), email="bob@x.io")
    )
    assert [effect.step_key for effect in changes.effects] == ["old", "new"]


def test_a_trigger_from_before_the_last_enabling_starts_nothing():
    """S1: V before the last enabling: refused `before_enabled`."""
    scene = Scene(stored_version(line(*PARKED), enabled_at=NOW))
    assert verdicts(scene.decide(event("go", ago(seconds=1)))) == ["before_enabled"]
    assert verdicts(scene.decide(event("go", NOW))) == ["started"]


def test_a_filter_that_does_not_hold_says_with_which_values():
    """S1: a run starts whose filter holds; the evidence shows the comparison."""
    scene = Scene(line(*PARKED, on=trigger(filter_rule=rule("event.total", "gt", 10))))
    changes = scene.decide(event("go", payload={"total": 7}))
    (finding,) = changes.events[0].findings
    assert finding.verdict == "filter_false"
    assert astuple(finding.values[0])[:4] == ("event.total", "gt", 10, 7)
    assert verdicts(scene.decide(event("go", payload={"total": 11}))) == ["started"]


def test_a_trigger_filter_may_read_the_contact():
    """S1, I6: as it is under the lock."""
    on = trigger(filter_rule=rule("contact.email", "ends_with", "@x.io"))
    scene = Scene(line(*PARKED, on=on))
    assert verdicts(scene.decide(event("go", email="ann@x.io"))) == ["started"]
    assert verdicts(scene.decide(event("go", email="ann@y.io"))) == ["filter_false"]


# --- S2 -------------------------------------------------------------------------------------------


def test_always_lets_everybody_enter_again():
    """S2: `always` is the default."""
    scene = Scene(line(*PARKED))
    for number in range(3):
        assert verdicts(scene.decide(event("go", ahead(seconds=number)))) == ["started"]


@pytest.mark.parametrize("ending", ["running", "completed", "failed"])
def test_once_counts_every_run_that_entered(ending):
    """S2: `once`: running, completed and failed ones count, and the refusal says `once`."""
    steps = {
        "running": [delay("d", "1 day")],
        "completed": [{"key": "u", "type": "contact_update", "config": {"first_name": "A"}}],
        "failed": [{"key": "c", "type": "condition", "config": rule("trigger.none", "eq", 1)}],
    }[ending]
    scene = Scene(line(*steps, reentry="once"))
    scene.decide(event("go"))
    assert scene.run.status == ending
    assert verdicts(scene.decide(event("go", ahead(seconds=1)))) == ["once"]
    assert verdicts(scene.decide(event("go", ahead(seconds=1), email="bob@x.io"))) == ["started"]


def test_once_holds_within_one_batch_and_over_all_versions():
    """S2, D1: the second trigger of a batch is refused; so is one under a new version."""
    document = line(*PARKED, reentry="once")
    scene = Scene(document)
    changes = scene.decide(event("go", NOW), event("go", ahead(seconds=1)))
    assert [verdicts(changes, n) for n in (0, 1)] == [["started"], ["once"]]
    scene.publish_automations(
        stored_version(document, is_current=False),
        stored_version(line(push("p"), reentry="once"), number=2),
    )
    assert verdicts(scene.decide(event("go", ahead(seconds=2)))) == ["once"]


def test_a_refused_trigger_does_not_count_as_an_entry():
    """S2: only runs that entered count."""
    on = trigger(filter_rule=rule("event.n", "eq", 1))
    scene = Scene(line(*PARKED, on=on, reentry="once"))
    assert verdicts(scene.decide(event("go", NOW, payload={"n": 0}))) == ["filter_false"]
    assert verdicts(scene.decide(event("go", NOW, payload={"n": 1}))) == ["started"]


def test_the_hundred_and_first_active_run_is_capped():
    """S2: at most 100 active runs per contact and automation."""
    scene = Scene(line(*PARKED))
    changes = scene.decide(*(event("go", ago(seconds=n)) for n in range(ACTIVE_RUNS_MAX + 1)))
    found = [verdicts(changes, n)[0] for n in range(ACTIVE_RUNS_MAX + 1)]
    assert found == ["started"] * ACTIVE_RUNS_MAX + ["capped"]
    assert verdicts(scene.decide(event("go", email="bob@x.io"))) == ["started"]


def test_one_active_waits_for_the_end_of_the_run_before():
    """S2: `one_active`."""
    scene = Scene(line(wait("w", "answer"), reentry="one_active"))
    scene.decide(event("go"))
    assert verdicts(scene.decide(event("go", ahead(seconds=1)))) == ["one_active"]
    scene.decide(event("answer", ahead(seconds=2)))
    assert verdicts(scene.decide(event("go", ahead(seconds=3)))) == ["started"]


def test_after_counts_from_the_v_of_the_last_entry():
    """S2: `after:<duration>` of trigger V."""
    scene = Scene(line(push("p"), reentry="after:1 hour"), now=ahead(hours=3))
    scene.decide(event("go", NOW))
    assert verdicts(scene.decide(event("go", ahead(minutes=59)))) == ["reentry_too_soon"]
    assert verdicts(scene.decide(event("go", ahead(minutes=60)))) == ["started"]


def test_a_business_key_has_one_active_run():
    """S2: `key:<path>`: one active run per key; absent or not scalar: `key_absent`."""
    scene = Scene(line(*PARKED, reentry="key:event.order"))
    found = [
        verdicts(scene.decide(event("go", ago(seconds=n), payload=payload)))[0]
        for n, payload in enumerate([{"order": 1}, {"order": 1}, {"order": "1"}, {}, {"order": []}])
    ]
    assert found == ["started", "key_active", "started", "key_absent", "key_absent"]


# --- S4, S5 ---------------------------------------------------------------------------------------


def test_a_stopped_automation_starts_nothing_and_its_runs_go_on():
    """S4: no new runs; those in progress go on. S1: the refusal says `stopped`."""
    document = line(wait("w", "answer"), push("p"))
    scene = Scene(document)
    scene.decide(event("go"))
    scene.publish_automations(stored_version(document, is_enabled=False))
    changes = scene.decide(event("go", ahead(seconds=1)), event("answer", ahead(seconds=1)))
    assert [verdicts(changes, n) for n in (0, 1)] == [["stopped"], ["resumed"]]
    scene.settle()
    assert [run.status for run in scene.runs] == ["completed"]


def test_a_timeout_of_a_stopped_automations_run_fires():
    """S4: timers of runs in progress too."""
    document = line(wait("w", "answer", timeout="1 hour"))
    scene = Scene(document)
    scene.decide(event("go"))
    scene.publish_automations(stored_version(document, is_enabled=False))
    scene.at(ahead(hours=1)).fire_due()
    assert scene.run.reason == "completed_no_branch"


def test_an_event_too_old_starts_nothing_yet_resumes():
    """S5: V older than 7 days starts nothing, but still resumes waits it falls into."""
    document = line(wait("w", "go2", since="30 days"))
    scene = Scene(document, line(push("p"), name="B", on=trigger("go2")))
    scene.at(ago(days=7)).decide(event("go", ago(days=7)))
    old = event("go2", ago(days=7, seconds=1))
    assert verdicts(scene.at(NOW).decide(old)) == ["resumed", "too_old"]


def test_an_event_of_exactly_the_greatest_age_starts():
    """S5: older than `max_event_age`, not as old."""
    scene = Scene(line(push("p")))
    assert verdicts(scene.decide(event("go", NOW - timedelta(days=7)))) == ["started"]


def test_a_refusal_is_recorded_for_each_automation():
    """S1, S2: evidence names the automation and the reason."""
    scene = Scene(
        stored_version(line(push("p"), name="Young"), enabled_at=ahead(seconds=1)),
        stored_version(line(push("p"), name="Off"), is_enabled=False, enabled_at=START),
    )
    changes = scene.decide(event("go"))
    found = {finding.automation_id: finding.verdict for finding in changes.events[0].findings}
    assert found == {automation_id("Young"): "before_enabled", automation_id("Off"): "stopped"}
