"""What the other side's history ends when two turn out to be one: exits at a merge."""

from itertools import combinations

import pytest

from handlers.record import run_record
from handlers.world import Rules
from tests.explaining import case_of, explained, only, row_of
from tests.kit import (
    NOW,
    Scene,
    ago,
    ahead,
    contact_event,
    delay,
    event,
    line,
    push,
    rule,
    same,
    trigger,
    verdicts,
    wait,
)
from tests.people import met

BY_COOKIE, BY_MAIL = {"anonymous_id": "a"}, {"email": "b@x.io"}
SIDES = [(BY_COOKIE, BY_MAIL), (BY_MAIL, BY_COOKIE)]
ORDER = {"payload": {"order": 1}}
REFUND = {"event": "refund", "filter": same("order")}
ASKED = rule("contact.properties.asked", "eq", 1)
RESTING = line(delay("d", "1 day"), exit=[REFUND])


def apart(document=RESTING, at=None, mine=BY_COOKIE, theirs=BY_MAIL, **scene: object) -> Scene:
    """Return a scene in which one has a run, and what would have ended it came by another name."""
    world = Scene(document, **scene)
    world.decide(event("go", **ORDER, **mine))
    world.at(ahead(minutes=1))
    world.decide(event("refund", at or world.now, id="refund", **ORDER, **theirs))
    return world.at(ahead(minutes=2))


def join(scene: Scene) -> object:
    return met(scene, **BY_COOKIE, **BY_MAIL)


# --- what ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mine", "theirs"), SIDES)
@pytest.mark.parametrize(("goal", "reason"), [(False, "exited_rule"), (True, "exited_goal")])
def test_a_merge_ends_what_the_other_sides_event_had_ended(mine, theirs, goal, reason):
    """I3, S3, R2: as if it had come by this contact from the beginning, whichever side runs."""
    scene = apart(RESTING | {"exit": [REFUND | {"goal": goal}]}, mine=mine, theirs=theirs)
    assert scene.run.activity == "delayed"
    join(scene)
    assert scene.run.reason == reason
    assert scene.run.contact_id == scene.contact("b@x.io")


def test_a_merge_ends_a_run_while_it_sends():
    """I3, S3, F3: its message is called back; an answer moves it no more."""
    scene = apart(line(push("p"), delay("d", "1 day"), exit=[REFUND]))
    changes = join(scene)
    ended = scene.run
    assert ended.reason == "exited_rule"
    assert [one.why for one in changes.withdrawn] == ["exited_rule"]
    scene.settle()
    assert scene.run == ended


def test_a_merge_ends_a_run_that_is_paused():
    """I3, S3, T3: a pause keeps a run from advancing, not from being over."""
    scene = Scene(RESTING)
    scene.pause("hold")
    scene.decide(event("go", **ORDER, **BY_COOKIE))
    scene.decide(event("refund", ahead(seconds=1), **ORDER, **BY_MAIL))
    join(scene.at(ahead(minutes=1)))
    assert scene.run.reason == "exited_rule"


def test_exit_beats_the_look_back_of_a_wait():
    """D2, I3: of both in the other's history, though what the wait is for came first."""
    scene = Scene(line(wait("w", "answer"), exit=[REFUND]))
    scene.decide(event("go", **ORDER, **BY_COOKIE))
    scene.decide(event("answer", ahead(seconds=1), **BY_MAIL))
    scene.decide(event("refund", ahead(seconds=2), **ORDER, **BY_MAIL))
    join(scene.at(ahead(minutes=1)))
    assert scene.run.reason == "exited_rule"
    assert [one["status"] for one in scene.waits()] == ["cancelled"]


def test_what_an_exit_has_ended_excludes_no_other_run():
    """I3, S2: the older one was over before they met, so the younger one stays."""
    scene = apart(RESTING | {"reentry": "one_active"})
    scene.decide(event("go", scene.now, payload={"order": 2}, **BY_MAIL))
    join(scene)
    assert [run.reason for run in scene.runs] == ["exited_rule", None]


def test_one_sides_startedmay_be_the_exit_of_the_other():
    """I3, S3, D2: the later one's of the earlier one's run, but no run's own."""
    scene = Scene(line(delay("d", "1 day"), exit=[{"event": "go"}]))
    scene.decide(event("go", ago(minutes=2), **BY_COOKIE))
    scene.at(ahead(seconds=1)).decide(event("go", ago(minutes=1), **BY_MAIL))
    join(scene.at(ahead(seconds=2)))
    assert [run.reason for run in scene.runs] == ["exited_rule", None]


