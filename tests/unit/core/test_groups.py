"""Inputs that touch each other's contacts are decided together, all others apart."""

from uuid import UUID

from handlers.claims import claims_for, first_sights
from handlers.directory import FreshContactIds
from handlers.groups import group_inputs
from handlers.timer import TimerDue
from state.automation import Catalogue
from state.effect import Answer
from state.event import Identifier
from tests.kit import NOW, contact_event, event

OF_INTEREST = Catalogue(1, interest_since={"go": NOW})
ANN, BOB = Identifier("email", "ann@x.io"), Identifier("email", "bob@x.io")
UNIT = Identifier("external_id", "u1")


def grouped(inputs, owners=(), claims=()) -> list[list[int]]:
    """Return the groups as the places of their inputs."""
    groups = group_inputs(inputs, dict(owners), {claim.identifier: claim for claim in claims})
    return [[inputs.index(each) for each in group] for group in groups]


def claimed(*events, owners=(), numbers=(100, 101, 102)):
    return claims_for(events, OF_INTEREST, dict(owners), FreshContactIds(numbers))


def test_events_of_different_people_are_apart():
    """D1: what two groups decide cannot depend on each other."""
    events = [event("go", email="ann@x.io"), event("go", email="bob@x.io")]
    assert grouped(events) == [[0], [1]]
    assert grouped(events, owners={ANN: 1, BOB: 2}) == [[0], [1]]


def test_events_of_one_person_are_together_in_their_order():
    """D1: by contact, whatever they are called by."""
    events = [event("go", id="1"), event("go", id="2"), event("go", id="3", external_id="u1")]
    assert grouped(events, owners={ANN: 1, UNIT: 1}) == [[0, 1, 2]]


def test_an_event_that_names_two_people_joins_their_groups():
    """I2: also what came before it."""
    events = [
        event("go", email="ann@x.io", id="1"),
        event("go", email="bob@x.io", id="2"),
        event("x", email="ann@x.io", external_id="u1", id="3"),
        event("y", email="bob@x.io", external_id="u1", id="4"),
    ]
    assert grouped(events) == [[0, 1, 2, 3]]


def test_events_of_one_key_are_together():
    """E4: the second must see the first, whomever each names."""
    events = [event("go", email="ann@x.io", id="e"), event("go", email="bob@x.io", id="e")]
    assert grouped(events) == [[0, 1]]


def test_timers_and_answers_belong_to_their_contact():
    """D1: commands and events of one contact are one group."""
    inputs = [
        TimerDue(1, UUID(int=1)),
        Answer(UUID(int=9), UUID(int=2), 2, "sent", 1),
        event("go", email="ann@x.io"),
    ]
    assert grouped(inputs, owners={ANN: 1}) == [[0, 2], [1]]


def test_what_a_contact_event_sets_belongs_to_it():
    """I2: an e-mail that a payload sets is touched like one in the envelope."""
    change = contact_event("updated", external_id="u1", payload={"email": "bob@x.io"})
    assert grouped([event("go", email="bob@x.io"), change]) == [[0, 1]]


def test_a_new_person_is_claimed_once():
    """I1: one number, every identifier; the second event of the same person claims nothing."""
    both = {"email": "ann@x.io", "external_id": "u1"}
    claims = claimed(event("go", **both), event("go", id="2", **both))
    assert [(claim.identifier, claim.contact_id, claim.is_first_sight) for claim in claims] == [
        (UNIT, 100, True),
        (ANN, 100, True),
    ]


def test_a_new_identifier_is_claimed_for_the_contact_that_is_known():
    """I2: it is no first sight."""
    claims = claimed(event("x", email="ann@x.io", external_id="u1"), owners={ANN: 7})
    assert [(c.identifier, c.contact_id, c.is_first_sight) for c in claims] == [(UNIT, 7, False)]


def test_events_of_no_interest_claim_nobody():
    """E7: they make no contact."""
    assert claimed(event("x", email="ann@x.io", external_id="u1")) == []


def test_an_unknown_contact_id_is_not_claimed():
    """I1: it is ignored."""
    claims = claimed(event("go", contact_id=str(UUID(int=3)), email="ann@x.io"))
    assert [claim.identifier for claim in claims] == [ANN]


def test_there_are_numbers_enough_for_whoever_is_new():
    """I1: `first_sights` is an upper bound of what the claims take."""
    events = [
        event("go", email="ann@x.io"),
        event("go", email="bob@x.io"),
        event("go", email="ann@x.io", external_id="u1"),
        contact_event("created", phone="+49123456"),
    ]
    needed = first_sights(events, OF_INTEREST, {})
    claims = claimed(*events, numbers=range(needed))
    assert {claim.contact_id for claim in claims} <= set(range(needed))
    assert first_sights(events, OF_INTEREST, {ANN: 1, BOB: 2}) == 1
