"""What a wait sees: its floor, its look-back, its deadline by event time."""

from datetime import timedelta

import pytest

from handlers.world import Rules, StoredEvents
from state.event import Coordinates
from state.turn import Need, StoredEvent
from tests.kit import (
    NOW,
    Scene,
    ago,
    ahead,
    contact_event,
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

# --- W2: look-back --------------------------------------------------------------------------------


def test_an_event_that_came_before_the_wait_was_parked_closes_it():
    """W2: in an earlier batch: stored, found by look-back, the run goes straight on."""
    scene = Scene(line(delay("d", "1 hour"), wait("w", "answer"), push("p")))
    scene.decide(event("go"))
    scene.at(ahead(minutes=20)).decide(event("answer", ahead(minutes=20), id="early"))
    changes = scene.at(ahead(hours=1)).fire_due()
    assert effects(changes) == ["p"]
    (closed,) = scene.waits()
    assert closed["status"] == "received"
    assert closed["resumed_by_event"]["id"] == "early"
    assert closed["opened_at"] == closed["closed_at"]


@pytest.mark.parametrize("first", ["go", "answer"])
def test_both_in_one_batch_resume_in_either_order(first):
    """W2: the same batch, the answer before or after its trigger."""
    stream = [event("go", NOW), event("answer", NOW)]
    scene = Scene(line(wait("w", "answer"), push("p")))
    changes = scene.decide(*(stream if first == "go" else stream[::-1]))
    assert effects(changes) == ["p"]


def test_the_oldest_v_wins_among_stored_candidates():
    """W2: not the first stored, the oldest by V."""
    scene = Scene(line(delay("d", "1 hour"), wait("w", "answer")))
    scene.decide(event("go"))
    for minutes in (30, 10, 20):
        scene.decide(event("answer", ahead(minutes=minutes), id=f"at-{minutes}"))
    scene.at(ahead(hours=1)).fire_due()
    assert scene.waits()[0]["resumed_by_event"]["id"] == "at-10"


def test_a_stored_candidate_must_pass_the_filter_too():
    """W2, W1: the oldest that matches, not the oldest."""
    scene = Scene(line(delay("d", "1 hour"), wait("w", "answer", filter_rule=same("n"))))
    scene.decide(event("go", payload={"n": 2}))
    for n in (1, 2):
        scene.decide(event("answer", ahead(minutes=n), id=f"n-{n}", payload={"n": n}))
    scene.at(ahead(hours=1)).fire_due()
    assert scene.waits()[0]["resumed_by_event"]["id"] == "n-2"


def test_live_the_first_applied_wins():
    """W2: among stored candidates the oldest V; live, the first applied."""
    scene = Scene(line(wait("w", "answer")))
    scene.decide(event("go"))
    scene.decide(event("answer", ahead(minutes=2), id="b"), event("answer", ahead(minutes=1)))
    assert scene.waits()[0]["resumed_by_event"]["id"] == "b"


def test_the_floor_is_the_runs_start():
    """W2: V from the trigger's V on, not below it."""
    scene = Scene(line(delay("d", "1 hour"), wait("w", "answer")))
    scene.decide(event("answer", ago(seconds=1)))
    scene.decide(event("go"))
    scene.at(ahead(hours=1)).fire_due()
    assert scene.run.activity == "waiting"
    assert scene.run.parked.floor == NOW


def test_the_floor_binds_live_events_too():
    """W2: below the floor: `before_window`."""
    scene = Scene(line(wait("w", "answer")))
    scene.decide(event("go"))
    assert verdicts(scene.decide(event("answer", ago(seconds=1)))) == ["before_window"]
    assert scene.run.activity == "waiting"
    assert verdicts(scene.decide(event("answer", NOW))) == ["resumed"]


@pytest.mark.parametrize(("seconds", "verdict"), [(5, "resumed"), (5.001, "before_window")])
def test_the_slack_is_five_seconds_below_the_floor(seconds, verdict):
    """W2: clocks of producers differ a little."""
    scene = Scene(line(wait("w", "answer")), rules=Rules())
    scene.decide(event("go"))
    assert verdicts(scene.decide(event("answer", ago(seconds=seconds)))) == [verdict]


def test_since_now_forgets_what_came_before():
    """W2: `since: now`."""
    scene = Scene(line(delay("d", "1 hour"), wait("w", "answer", since="now")))
    scene.decide(event("go"))
    scene.decide(event("answer", ahead(minutes=59)))
    scene.at(ahead(hours=1)).fire_due()
    assert scene.run.activity == "waiting"


def test_since_the_previous_step_sees_what_came_while_that_step_ran():
    """W2: `since: previous_step`: an open can overtake the answer of the send before it."""
    scene = Scene(line(delay("d", "1 hour"), push("p"), wait("w", "opened", since="previous_step")))
    scene.decide(event("go"))
    scene.decide(event("opened", ahead(minutes=59), id="before"))
    scene.at(ahead(hours=1)).fire_due()
    scene.decide(event("opened", ahead(hours=1, seconds=1), id="during"))
    scene.at(ahead(hours=1, seconds=9)).settle()
    assert scene.waits()[0]["resumed_by_event"]["id"] == "during"


def test_since_a_duration_reaches_back_before_the_trigger():
    """W2: `since: <duration>`."""
    scene = Scene(line(wait("w", "answer", since="2 hours"), push("p")))
    scene.decide(event("answer", ago(hours=3)), event("answer", ago(hours=1), id="h1"))
    scene.decide(event("go"))
    assert scene.waits()[0]["resumed_by_event"]["id"] == "h1"


def test_a_wait_sees_nothing_from_before_its_name_was_of_interest():
    """W2: the floor is cut there, and `lookback_truncated` says so."""
    scene = Scene(line(wait("w", "answer", since="2 hours")), interest_since=ago(minutes=30))
    scene.decide(event("go"))
    assert (scene.run.parked.floor, scene.run.parked.is_truncated) == (ago(minutes=30), True)
    assert verdicts(scene.decide(event("answer", ago(minutes=31)))) == ["before_window"]
    scene.decide(event("answer", ago(minutes=29)))
    assert scene.waits()[0]["lookback_truncated"] is True


def test_a_wait_looks_back_35_days_at_most():
    """W2: and says that it was cut."""
    scene = Scene(line(wait("w", "answer", since="60 days")), interest_since=ago(days=300))
    scene.decide(event("go"))
    assert (scene.run.parked.floor, scene.run.parked.is_truncated) == (ago(days=35), True)


def test_a_run_older_than_35_days_looks_back_no_further():
    """W2: the floor of a late wait moves up with now."""
    scene = Scene(line(delay("d", "40 days"), wait("w", "answer")), interest_since=ago(days=300))
    scene.decide(event("go"))
    scene.at(ahead(days=2)).decide(event("answer", ahead(days=2)))
    scene.at(ahead(days=40)).fire_due()
    assert scene.run.activity == "waiting"
    assert scene.run.parked.is_truncated


def test_an_event_that_closed_a_wait_is_used_up_for_the_run():
    """W1: the next wait of the run needs another one; of another run it is the first."""
    scene = Scene(line(wait("w1", "answer"), wait("w2", "answer"), push("p")))
    scene.decide(event("go"))
    scene.decide(event("answer", ahead(seconds=1)))
    assert scene.run.parked.step_key == "w2"


def test_two_stored_events_close_two_waits_in_the_order_of_their_v():
    """W1, W2: each closes one."""
    scene = Scene(line(delay("d", "1 hour"), wait("w1", "answer"), wait("w2", "answer")))
    scene.decide(event("go"))
    scene.decide(
        event("answer", ahead(seconds=2), id="2"), event("answer", ahead(seconds=1), id="1")
    )
    scene.at(ahead(hours=1)).fire_due()
    assert [w["resumed_by_event"]["id"] for w in scene.waits()] == ["1", "2"]


def test_its_own_trigger_is_not_among_the_stored_candidates():
    """W1, D2: a run that waits for its trigger's name waits for the next one."""
    scene = Scene(line(delay("d", "1 hour"), wait("w", "go")))
    scene.decide(event("go"))
    scene.at(ahead(hours=1)).fire_due()
    assert scene.run.activity == "waiting"


def test_a_second_run_of_the_contact_narrows_nobodys_look_back():
    """W2: two runs of one contact in one turn, the older looks back further than the younger."""
    old = line(wait("w", "answer"), name="Old", on=trigger("old"))
    young = line(wait("v", "other"), wait("w", "answer"), name="Young", on=trigger("young"))
    scene = Scene(old, young)
    scene.decide(event("answer", ago(minutes=50)))
    scene.decide(event("old", ago(hours=1)), event("young", ago(minutes=1)))
    assert [run.status for run in scene.runs] == ["completed", "running"]


def test_what_was_read_from_further_back_stays_read():
    """W2: a later need with a higher floor takes nothing away from what was read before."""

    def stored(name: str, v):
        place = Coordinates("t", 0, 1)
        key = event(name, v).key
        return StoredEvent(key, 7, name, v, "e", v, v, place, {})

    known = StoredEvents()
    wide, narrow = Need(7, "a", ago(hours=2)), Need(7, "a", ago(hours=1))
    early, late = stored("a", ago(minutes=90)), stored("a", ago(minutes=30))
    known.add([wide], [early, late])
    known.add([Need(7, "b", ago(hours=1)), narrow], [late])
    assert list(known.since(wide)) == [early, late]
    assert list(known.since(narrow)) == [late]
    assert known.since(Need(7, "a", ago(hours=3))) is None
    assert known.since(Need(8, "a", ago(hours=1))) is None


def test_the_floor_of_a_name_nobody_listened_to_before_is_now():
    """W2: the slack does not reach behind the interest in a name either."""
    scene = Scene(line(wait("w", "answer")), rules=Rules(), interest_since=NOW)
    scene.decide(event("go", NOW))
    assert (scene.run.parked.floor, scene.run.parked.is_truncated) == (NOW, False)


# --- W3: the deadline in event time ---------------------------------------------------------------


def test_the_deadline_is_counted_from_the_entry_of_the_step():
    """W3: entered at now, not at the trigger's V."""
    scene = Scene(line(wait("w", "answer", timeout="1 hour")))
    scene.at(ahead(minutes=10)).decide(event("go", ago(minutes=5)))
    assert scene.run.parked.deadline == ahead(minutes=70)


def test_v_at_the_deadline_beats_the_timeout_however_late_it_comes():
    """W3: V <= deadline beats the timeout while the wait is open."""
    scene = Scene(line(wait("w", "answer", timeout="1 hour"), push("p")))
    scene.decide(event("go"))
    changes = scene.at(ahead(hours=9)).decide(event("answer", ahead(hours=1)))
    assert (verdicts(changes), effects(changes)) == (["resumed"], ["p"])


def test_v_after_the_deadline_never_resumes():
    """W3: not even while the wait is still open, held for lag."""
    scene = Scene(line(wait("w", "answer", timeout="1 hour"), push("p")))
    scene.decide(event("go"))
    late = event("answer", ahead(hours=1, microseconds=1), id="late")
    assert verdicts(scene.at(ahead(hours=2)).decide(late)) == ["after_deadline"]
    assert scene.run.activity == "waiting"
    scene.fire_due()
    (closed,) = scene.waits()
    assert closed["status"] == "timed_out"
    assert closed["late_match"]["verdict"] == "after_deadline"


def test_due_is_the_deadline_and_the_grace():
    """T2: due = deadline + grace for a wait, the instant for a delay."""
    scene = Scene(
        line(delay("d", "1 hour"), wait("w", "answer", timeout="1 hour")),
        rules=Rules(grace=timedelta(seconds=30)),
    )
    scene.decide(event("go"))
    assert scene.run.parked.due_at == ahead(hours=1)
    scene.at(ahead(hours=1)).fire_due()
    assert scene.run.parked.due_at == ahead(hours=2, seconds=30)


def test_a_wait_without_a_timeout_has_no_timer():
    """W3: it waits without end."""
    scene = Scene(line(wait("w", "answer")))
    scene.decide(event("go"))
    assert (scene.run.parked.deadline, scene.run.parked.due_at) == (None, None)


# --- W1: filters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter_rule", "payload", "verdict"),
    [
        (same("n"), {"n": 1}, "resumed"),
        (same("n"), {"n": 2}, "filter_false"),
        (same("n"), {}, "filter_false"),
        (rule("event.n", "gt", 0), {"n": "1"}, "filter_false"),
        (rule("contact.email", "eq", "ann@x.io"), {}, "resumed"),
        (rule("contact.phone", "eq", "x"), {}, "filter_false"),
    ],
)
def test_filters_read_the_arriving_event_the_trigger_and_the_contact(filter_rule, payload, verdict):
    """W1: an absent or mistyped field makes a filter false."""
    scene = Scene(line(wait("w", "answer", filter_rule=filter_rule)))
    scene.decide(event("go", payload={"n": 1}))
    assert verdicts(scene.decide(event("answer", ahead(seconds=1), payload=payload))) == [verdict]


