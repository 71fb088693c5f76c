"""What an event does to the world: its time, its key, its name, and the order of its effects."""

from datetime import timedelta
from uuid import UUID

import pytest

from handlers.intake import is_applied, names_seen, sort_records
from handlers.world import Rules
from state.automation import Catalogue
from state.event import Coordinates, Tombstone
from state.turn import Snapshot
from tests.kit import (
    NOW,
    Scene,
    ago,
    ahead,
    contact_event,
    delay,
    effects,
    email,
    event,
    line,
    push,
    quarantined,
    same,
    trigger,
    update,
    verdicts,
    wait,
    way,
)

WAITING = line(wait("w", "answer", timeout="1 hour"), push("p"))


# --- E1: the verdict time -------------------------------------------------------------------------


def test_v_is_what_the_producer_claims():
    """E1: V is `occurred_at`, though it lies in the past of `recorded_at`."""
    changes = Scene(WAITING).decide(event("go", ago(hours=2), recorded_at=NOW))
    assert changes.events[0].v == ago(hours=2)
    assert not changes.events[0].is_skewed


def test_v_is_the_records_instant_where_the_producer_claims_none():
    """E1: without `occurred_at`, V is `recorded_at`."""
    changes = Scene(WAITING).decide(event("go", None, recorded_at=ago(minutes=1)))
    assert changes.events[0].v == ago(minutes=1)


@pytest.mark.parametrize(
    ("claimed", "v", "is_skewed"),
    [
        (ahead(minutes=5), ahead(minutes=5), False),
        (ahead(minutes=5, seconds=1), NOW, True),
    ],
)
def test_a_claim_too_far_ahead_is_distrusted(claimed, v, is_skewed):
    """E1: more than 5 minutes ahead of `recorded_at`, V is `recorded_at`, flagged `skewed`."""
    record = Scene(WAITING).decide(event("go", claimed, recorded_at=NOW)).events[0]
    assert (record.v, record.is_skewed) == (v, is_skewed)


def test_a_brokers_clock_far_ahead_counts_as_now():
    """E1: `recorded_at` more than 5 minutes ahead of now is now."""
    record = Scene(WAITING).decide(event("go", None, recorded_at=ahead(days=1))).events[0]
    assert (record.v, record.is_skewed) == (NOW, False)


# --- E2, E7: what is stored at all ----------------------------------------------------------------


def test_a_tombstone_is_counted_and_nothing_else():
    """E2: a null value is counted, nothing else."""
    records = [Tombstone(Coordinates("t", 0, 1), NOW)]
    intake = sort_records(records, Catalogue(1))
    assert (intake.tombstones, intake.events) == (1, [])
    assert names_seen(records, Snapshot(NOW)) == []


def test_an_event_of_no_interest_leaves_only_a_count_of_its_name():
    """E7: other events are not stored and create no contact; they are counted per name."""
    records = [event("noise", ago(minutes=m), place=("t", 2, 10 - m)) for m in (3, 1, 2)]
    intake = sort_records(records, Catalogue(1))
    assert (intake.events, intake.unclaimed) == ([], 3)
    (name,) = names_seen(records, Snapshot(NOW))
    assert name == ("noise", "t", 2, 3, ago(minutes=3), ago(minutes=1), 9)


def test_names_are_counted_apart_for_each_partition():
    """E7: last coordinates are kept per name and partition."""
    records = [event("noise", id=str(p), place=("t", p, 1)) for p in (0, 1)]
    counted = names_seen(records, Snapshot(NOW))
    assert [(n.name, n.partition, n.times) for n in counted] == [("noise", 0, 1), ("noise", 1, 1)]


def test_an_event_of_no_interest_still_links_what_it_names():
    """E7: events of no interest still link when they carry several identifiers."""
    scene = Scene(WAITING)
    scene.decide(event("go", email="ann@x.io"))
    changes = scene.decide(event("noise", email="ann@x.io", external_id="u1"))
    assert changes.events == []
    assert scene.contact("u1", "external_id") == scene.contact("ann@x.io")
    assert verdicts(scene.decide(event("answer", ahead(seconds=1), external_id="u1"))) == [
        "resumed"
    ]


def test_an_event_of_no_interest_makes_nobody():
    """E7: it creates no contact, however many identifiers it carries."""
    scene = Scene(WAITING)
    scene.decide(event("noise", email="bob@x.io", external_id="u2"))
    assert scene.tables.contacts == {}
    assert scene.tables.owners == {}


