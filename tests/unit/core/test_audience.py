"""Segments and topics: joined, left and chosen in the run's own turn."""

from uuid import UUID

import pytest

from handlers.decision import Fail
from state.audience import Audiences, Segment, Topic
from tests.kit import (
    NOW,
    Document,
    Scene,
    ahead,
    condition,
    contact_event,
    effects,
    event,
    line,
    push,
    rule,
    trigger,
    update,
)
from tests.turns import entered

VIP, LAPSED = Segment(UUID(int=1), "VIP"), Segment(UUID(int=2), "Lapsed")
NEWS = Topic(UUID(int=5), "news", "opt_in")
KNOWN = Audiences.of([VIP, LAPSED], [NEWS])


def add(key: str = "add", segment: str = "VIP", **config: object) -> Document:
    return {"key": key, "type": "add_to_segment", "config": {"segment_id": segment, **config}}


def remove(key: str = "remove", segment: str = "VIP", **config: object) -> Document:
    return {"key": key, "type": "remove_from_segment", "config": {"segment_id": segment, **config}}


def choose(choice: str, key: str = "choose", **config: object) -> Document:
    config = {"topic_id": "news", "subscription": choice, **config}
    return {"key": key, "type": "set_topic_subscription", "config": config}


def scene(*steps: Document, **more: object) -> Scene:
    here = Scene(line(*steps, segments=["VIP", "Lapsed"], topics={"news": None}, **more))
    here.tables.audiences = KNOWN
    return here


def in_segment(here: Scene) -> list[str]:
    contact = here.tables.contacts[here.contact("ann@x.io")]
    return contact.segment_names(here.tables.audiences)


def test_a_contact_joins_a_segment_and_the_next_step_sees_it():
    """F2, F1: in the run's own transaction, written to the profile and to the list."""
    is_vip = condition("c", **rule("contact.segments", "contains", "VIP"))
    here = scene(add(), is_vip, push("p"))
    assert effects(here.decide(event("go"))) == ["p"]
    assert in_segment(here) == ["VIP"]
    (member,) = here.tables.members.values()
    assert (member.segment_id, member.at) == (VIP.segment_id, NOW)


def test_a_contact_leaves_a_segment_and_the_next_step_sees_it():
    """F2: leaving is as visible as joining."""
    lacks = condition("c", **rule("contact.segments", "not_contains", "VIP"))
    here = scene(add(), add("more", "Lapsed"), remove(), lacks, push("p"))
    assert effects(here.decide(event("go"))) == ["p"]
    assert in_segment(here) == ["Lapsed"]
    assert [member.segment_id for member in here.tables.members.values()] == [LAPSED.segment_id]


def test_who_is_in_a_segment_already_stays_and_nothing_changes():
    """F2: the step says whether it changed anything."""
    here = scene(add(), add("again"), remove("out"), remove("out_again"))
    here.decide(event("go"))
    changed = {step["key"]: step["output"]["changed"] for step in here.steps()[1:]}
    assert changed == {"add": True, "again": False, "out": True, "out_again": False}
    assert here.tables.members == {}


@pytest.mark.parametrize(("choice", "held"), [("opt_in", True), ("opt_out", False)])
def test_a_contact_chooses_about_a_topic_and_the_next_step_sees_it(choice, held):
    """F2, I6: the step writes at `now`, and the choice is the contact's own from then on."""
    judge = condition("c", **rule("contact.topics.news", "eq", held))
    here = scene(choose(choice), judge, push("p"))
    assert effects(here.decide(event("go"))) == ["p"]
    (made,) = here.tables.choices.values()
    assert (made.topic, made.is_subscribed, made.at) == ("news", held, NOW)


def test_a_condition_reads_a_topics_default_where_nobody_has_chosen():
    """F2, F4: what holds for the contact is what conditions read."""
    judge = condition("c", **rule("contact.topics.news", "eq", True))
    here = scene(judge, push("yes"))
    assert effects(here.decide(event("go"))) == ["yes"]


def test_an_older_event_does_not_undo_what_a_step_chose():
    """I6: last writer by V; the step wrote at its own `now`."""
    here = scene(choose("opt_out"))
    here.decide(event("go"))
    later = here.at(ahead(minutes=5))
    later.decide(contact_event("subscribed", NOW, payload={"topic": "news"}))
    assert [one.is_subscribed for one in here.tables.choices.values()] == [False]
    later.decide(contact_event("subscribed", ahead(minutes=1), payload={"topic": "news"}))
    assert [one.is_subscribed for one in here.tables.choices.values()] == [True]


def test_a_choice_about_a_topic_that_nobody_declared_is_kept():
    """F4, I6: an event may name any key; the choice counts once the topic is made."""
    here = scene(push("p"))
    here.decide(event("go"))
    here.decide(contact_event("unsubscribed", payload={"topic": "other"}))
    assert [one.topic for one in here.tables.choices.values()] == ["other"]