def test_an_exit_filter_reads_what_the_run_has_put_out():
    """I3, S3, W1: an event about this very message, which came by the other name."""
    this = rule("event.push_id", "eq", {"var": "steps.p.output.push_id"})
    stop = {"event": "stop", "filter": this}
    scene = Scene(line(push("p"), delay("d", "1 day"), exit=[stop]))
    (effect,) = scene.decide(event("go", **BY_COOKIE)).effects
    scene.settle()
    mine = {"push_id": str(effect.effect_id)}
    scene.decide(event("stop", ahead(seconds=1), payload=mine, **BY_MAIL))
    join(scene.at(ahead(minutes=1)))
    assert scene.run.reason == "exited_rule"


# --- what does not --------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "reason"), [(NOW, "exited_rule"), (ago(microseconds=1), None)])
def test_an_exit_at_a_merge_counts_from_the_v_of_the_startedon(at, reason):
    """I3, S3: V >= the trigger's V, without the slack that waits have."""
    scene = apart(at=at, rules=Rules())
    join(scene)
    assert scene.run.reason == reason


def test_an_exit_of_another_order_ends_nothing_at_a_merge():
    """I3, S3: the filter is judged with both payloads."""
    scene = Scene(RESTING)
    scene.decide(event("go", **ORDER, **BY_COOKIE))
    scene.decide(event("refund", ahead(seconds=1), payload={"order": 2}, **BY_MAIL))
    changes = join(scene.at(ahead(minutes=1)))
    assert scene.run.activity == "delayed"
    assert changes.merges[0].decided_runs == ()


def test_an_exit_that_ended_nothing_live_is_not_judged_again():
    """I3: only what the other side brings is; its own history has been judged already."""
    scene = Scene(line(delay("d", "1 day"), exit=[{"event": "stop", "filter": ASKED}]))
    scene.decide(event("go", **BY_COOKIE), contact_event("created", **BY_MAIL))
    scene.decide(event("stop", ahead(seconds=1), **BY_COOKIE))
    said = {"properties": {"asked": 1}}
    scene.decide(contact_event("updated", ahead(seconds=2), payload=said, **BY_MAIL))
    join(scene.at(ahead(minutes=1)))
    assert scene.run.activity == "delayed"


@pytest.mark.parametrize(("age", "reason"), [(34, "exited_rule"), (36, None)])
def test_a_merge_looks_back_for_exits_no_farther_than_for_waits(age, reason):
    """I3, W2, O5: at most 35 days; older events may be gone."""
    scene = apart(line(delay("d", "100 days"), exit=[REFUND]), at=ahead(minutes=1))
    join(scene.at(ahead(days=age)))
    assert scene.run.reason == reason


def test_an_event_that_merges_and_exits_does_so_once():
    """I3, S3, D2: it is judged live, after the merge that it brings, and leaves one receipt."""
    scene = Scene(RESTING)
    scene.decide(event("go", **ORDER, **BY_COOKIE), contact_event("created", **BY_MAIL))
    both = event("refund", ahead(minutes=1), **ORDER, **BY_COOKIE, **BY_MAIL)
    changes = scene.at(ahead(minutes=1)).decide(both)
    assert verdicts(changes) == ["merged", "exited"]
    assert (len(changes.receipts), changes.merges[0].decided_runs) == (1, ())
    assert scene.run.reason == "exited_rule"


# --- what it takes and leaves ---------------------------------------------------------------------


def test_exits_and_waits_of_both_sides_are_read_in_one_round():
    """I3, S3: and nothing is where no run has either."""
    scene = Scene(
        line(wait("w", "answer"), name="A", exit=[REFUND, {"event": "stop"}]),
        line(delay("d", "1 day"), name="B", exit=[{"event": "leave"}], on=trigger("come")),
    )
    scene.decide(event("go", **ORDER, **BY_COOKIE), event("come", **BY_MAIL))
    join(scene.at(ahead(minutes=1)))
    (asked,) = scene.asked
    assert {need.name for need in asked} == {"answer", "refund", "stop", "leave"}
    assert len({need.contact_id for need in asked}) == 2
    scene = Scene(line(delay("d", "1 day")))
    scene.decide(event("go", **BY_COOKIE), event("go", **BY_MAIL))
    join(scene.at(ahead(minutes=1)))
    assert scene.asked == []