def test_an_event_of_no_interest_with_one_identifier_is_not_even_resolved():
    """E7: it has nothing to link."""
    assert not is_applied(event("noise"), Catalogue(1))
    assert is_applied(event("noise", email="a@x.io", phone="+4912345678"), Catalogue(1))
    assert is_applied(contact_event("updated"), Catalogue(1))
    assert is_applied(event("go"), Catalogue(1, interest_since={"go": NOW}))


def test_an_event_of_no_interest_is_not_deduplicated():
    """E7: not stored, not deduped; the second sight of it changes nothing and is no conflict."""
    scene = Scene(WAITING)
    for payload in ({"n": 1}, {"n": 2}):
        changes = scene.decide(
            event("noise", id="e", payload=payload, email="a@x.io", phone="+49123456")
        )
        assert (changes.duplicates, changes.quarantined, changes.events) == ([], [], [])


# --- E4: once -------------------------------------------------------------------------------------


def test_the_same_coordinates_again_are_a_redelivery():
    """E4: a redelivery changes nothing; a counter says so."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    before = scene.run
    changes = scene.decide(event("go"))
    assert (changes.events, changes.runs, changes.duplicates) == ([], [], [])
    assert changes.tally["redelivered"] == 1
    assert scene.run == before


def test_the_same_body_elsewhere_is_a_duplicate_that_names_the_winner():
    """E4: same key and body at other coordinates: dropped, counted and recorded."""
    scene = Scene(WAITING)
    scene.decide(event("go", id="e1", place=("t", 0, 5)))
    changes = scene.decide(event("go", id="e1", place=("t", 1, 9)))
    (duplicate,) = changes.duplicates
    assert (duplicate.winner, duplicate.coordinates) == (("t", 0, 5), ("t", 1, 9))
    assert duplicate.event_id == "e1"
    assert changes.events == []
    assert len(scene.runs) == 1


def test_the_same_key_with_another_body_is_a_conflict():
    """E4: same key, other body: quarantined as a conflict that names the winner."""
    scene = Scene(WAITING)
    scene.decide(event("go", id="e1", place=("t", 0, 5), payload={"n": 1}))
    changes = scene.decide(event("go", id="e1", place=("t", 1, 9), payload={"n": 2}))
    assert quarantined(changes) == ["id_conflict"]
    assert changes.quarantined[0].winner == "t/0/5"
    assert changes.events == []
    assert len(scene.runs) == 1


@pytest.mark.parametrize("cut", [1, 2])
def test_events_of_one_batch_deduplicate_as_those_of_two(cut):
    """E4, D1: a duplicate and a conflict are found within a batch too."""
    first = event("go", id="e1", place=("t", 0, 5), payload={"n": 1})
    twin = event("go", id="e1", place=("t", 0, 6), payload={"n": 1})
    other = event("go", id="e1", place=("t", 0, 7), payload={"n": 2})
    scene = Scene(WAITING)
    stream = [first, twin, other]
    for batch in (stream[:cut], stream[cut:]):
        scene.decide(*batch)
    assert list(scene.tables.duplicates) == [("t", 0, 6)]
    assert list(scene.tables.quarantine) == [("t", 0, 7)]
    assert len(scene.runs) == 1


@pytest.mark.parametrize("batches", [1, 2])
def test_what_was_set_aside_does_not_stand_in_the_way_of_its_twin(batches):
    """E4, D1: only a stored event makes the next one of its key a duplicate, in one batch too."""
    nobody = str(UUID(int=5))
    twins = [event("go", id="e1", place=("t", 0, offset), contact_id=nobody) for offset in (5, 6)]
    scene = Scene(WAITING)
    for batch in [twins] if batches == 1 else [[twin] for twin in twins]:
        scene.decide(*batch)
    assert list(scene.tables.quarantine) == [("t", 0, 5), ("t", 0, 6)]
    assert scene.tables.duplicates == {}


def test_a_resume_is_deduplicated_by_its_wait_never_by_the_run():
    """E4: a run that was resumed once is resumed again by the event of its next wait."""
    scene = Scene(line(wait("w1", "answer"), wait("w2", "answer"), push("p")))
    scene.decide(event("go"))
    assert verdicts(scene.decide(event("answer", ahead(seconds=1), id="a1"))) == ["resumed"]
    changes = scene.decide(event("answer", ahead(seconds=2), id="a2"))
    assert verdicts(changes) == ["resumed"]
    assert [w["resumed_by_event"]["id"] for w in scene.waits()] == ["a1", "a2"]


def test_a_redelivery_of_everything_changes_nothing():
    """E4: the whole stream again: not one run, wait, step or message changes."""
    scene = Scene(WAITING)
    stream = [event("go"), event("answer", ahead(seconds=1)), event("noise")]
    for each in stream:
        scene.decide(each)
    scene.settle()
    before = (scene.runs, dict(scene.tables.messages), dict(scene.tables.events))
    changes = scene.at(ahead(hours=2)).decide(*stream)
    assert (changes.runs, changes.effects, changes.events) == ([], [], [])
    assert (scene.runs, scene.tables.messages, scene.tables.events) == before


def test_a_trigger_beyond_the_horizon_starts_nothing():
    """E4: keys are remembered for the topic's retention and 7 days; older V starts nothing."""
    scene = Scene(WAITING)
    scene.rules = Rules(event_age_max=timedelta(days=300), topic_retention=timedelta(days=1))
    assert verdicts(scene.decide(event("go", ago(days=8)))) == ["started"]
    assert verdicts(scene.decide(event("go", ago(days=8, seconds=1)))) == ["too_old"]


