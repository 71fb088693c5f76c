"""What ends a run at once, and what had ended it before it began."""

import pytest

from handlers.record import run_record
from handlers.world import Rules
from tests.explaining import case_of, explained, only, row_of
from tests.kit import (
    NOW,
    Scene,
    ago,
    ahead,
    automation_id,
    delay,
    effects,
    event,
    line,
    push,
    rule,
    same,
    trigger,
    verdicts,
    wait,
)

REFUND = {"event": "refund", "filter": same("order")}
ORDER = {"payload": {"order": 1}}
SHOP = line(push("p"), delay("d", "1 day"), exit=[REFUND])


# --- at once --------------------------------------------------------------------------------------


def test_an_exit_ends_a_run_while_it_sends():
    """S3: judged at once; the answer that comes for its message moves nothing any more."""
    scene = Scene(SHOP)
    scene.decide(event("go", **ORDER))
    assert scene.run.activity == "sending"
    changes = scene.decide(event("refund", ahead(seconds=1), **ORDER))
    assert verdicts(changes) == ["exited"]
    ended = scene.run
    assert (ended.status, ended.reason) == ("completed", "exited_rule")
    scene.settle()
    assert scene.run == ended


def test_each_exit_rule_of_a_name_is_tried():
    """S3: the first that holds ends the run; those before it leave their values."""
    big = {"event": "refund", "filter": rule("event.total", "gt", 100)}
    scene = Scene(line(delay("d", "1 day"), exit=[big, REFUND]))
    scene.decide(event("go", **ORDER))
    changes = scene.decide(event("refund", ahead(seconds=1), payload={"order": 1, "total": 7}))
    assert verdicts(changes) == ["filter_false", "exited"]
    assert scene.run.reason == "exited_rule"


def test_an_exit_filter_reads_what_the_steps_put_out():
    """S3: for as long as the run lives."""
    this = rule("event.push_id", "eq", {"var": "steps.p.output.push_id"})
    document = line(push("p"), delay("d", "1 day"), exit=[{"event": "stop", "filter": this}])
    scene = Scene(document)
    (effect,) = scene.decide(event("go")).effects
    scene.settle()
    other = event("stop", ahead(seconds=1), payload={"push_id": "x"})
    mine = event("stop", ahead(seconds=1), payload={"push_id": str(effect.effect_id)})
    assert verdicts(scene.decide(other)) == ["filter_false"]
    assert verdicts(scene.decide(mine)) == ["exited"]


# --- before the start -----------------------------------------------------------------------------


def exited_first(document=SHOP, at=NOW, **more: object) -> Scene:
    """Return a scene in which the exit was processed, and its trigger was not yet."""
    scene = Scene(document)
    scene.decide(event("refund", at, id="refund", **{**ORDER, **more}))
    return scene


def test_a_run_whose_exit_was_processed_before_its_trigger_never_begins():
    """S3: recorded, ended `exited_before_start`; no step is executed, no effect is made."""
    scene = exited_first(at=ahead(minutes=1))
    changes = scene.decide(event("go", **ORDER))
    assert verdicts(changes) == ["exited_before_start"]
    assert changes.effects == []
    run = scene.run
    assert (run.status, run.reason) == ("cancelled", "exited_before_start")
    assert (scene.steps(), scene.waits(), run.steps_done) == ([], [], 0)
    (finding,) = changes.events[0].findings
    assert (finding.subject, finding.run_id) == ("automation", run.run_id)
    assert finding.values[0].holds
    (receipt,) = changes.receipts
    assert [one.verdict for one in receipt["did"]] == ["exited_before_start"]
    assert receipt["ended"] == [
        {"run_id": str(run.run_id), "status": "cancelled", "reason": "exited_before_start"}
    ]


@pytest.mark.parametrize(
    ("at", "reason"), [(NOW, "exited_before_start"), (ago(microseconds=1), None)]
)
def test_an_exit_counts_from_the_v_of_the_trigger_on(at, reason):
    """S3: V >= the trigger's V, without the slack that waits have."""
    scene = Scene(SHOP, rules=Rules())
    scene.decide(event("refund", at, **ORDER))
    scene.decide(event("go", **ORDER))
    assert scene.run.reason == reason