def test_a_run_that_a_merge_has_exited_is_named_in_its_log():
    """I3: so the merge is not undone."""
    scene = apart()
    (merge,) = join(scene).merges
    assert merge.decided_runs == (scene.run.run_id,)


def test_the_oldest_of_the_other_sides_exits_is_the_one():
    """I3, S3, R4: the run names the event that ended it, as it would had it come live."""
    scene = apart(at=ahead(seconds=30))
    scene.decide(event("refund", ahead(seconds=20), id="older", **ORDER, **BY_MAIL))
    join(scene)
    assert record_of(scene)["ended_by"]["id"] == "older"


def record_of(scene: Scene) -> dict[str, object]:
    asked = scene.decide(event("refund", scene.now, id="asking", email="eve@x.io"))
    view = case_of(scene, row_of(asked)).runs[scene.run.run_id]
    return run_record(view.stored, view.version)


@pytest.mark.parametrize("when", ["live", "merged"])
def test_a_run_record_names_the_event_that_ended_it(when):
    """R4, S3: live, or at a merge."""
    scene = Scene(RESTING)
    refund = event("refund", ahead(seconds=1), id="refund", place=("t", 1, 7), **ORDER, **BY_MAIL)
    started = event("go", **ORDER, **(BY_COOKIE if when == "merged" else BY_MAIL))
    scene.decide(started, refund)
    if when == "merged":
        join(scene)
    assert record_of(scene)["ended_by"] == {
        "id": "refund",
        "event": "refund",
        "occurred_at": "2026-11-22T10:00:01.000000Z",
        "topic": "t",
        "partition": 1,
        "offset": 7,
    }


def test_an_exit_that_a_merge_brings_leaves_a_receipt():
    """I3: of the event that ended the run, with what came of it."""
    scene = apart()
    (receipt,) = join(scene).receipts
    run_id = str(scene.run.run_id)
    (did,) = receipt["did"]
    assert (receipt["event_id"], str(did.run_id)) == ("refund", run_id)
    assert (did.verdict, did.reason) == ("exited", "look_back")
    assert receipt["ended"] == [{"run_id": run_id, "status": "completed", "reason": "exited_rule"}]


def test_an_exit_that_a_merge_brings_is_explained():
    """O3, I3: on the event which run it ended and when; on one that ended nothing, nothing."""
    scene = Scene(RESTING)
    scene.decide(event("go", **ORDER, **BY_COOKIE))
    first, second = (
        scene.decide(event("refund", ahead(seconds=at), id=f"refund-{at}", **ORDER, **BY_MAIL))
        for at in (1, 2)
    )
    join(scene.at(ahead(minutes=1)))
    told = explained(scene, first)
    assert told["verdict"] == "exited"
    entry = only(told["exits"])
    assert entry["run_id"] == str(scene.run.run_id)
    assert "when its contact was merged" in entry["reason"]
    assert entry["values"][0]["holds"]
    assert explained(scene, second)["exits"] == []


def test_a_live_exit_is_explained_once():
    """O3, S3: by its finding; the run names the event as well."""
    scene = Scene(RESTING)
    scene.decide(event("go", **ORDER))
    told = explained(scene, scene.decide(event("refund", ahead(seconds=1), **ORDER)))
    assert only(told["exits"])["reason"] == "its exit rule names this event"


# --- cutting --------------------------------------------------------------------------------------


def test_how_the_stream_is_cut_changes_nothing_of_exits_at_a_merge():
    """D1, I3, S3: all sixteen ways to cut a stream of five events end alike."""
    stream = [
        event("go", **ORDER, **BY_COOKIE),
        event("answer", ahead(seconds=1), **BY_MAIL),
        event("refund", ahead(seconds=2), id="refund", **ORDER, **BY_MAIL),
        contact_event("identified", ahead(seconds=3), **BY_COOKIE, **BY_MAIL),
        event("refund", ahead(seconds=4), id="again", **ORDER, **BY_MAIL),
    ]
    for count in range(len(stream)):
        for cuts in combinations(range(1, len(stream)), count):
            scene = Scene(line(wait("w", "answer"), exit=[REFUND]))
            for start, end in zip((0, *cuts), (*cuts, len(stream)), strict=True):
                scene.decide(*stream[start:end])
            assert (scene.run.reason, record_of(scene)["ended_by"]["id"]) == (
                "exited_rule",
                "refund",
            )