# --- D2, D3: the order within one event -----------------------------------------------------------


def test_identity_comes_before_the_waits():
    """D2: the event that links an identifier resumes by it at once."""
    scene = Scene(line(wait("w", "answer", filter_rule=rule_on_contact())))
    scene.decide(event("go"))
    answer = event("answer", ahead(seconds=1), email="ann@x.io", external_id="u7")
    assert verdicts(scene.decide(answer)) == ["resumed"]


def rule_on_contact():
    return {"field": "contact.external_id", "operator": "eq", "value": "u7"}


def test_a_contact_change_comes_before_the_filters_that_read_it():
    """D2, W1: filters read the contact as it is, this event's own change included."""
    rule = {"field": "contact.first_name", "operator": "eq", "value": "Ann"}
    scene = Scene(line(wait("w", "contact.updated", filter_rule=rule)))
    scene.decide(event("go"))
    change = contact_event("updated", ahead(seconds=1), payload={"first_name": "Ann"})
    assert verdicts(scene.decide(change)) == ["resumed"]


def test_an_exit_beats_a_wait():
    """D2, R2: what is both exit and awaited ends the run: `exited_rule`, the wait `cancelled`."""
    scene = Scene(line(wait("w", "answer"), push("p"), exit=[{"event": "answer"}]))
    scene.decide(event("go"))
    changes = scene.decide(event("answer", ahead(seconds=1)))
    assert verdicts(changes) == ["exited"]
    assert (scene.run.status, scene.run.reason) == ("completed", "exited_rule")
    assert [w["status"] for w in scene.waits()] == ["cancelled"]
    assert effects(changes) == []


def test_an_exit_ends_a_run_in_the_middle_of_a_delay():
    """S3: exit rules are judged at once, mid-delay too, with a filter on the trigger."""
    rule = same("order")
    scene = Scene(line(delay("d", "1 day"), exit=[{"event": "refund", "filter": rule}]))
    scene.decide(event("go", payload={"order": 1}))
    kept = scene.decide(event("refund", ahead(seconds=1), payload={"order": 2}))
    assert (verdicts(kept), scene.run.status) == (["filter_false"], "running")
    scene.decide(event("refund", ahead(seconds=2), payload={"order": 1}))
    assert scene.run.reason == "exited_rule"


def test_re_entry_is_judged_after_exits_and_resumes():
    """D2: one event ends a `one_active` run and starts the next."""
    scene = Scene(line(delay("d", "1 day"), reentry="one_active", exit=[{"event": "go"}]))
    scene.decide(event("go", ago(minutes=1)))
    changes = scene.decide(event("go", NOW))
    assert verdicts(changes) == ["exited", "started"]
    assert sorted(run.status for run in scene.runs) == ["completed", "running"]


def test_a_run_that_an_event_completes_does_not_block_its_re_entry():
    """D2: resumes come before starts."""
    scene = Scene(line(wait("w", "go"), reentry="one_active"))
    scene.decide(event("go", ago(minutes=1)))
    assert verdicts(scene.decide(event("go", NOW))) == ["resumed", "started"]


def test_a_run_never_uses_nor_exits_on_its_own_trigger():
    """D2: the trigger closes no wait of its run, ends it by no exit rule."""
    scene = Scene(line(wait("w", "go"), exit=[{"event": "go"}]))
    assert verdicts(scene.decide(event("go"))) == ["started"]
    assert scene.run.activity == "waiting"