def test_a_filter_can_name_the_message_of_this_run():
    """W1: `steps.<key>.output.*`, so that "open of THIS message" can be said."""
    this = rule("event.push_id", "eq", {"var": "steps.p.output.push_id"})
    scene = Scene(line(push("p"), wait("w", "opened", filter_rule=this)))
    (effect,) = scene.decide(event("go")).effects
    scene.settle()
    other = event("opened", ahead(seconds=1), payload={"push_id": "another"})
    mine = event("opened", ahead(seconds=1), payload={"push_id": str(effect.effect_id)})
    assert verdicts(scene.decide(other)) == ["filter_false"]
    changes = scene.decide(mine)
    assert verdicts(changes) == ["resumed"]
    assert changes.message_events == [(effect.effect_id, scene.run.contact_id, "opened")]


def test_another_contacts_event_resumes_nobody():
    """W1: match = same contact."""
    scene = Scene(line(wait("w", "answer")))
    scene.decide(event("go"))
    assert verdicts(scene.decide(event("answer", ahead(seconds=1), email="bob@x.io"))) == []
    assert scene.run.activity == "waiting"


def test_a_contact_change_alone_resumes_nothing():
    """W1: only events do."""
    scene = Scene(line(wait("w", "answer", filter_rule=rule("contact.first_name", "eq", "Ann"))))
    scene.decide(event("go"))
    scene.decide(event("answer", ahead(seconds=1)))
    changes = scene.decide(contact_event("updated", payload={"first_name": "Ann"}))
    assert changes.runs == []
    assert verdicts(scene.decide(event("answer", ahead(seconds=2)))) == ["resumed"]