@pytest.mark.parametrize("order", [1, 2])
def test_an_exit_filter_is_judged_with_the_exits_payload_and_the_triggers(order):
    """S3: event = the exit's payload, trigger = the trigger's."""
    scene = exited_first()
    scene.decide(event("go", payload={"order": order}))
    assert scene.run.reason == ("exited_before_start" if order == 1 else None)


def test_an_exit_filter_that_needs_a_step_cannot_have_been_fulfilled():
    """S3, W1: no step has put anything out; an absent field makes a filter false."""
    this = rule("event.push_id", "eq", {"var": "steps.p.output.push_id"})
    scene = exited_first(line(push("p"), delay("d", "1 day"), exit=[REFUND | {"filter": this}]))
    assert verdicts(scene.decide(event("go", **ORDER))) == ["started"]


def test_exit_and_trigger_in_one_batch_end_alike():
    """S3, D1: the exit is applied first, in the same turn or in an earlier one."""
    refund, go = event("refund", NOW, **ORDER), event("go", NOW, **ORDER)
    for cut in ([refund, go], [refund], [go]):
        scene = Scene(SHOP)
        scene.decide(*cut)
        if len(cut) == 1:
            scene.decide(go if cut == [refund] else refund)
        expected = "exited_rule" if cut == [go] else "exited_before_start"
        assert scene.run.reason == expected


def test_a_trigger_is_never_its_own_exit_not_even_before_the_start():
    """S3, D2: an earlier event of the trigger's name is, the trigger itself is not."""
    document = line(delay("d", "1 day"), exit=[{"event": "go"}])
    scene = Scene(document)
    assert verdicts(scene.decide(event("go", ago(minutes=1)))) == ["started"]
    scene = Scene(document)
    scene.decide(event("go", NOW))
    assert verdicts(scene.decide(event("go", ago(minutes=1)))) == ["exited_before_start"]


def test_only_the_exits_of_the_same_contact_count():
    """S3: somebody else's exit ends nothing."""
    scene = Scene(SHOP)
    scene.decide(event("refund", NOW, email="bob@x.io", **ORDER))
    assert verdicts(scene.decide(event("go", **ORDER))) == ["started"]


def test_a_refused_trigger_is_refused_whatever_exit_there_was():
    """S2, S3: a run that may not start is not recorded as one."""
    scene = Scene(SHOP | {"reentry": "one_active"})
    scene.decide(event("go", ago(minutes=1), payload={"order": 2}))
    scene.decide(event("refund", NOW, **ORDER))
    assert verdicts(scene.decide(event("go", **ORDER))) == ["one_active"]
    assert len(scene.runs) == 1


@pytest.mark.parametrize("reentry", ["once", "after:1 day", "one_active", "key:event.order"])
def test_a_run_that_never_began_is_no_entry(reentry):
    """S2, S3: its contact got nothing, so the next trigger starts a run."""
    scene = exited_first(SHOP | {"reentry": reentry}, at=ahead(minutes=1))
    assert verdicts(scene.decide(event("go", **ORDER))) == ["exited_before_start"]
    assert scene.tables.enrolments == {}
    again = event("go", ahead(minutes=2), **ORDER)
    assert verdicts(scene.at(ahead(minutes=2)).decide(again)) == ["started"]
    third = event("go", ahead(minutes=3), **ORDER)
    assert verdicts(scene.at(ahead(minutes=3)).decide(third)) != ["started"]


def test_the_oldest_of_several_exits_is_named():
    """S3: as if the trigger had come first."""
    scene = exited_first(at=ahead(minutes=2))
    scene.decide(event("refund", ahead(minutes=1), id="older", **ORDER))
    (finding,) = scene.decide(event("go", **ORDER)).events[0].findings
    assert finding.reason.startswith("refund older at waitline.events/0/")