def test_an_exit_from_before_the_trigger_is_not_this_runs():
    """S3: an exit with V below the trigger's V does not end the run."""
    scene = Scene(line(delay("d", "1 day"), exit=[{"event": "refund"}]))
    scene.decide(event("go"))
    assert verdicts(scene.decide(event("refund", ago(seconds=1)))) == []
    assert scene.run.status == "running"


def test_waits_resume_by_the_instant_they_were_parked():
    """D2: open waits in the order of parked_at, then starts by automation id."""
    one = line(wait("w", "answer"), name="One", on=trigger("one"))
    two = line(wait("w", "answer"), name="Two", on=trigger("two"))
    scene = Scene(one, two, line(push("p"), name="Three", on=trigger("answer")))
    scene.at(NOW).decide(event("two", NOW))
    scene.at(ahead(seconds=1)).decide(event("one", NOW))
    changes = scene.at(ahead(seconds=3)).decide(event("answer", ahead(seconds=2)))
    found = changes.events[0].findings
    names = {each.automation_id: each.name for each in scene.tables.definitions}
    assert [(names[one.automation_id], one.verdict) for one in found] == [
        ("Two", "resumed"),
        ("One", "resumed"),
        ("Three", "started"),
    ]


def test_every_time_that_is_written_is_the_turns_now():
    """D3: one `now` a turn, given from outside; nothing else tells the time."""
    scene = Scene(WAITING).at(ahead(minutes=7))
    changes = scene.decide(event("go"))
    run = scene.run
    assert (changes.now, run.created_at, run.started_at, run.updated_at) == (ahead(minutes=7),) * 4
    assert run.parked.entered_at == ahead(minutes=7)


def test_a_step_of_one_run_is_seen_by_the_next_run_of_the_same_event():
    """D2, F2: starts go by automation id, each on what the one before has written."""
    first = line(update("u", first_name="Zoe"), name="One")
    rule = {"field": "contact.first_name", "operator": "exists"}
    second = line({"key": "c", "type": "condition", "config": rule}, push("p"), name="Two")
    scene = Scene(first, second)
    order = sorted(each.automation_id for each in scene.tables.definitions)
    changes = scene.decide(event("go"))
    started = [f.automation_id for f in changes.events[0].findings if f.verdict == "started"]
    assert sorted(started, key=str) == started == sorted(order, key=str)


def test_several_automations_start_from_one_event():
    """S1: every enabled automation whose trigger has the name starts a run."""
    scene = Scene(line(push("p"), name="One"), line(email("m"), name="Two"))
    assert verdicts(scene.decide(event("go"))) == ["started", "started"]
    assert sorted(run.failure.code if run.failure else "" for run in scene.runs) == ["", ""]


def test_a_receipt_says_what_an_event_did():
    """R2: whoever published an event hears what it started, resumed or ended."""
    scene = Scene(WAITING)
    (started,) = scene.decide(event("go", id="e1")).receipts
    assert (started["event_id"], started["did"][0].verdict) == ("e1", "started")
    loose = line(wait("w", "answer"), ways=[], name="B", on=trigger("b"))
    scene = Scene(loose)
    scene.decide(event("b"))
    (ended,) = scene.decide(event("answer", ahead(seconds=1))).receipts
    assert ended["ended"] == [
        {"run_id": str(scene.run.run_id), "status": "completed", "reason": "completed_no_branch"}
    ]
    assert scene.decide(event("answer", ahead(seconds=2))).receipts == []


def test_contacts_claimed_for_nothing_are_forgotten_once():
    """E5, I1: an event set aside leaves no contact behind, however many identifiers it named."""
    scene = Scene(WAITING)
    changes = scene.decide(contact_event("deleted", email="new@x.io", external_id="new"))
    assert len(changes.forgotten_contacts) == 1
    assert scene.tables.contacts == {}
    assert scene.tables.owners == {}


def test_the_branch_of_a_wait_is_followed():
    """W8: `event_received` and `timeout` lead to different steps."""
    scene = Scene(
        line(
            wait("w", "answer", timeout="1 hour"),
            push("thanks"),
            aside=[email("nudge")],
            ways=[way("w", "nudge", "timeout")],
        )
    )
    scene.decide(event("go"), event("go", email="bob@x.io"))
    assert effects(scene.decide(event("answer", ahead(seconds=1)))) == ["thanks"]
    assert effects(scene.at(ahead(hours=1)).fire_due()) == ["nudge"]
