"""Which identifiers an event may touch: what is locked and reserved for it."""

from handlers.intake import named_in
from state.event import Identifier
from tests.kit import contact_event, event

FIVE = {
    "contact_id": "0b0e7e9e-5d1b-4e1c-8f6b-2c7b8a3f9a10",
    "external_id": "u-1",
    "email": "ann@x.io",
    "phone": "+33612345678",
    "anonymous_id": "a-1",
}
OTHERS = {kind: f"other {kind}" for kind in FIVE}


def test_an_event_touches_those_that_it_names():
    """I1: the payload of an event is the producer's own."""
    named = named_in(event("e", payload=OTHERS, email="ann@x.io"))
    assert named == (Identifier("email", "ann@x.io"),)


def test_a_profile_touches_those_that_it_sets():
    """I2: an address that is set may be another's."""
    for verb in ("created", "updated"):
        named = named_in(contact_event(verb, payload=OTHERS, email="ann@x.io"))
        assert [one.kind for one in named] == ["email", "external_id", "email", "phone"]


def test_no_event_names_more_than_ten():
    """E6: five of its own and five in a merge, whatever else its payload says."""
    merged = contact_event("merged", payload={**OTHERS, "from": OTHERS}, **FIVE)
    assert len(named_in(merged)) == 10


def test_what_is_not_read_of_a_contact_event_names_nobody():
    """E5: it is in no normal form, and may be what no index takes."""
    for verb in ("identified", "subscribed", "unsubscribed", "deleted"):
        endless = {"email": "x" * 100_000, "phone": "", "from": OTHERS}
        named = named_in(contact_event(verb, payload=endless, email="ann@x.io"))
        assert named == [Identifier("email", "ann@x.io")]
