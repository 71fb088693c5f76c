"""What is known of a person: the last writer by V, and who leaves stays away."""

import pytest

from state.contact import Profile
from tests.kit import NOW, Scene, ago, ahead, contact_event, event, line, push, update, wait


def scene() -> Scene:
    return Scene(line(wait("w", "answer")))


def profile(where: Scene, value: str = "ann@x.io") -> Profile:
    return where.tables.contacts[where.contact(value)].profile


def said(verb: str, at=NOW, offset: int = 1, **payload: object):
    place = ("waitline.contacts", 0, offset)
    return contact_event(verb, at, id=f"{verb}{at}{offset}", place=place, payload=payload)


ORDERS = pytest.mark.parametrize("turn", [1, -1], ids=["in order", "reversed"])


@ORDERS
def test_the_last_writer_by_v_wins_in_whatever_order_they_come(turn):
    """I6: properties: last writer by V."""
    writes = [said("updated", ago(hours=h), first_name=name) for h, name in ((2, "A"), (1, "B"))]
    where = scene()
    for write in writes[::turn]:
        where.decide(write)
    assert profile(where).fields["first_name"] == "B"


@ORDERS
def test_a_tie_goes_to_the_later_coordinates(turn):
    """I6: ties by coordinates, compared as numbers: offset 10 is after offset 9."""
    writes = [said("updated", NOW, offset, first_name=str(offset)) for offset in (9, 10)]
    where = scene()
    for write in writes[::turn]:
        where.decide(write)
    assert profile(where).fields["first_name"] == "10"


@ORDERS
def test_each_field_has_its_own_last_writer(turn):
    """I6: an older event still writes what no newer one has written."""
    writes = [
        said("updated", ago(hours=2), first_name="A", properties={"x": 1, "y": 1}),
        said("updated", ago(hours=1), last_name="B", properties={"y": 2}),
    ]
    where = scene()
    for write in writes[::turn]:
        where.decide(write)
    known = profile(where)
    assert (known.fields, known.properties) == (
        {"first_name": "A", "last_name": "B"},
        {"x": 1, "y": 2},
    )


@ORDERS
def test_null_clears_and_stays_cleared(turn):
    """I6: null clears; an older value does not come back."""
    writes = [
        said("updated", ago(hours=2), first_name="A", properties={"x": 1}),
        said("updated", ago(hours=1), first_name=None, properties={"x": None}),
    ]
    where = scene()
    for write in writes[::turn]:
        where.decide(write)
    assert (profile(where).fields, profile(where).properties) == ({}, {})


@ORDERS
def test_consent_ties_unsubscribe(turn):
    """I6: consent by V, ties unsubscribe, whatever the coordinates say."""
    for first, second in (("subscribed", "unsubscribed"), ("unsubscribed", "subscribed")):
        writes = [said(first, NOW, 1), said(second, NOW, 2)]
        where = scene()
        for write in writes[::turn]:
            where.decide(write)
        assert profile(where).is_unsubscribed, (first, second)


@ORDERS
def test_topic_consent_ties_unsubscribe_too(turn):
    """I6: the subscription of a topic obeys the same rule."""
    writes = [said("subscribed", NOW, 2, topic="news"), said("unsubscribed", NOW, 1, topic="news")]
    where = scene()
    for write in writes[::turn]:
        where.decide(write)
    assert profile(where).topics == {"news": False}
    assert not profile(where).is_unsubscribed


@ORDERS
def test_a_later_subscription_resubscribes(turn):
    """I6: consent: the last writer by V."""
    writes = [said("unsubscribed", ago(hours=2)), said("subscribed", ago(hours=1))]
    where = scene()
    for write in writes[::turn]:
        where.decide(write)
    assert not profile(where).is_unsubscribed


def test_only_an_explicit_word_resubscribes():
    """I6: only `contact.subscribed` or an explicit `unsubscribed: false`."""
    where = scene()
    where.decide(said("unsubscribed", ago(hours=9)))
    where.decide(said("updated", ago(hours=8), first_name="Ann", unsubscribed=None))
    where.decide(said("created", ago(hours=7), properties={"unsubscribed": False}))
    assert profile(where).is_unsubscribed
    where.decide(said("updated", ago(hours=6), unsubscribed=False))
    assert not profile(where).is_unsubscribed


def test_a_step_writes_at_now():
    """I6, F2: a step's write is stamped with `now`: older events lose to it, newer ones win."""
    where = Scene(line(update("u", first_name="Step", properties={"plan": "pro"}), push("p")))
    where.decide(event("go"))
    assert profile(where).fields["first_name"] == "Step"
    where.decide(said("updated", ago(seconds=1), first_name="Old"))
    assert profile(where).fields["first_name"] == "Step"
    where.decide(said("updated", ahead(seconds=1), first_name="New"))
    assert (profile(where).fields["first_name"], profile(where).properties["plan"]) == (
        "New",
        "pro",
    )