@pytest.mark.parametrize(
    ("kind", "config", "code"),
    [
        ("add_to_segment", {"segment_id": "VIP"}, "segment_gone"),
        ("remove_from_segment", {"segment_id": str(VIP.segment_id)}, "segment_gone"),
        ("set_topic_subscription", {"topic_id": "news", "subscription": "opt_in"}, "topic_gone"),
    ],
)
def test_what_was_deleted_since_fails_the_step_that_names_it(kind, config, code):
    """F5: the step fails with a code and a text; nothing is made up."""
    outcome = entered(kind, config)
    assert isinstance(outcome, Fail)
    assert outcome.code == code
    assert not isinstance(entered(kind, config, audiences=KNOWN), Fail)


def test_a_deleted_segment_is_read_no_more():
    """F2: memberships of a segment that is gone mean nothing, even while the profile has them."""
    here = scene(add())
    here.decide(event("go"))
    here.tables.audiences = Audiences.of([LAPSED])
    assert in_segment(here) == []


def test_of_two_steps_of_one_turn_the_later_one_has_the_last_word():
    """F2, I6: all steps write at the turn's one `now`; their keys do not decide between them."""
    here = scene(
        add("z"),
        remove("y"),
        choose("opt_out", "x"),
        choose("opt_in", "w"),
        update("v", first_name="A"),
        update("u", first_name="B"),
    )
    here.decide(event("go"))
    here.decide(event("go", id="again"))
    assert here.tables.members == {}
    assert [one.is_subscribed for one in here.tables.choices.values()] == [True]
    profile = here.tables.contacts[here.contact("ann@x.io")].profile
    assert profile.fields["first_name"] == "B"


def test_of_two_runs_of_one_turn_that_differ_about_consent_the_stricter_counts():
    """I6: ties unsubscribe; which run came later is nobody's word."""
    for first, second in (("opt_in", "opt_out"), ("opt_out", "opt_in")):
        topics = {"news": None}
        here = Scene(
            line(choose(first), name="A", topics=topics),
            line(choose(second), name="B", topics=topics),
        )
        here.tables.audiences = KNOWN
        here.decide(event("go"))
        assert [one.is_subscribed for one in here.tables.choices.values()] == [False]


@pytest.mark.usefixtures("faulty_parking")
def test_what_a_faulty_walk_would_have_joined_is_not_joined():
    """E5, F2, S6: a run that ends with `engine_error` leaves no membership, choice or event."""
    here = scene(add(emit=True), choose("opt_out", emit=True), push("p"))
    changes = here.decide(event("go"))
    assert here.run.reason == "engine_error"
    assert (changes.memberships, changes.choices, changes.emitted) == ({}, {}, [])


def test_a_merge_joins_what_both_belonged_to():
    """I3, I6: the newest word on each segment; the lists name the survivor only."""
    here = Scene(
        line(add(), add("b", "Lapsed"), name="A", on=trigger("in"), segments=["VIP", "Lapsed"]),
        line(remove(segment="Lapsed"), name="B", on=trigger("out"), segments=["Lapsed"]),
    )
    here.tables.audiences = KNOWN
    here.decide(event("in", anonymous_id="a"))
    here.at(ahead(minutes=1)).decide(event("out", ahead(minutes=1), email="ann@x.io"))
    later = ahead(minutes=2)
    here.at(later).decide(event("in", later, id="other", email="bob@x.io"))
    here.decide(event("out", later, id="meet", email="ann@x.io", anonymous_id="a"))
    kept = here.contact("ann@x.io")
    assert kept == here.contact("a", "anonymous_id")
    assert in_segment(here) == ["VIP"]
    members = {(one.segment_id, one.contact_id) for one in here.tables.members.values()}
    bob = here.contact("bob@x.io")
    assert members == {
        (VIP.segment_id, kept),
        (VIP.segment_id, bob),
        (LAPSED.segment_id, bob),
    }


def joins(at: object = NOW, offset: int = 1, **segments: bool) -> object:
    place = ("waitline.contacts", 0, offset)
    payload = {"segments": segments}
    return contact_event("updated", at, id=f"{at}{offset}", place=place, payload=payload)


def test_a_contact_event_joins_and_leaves_segments_by_id_or_name():
    """I6: memberships are written as fields are, and the lists follow the profile."""
    here = scene(add())
    here.decide(joins(VIP=True, **{str(LAPSED.segment_id): True}))
    assert in_segment(here) == ["Lapsed", "VIP"]
    assert len(here.tables.members) == 2
    here.decide(joins(ahead(minutes=1), 2, **{str(VIP.segment_id): False}))
    assert in_segment(here) == ["Lapsed"]
    assert [member.segment_id for member in here.tables.members.values()] == [LAPSED.segment_id]


@pytest.mark.parametrize("turn", [1, -1], ids=["in order", "reversed"])
def test_of_two_words_on_a_segment_the_newest_by_v_counts(turn: int):
    """I6: memberships: last writer by V, in whatever order they come."""
    here = scene(add())
    for write in [joins(ahead(minutes=-2), 1, VIP=True), joins(NOW, 2, VIP=False)][::turn]:
        here.decide(write)
    assert in_segment(here) == []
    assert here.tables.members == {}


def test_an_event_that_says_two_things_of_one_segment_leaves_it():
    """I6: what stands in one event has no order."""
    here = scene(add())
    here.decide(joins(**{str(VIP.segment_id): False, "VIP": True}))
    here.decide(joins(ahead(minutes=1), 2, **{"LAPSED?": True}))
    assert in_segment(here) == []