def test_all_that_a_trigger_may_look_back_for_is_asked_at_once():
    """S3, W2: the exits and waits of every automation that the event starts: one round."""
    one = line(wait("w", "answer"), name="One", exit=[REFUND, {"event": "stop"}])
    two = line(wait("w", "reply"), name="Two", exit=[{"event": "leave"}])
    scene = Scene(one, two)
    scene.decide(event("refund", ago(days=1)))
    changes = scene.decide(event("go"))
    assert len(changes.runs) == 2
    names = [{need.name for need in asked} for asked in scene.asked]
    assert names == [{"refund", "stop", "answer", "leave", "reply"}]


def test_nothing_is_asked_for_who_was_never_seen_or_has_no_exits():
    """S3: no look-back where nothing can be stored, or nothing could end the run."""
    without = Scene(line(delay("d", "1 day")))
    scene = Scene(SHOP)
    for each, rounds in ((without, 0), (scene, 1)):
        each.decide(event("go", ago(seconds=1)))
        assert each.asked == []
        each.decide(event("go"))
        assert len(each.asked) == rounds


def test_a_run_that_never_began_is_explained_from_both_sides():
    """O3, S3: on the trigger which event ended it, and on that event which run it ended."""
    scene = Scene(SHOP)
    refund = scene.decide(event("refund", ahead(minutes=1), id="refund", **ORDER))
    told = explained(scene, scene.at(ahead(minutes=2)).decide(event("go", **ORDER)))
    assert told["verdict"] == "exited_before_start"
    assert "an earlier event had ended" in told["reason"]
    entry = only(told["automations"])
    assert (entry["run_id"], entry["run_status"]) == (str(scene.run.run_id), "cancelled")
    assert "refund refund at" in entry["reason"]
    assert "event.order eq 1: was 1" in entry["reason"]
    exit_told = explained(scene, refund)
    assert exit_told["verdict"] == "exited"
    assert "never began" in only(exit_told["exits"])["reason"]


def test_an_event_that_ended_nothing_is_not_told_to_have():
    """O3, S3: an exit of another order, or one processed after the trigger."""
    scene = Scene(SHOP)
    other = scene.decide(event("refund", ahead(minutes=1), payload={"order": 2}))
    scene.decide(event("refund", ahead(minutes=1), **ORDER))
    scene.at(ahead(minutes=2)).decide(event("go", **ORDER))
    later = scene.at(ahead(minutes=3)).decide(event("refund", ahead(minutes=3), **ORDER))
    assert scene.run.reason == "exited_before_start"
    assert explained(scene, other)["exits"] == []
    assert explained(scene, later)["exits"] == []


def test_the_run_record_of_one_that_never_began_is_whole():
    """R4, R2, S3: trigger, identity, reason and what ended it; steps, waits, messages are none."""
    scene = exited_first(at=ahead(minutes=1))
    changes = scene.decide(event("go", **ORDER))
    view = case_of(scene, row_of(changes)).runs[scene.run.run_id]
    record = run_record(view.stored, view.version)
    assert (record["status"], record["ended_reason"]) == ("cancelled", "exited_before_start")
    assert (record["steps"], record["waits"], record["messages"]) == ([], [], [])
    assert record["trigger_event"]["event"] == "go"
    assert (record["ended_by"]["event"], record["ended_by"]["id"]) == ("refund", "refund")
    assert record["completed_at"] == record["created_at"]


def test_several_automations_are_judged_each_by_its_own_exits():
    """S3, S1: one is over before it begins, the other starts."""
    other = line(delay("d", "1 day"), name="B", on=trigger("go"))
    scene = exited_first(SHOP, at=ahead(minutes=1))
    scene.publish_automations(SHOP, other)
    changes = scene.decide(event("go", **ORDER))
    found = {one.automation_id: one.verdict for one in changes.events[0].findings}
    assert found == {automation_id("A"): "exited_before_start", automation_id("B"): "started"}
    assert effects(changes) == []
