"""To which of several open waits one event goes."""

import pytest

from tests.kit import (
    NOW,
    Document,
    Scene,
    ahead,
    automation_id,
    delay,
    event,
    line,
    rule,
    same,
    stored_version,
    trigger,
    verdicts,
    wait,
)

PICKS = [("all", "abc"), ("oldest", "a"), ("newest", "c")]


def waiting(deliver: str, **more: object) -> Document:
    return line(wait("w", "answer", deliver=deliver, **more.pop("config", {})), **more)


def begun(scene: Scene, *ids: str, **more: object) -> Scene:
    """Start a run with each of these triggers, a second apart."""
    for second, id_ in enumerate(ids):
        scene.at(ahead(seconds=second))
        scene.decide(event("go", NOW, id=id_, payload={"id": id_}, **more))
    return scene


def resumed(scene: Scene, **answer: object) -> str:
    """Return the ids of the triggers whose runs one more answer resumed, sorted."""
    before = set(scene.tables.done)
    scene.at(ahead(minutes=1)).decide(event("answer", ahead(minutes=1), **answer))
    ended = [run for run in scene.runs if run.run_id in scene.tables.done.keys() - before]
    return "".join(sorted(run.trigger.id for run in ended))


@pytest.mark.parametrize(("deliver", "got"), PICKS)
def test_an_event_goes_to_all_or_to_one_by_the_instant_of_parking(deliver, got):
    """W6: all by default; `oldest` and `newest` by parked_at."""
    scene = begun(Scene(waiting(deliver)), "a", "b", "c")
    assert resumed(scene) == got


@pytest.mark.parametrize(("deliver", "got"), [("oldest", "b"), ("newest", "a")])
def test_the_instant_of_parking_counts_not_that_of_the_start(deliver, got):
    """W6: a run that came later to its wait stands behind one that began after it."""
    slow = {"key": "c", "type": "condition", "config": rule("trigger.id", "eq", "a")}
    document = line(
        slow,
        delay("d", "30 seconds"),
        wait("w", "answer", deliver=deliver),
        ways=[{"from": "c", "to": "w", "type": "condition_not_met"}],
    )
    scene = begun(Scene(document), "a", "b")
    scene.at(ahead(seconds=40)).fire_due()
    assert resumed(scene) == got


@pytest.mark.parametrize(("deliver", "got"), [("oldest", "a"), ("newest", "b")])
def test_of_those_parked_in_one_turn_their_triggers_decide(deliver, got):
    """W6, D1, D2: by record, as if each had had a turn of its own."""
    scene = Scene(waiting(deliver))
    scene.decide(*(event("go", NOW, id=id_, place=("t", 0, n)) for n, id_ in enumerate("ab")))
    assert resumed(scene) == got


@pytest.mark.parametrize(("deliver", "got"), PICKS)
def test_only_waits_that_the_event_would_close_stand_in_line(deliver, got):
    """W6, W1: one whose filter is false, or that the event came too early for, gets nothing."""
    document = waiting(deliver, config={"filter_rule": rule("trigger.id", "neq", "x")})
    scene = Scene(document)
    begun(scene, "x", "a", "b", "c")
    scene.at(ahead(seconds=9)).decide(event("go", NOW, id="last", payload={"id": "x"}))
    assert resumed(scene) == got


def test_each_automation_and_each_step_has_its_own_line():
    """W6: one (automation, step) each."""
    two_steps = line(
        wait("w1", "answer", deliver="oldest"),
        wait("w2", "answer", deliver="oldest"),
        name="Two steps",
    )
    scene = begun(Scene(two_steps, waiting("oldest", name="Other")), "a", "b")
    changes = scene.at(ahead(seconds=9)).decide(event("answer", ahead(seconds=9)))
    assert sorted(verdicts(changes)) == ["not_delivered"] * 2 + ["resumed"] * 2
    changes = scene.decide(event("answer", ahead(seconds=10)))
    by_step = {
        (each.automation_id, each.step_key): each.verdict for each in changes.events[0].findings
    }
    # Its first run waits at the second step now, its second one still at the first.
    assert by_step == {
        (automation_id("Two steps"), "w1"): "resumed",
        (automation_id("Two steps"), "w2"): "resumed",
        (automation_id("Other"), "w"): "resumed",
    }


@pytest.mark.parametrize(
    ("old", "new", "got"),
    [
        ("oldest", "oldest", "a"),
        ("newest", "newest", "d"),
        ("all", "oldest", "abc"),
        ("newest", "all", "bcd"),
        ("newest", "oldest", "bc"),
        ("oldest", "newest", "ad"),
    ],
)
def test_all_versions_of_an_automation_stand_in_one_line(old, new, got):
    """W6: one line for all that say the same; whatever they say, somebody gets the event."""
    first, second = waiting(old), waiting(new)
    scene = begun(Scene(first), "a", "b")
    scene.publish_automations(
        stored_version(first, is_current=False), stored_version(second, number=2)
    )
    for at, id_ in ((3, "c"), (4, "d")):
        scene.at(ahead(seconds=at)).decide(event("go", NOW, id=id_))
    assert resumed(scene) == got


def test_what_one_wait_got_the_next_event_is_for_the_others():
    """W6: three answers, one after the other, go to three waits."""
    scene = begun(Scene(waiting("oldest")), "a", "b", "c")
    assert [resumed(scene, id=f"answer-{n}") for n in range(4)] == ["a", "b", "c", ""]


def test_an_event_kept_from_a_wait_leaves_it_as_it_was():
    """W6, W5: not delivered is not late, and not used: the wait goes on, and times out."""
    document = waiting("oldest", config={"timeout": "1 hour"})
    scene = begun(Scene(document), "a", "b")
    changes = scene.at(ahead(seconds=9)).decide(event("answer", ahead(seconds=9)))
    kept = next(run for run in scene.runs if run.status == "running")
    assert (changes.late, kept.used, kept.parked.late) == ([], frozenset(), None)
    scene.at(ahead(hours=2)).fire_due()
    assert [w["status"] for run in scene.runs for w in scene.waits(run)] == [
        "received",
        "timed_out",
    ]


def test_a_wait_that_opens_later_looks_back_for_itself():
    """W6, W2: `deliver` chooses among the waits that are open when the event is applied."""
    document = line(delay("d", "30 seconds"), wait("w", "answer", deliver="oldest"))
    scene = Scene(waiting("oldest"), document | {"name": "Late"})
    begun(scene, "a")
    scene.decide(event("answer", ahead(seconds=1)))
    scene.at(ahead(seconds=40)).fire_due()
    assert {run.status for run in scene.runs} == {"completed"}


def test_nobody_elses_waits_stand_in_the_line():
    """W6, W1: same contact."""
    scene = begun(Scene(waiting("oldest")), "a", email="bob@x.io")
    begun(scene, "b")
    assert resumed(scene) == "b"


@pytest.mark.parametrize("deliver", ["all", "oldest"])
def test_a_filter_on_the_trigger_picks_the_run(deliver):
    """W6, W1: of several orders the one that the event names."""
    document = waiting(deliver, config={"filter_rule": same("id")})
    scene = begun(Scene(document, line(delay("d", "1 day"), name="B", on=trigger("x"))), "a", "b")
    assert resumed(scene, payload={"id": "b"}) == "b"
