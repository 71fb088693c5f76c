"""How Resend's dialect shows contacts, and what it understands of what is said of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from handlers.http.fault import Fault
from handlers.http.resend.contact_names import email_in
from handlers.http.resend.contact_view import contact_item, contact_view, property_value
from handlers.http.resend.contact_words import (
    ContactWords,
    NewContact,
    consent_events,
    topic_events,
)
from state.contact import Contact, Link, Profile, contact_uuid
from state.event import Identifier

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
ANN = Contact(
    7,
    AT,
    (Link(Identifier("email", "ann@x.io"), AT, "e-1"),),
    Profile({"first_name": "Ann", "unsubscribed": True}, {"plan": "pro"}),
)
WHO = {"email": "ann@x.io"}


def test_a_contact_is_shown_with_all_its_fields() -> None:
    shown = {
        "id": contact_uuid(7),
        "email": "ann@x.io",
        "first_name": "Ann",
        "last_name": None,
        "created_at": "2026-10-01 12:00:00.000000+00",
        "unsubscribed": True,
    }
    assert contact_item(ANN).model_dump() == shown
    assert contact_view(ANN).model_dump() == {
        **shown,
        "object": "contact",
        "properties": {"plan": {"value": "pro", "type": "string"}},
    }


def test_who_has_no_address_has_an_empty_one() -> None:
    assert contact_item(Contact(8, AT)).email == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a", ("a", "string")),
        (3, (3, "number")),
        (1.5, (1.5, "number")),
        (True, ("true", "string")),
    ],
)
def test_properties_are_read_with_their_types(value: object, said: tuple[object, str]) -> None:
    read = property_value(value)
    assert (read.value, read.type) == said


def test_null_clears_a_name_in_a_change_and_says_nothing_of_a_new_contact() -> None:
    said = {"first_name": None, "unsubscribed": None, "properties": None, "email": "b@x.io"}
    assert ContactWords.model_validate(said).profile(clears=True) == {"first_name": None}
    assert NewContact.model_validate(said).profile(clears=False) == {}


def test_segments_are_named_in_any_of_their_forms_and_joined_once() -> None:
    one, two = UUID(int=1), UUID(int=2)
    said = NewContact.model_validate({"segments": [{"id": str(one)}, str(two)], "audience_id": one})
    assert said.segment_ids(two) == [two, one]


def test_an_event_of_consent_is_published_where_something_changes() -> None:
    assert consent_events(WHO, None, is_unsubscribed=False) == []
    assert consent_events(WHO, says=False, is_unsubscribed=False) == []
    (left,) = consent_events(WHO, says=True, is_unsubscribed=False)
    assert left == {"event": "contact.unsubscribed", **WHO, "payload": {}}
    (back,) = consent_events(WHO, says=False, is_unsubscribed=True)
    assert back["event"] == "contact.subscribed"


def test_choices_about_topics_are_events() -> None:
    said = topic_events(WHO, [("news", "opt_in"), ("offers", "opt_out")])
    assert [(one["event"], one["payload"]) for one in said] == [
        ("contact.subscribed", {"topic": "news"}),
        ("contact.unsubscribed", {"topic": "offers"}),
    ]


def test_an_address_is_read_in_its_normal_form_and_its_plus_stays() -> None:
    assert email_in(" Ann+News@x.io ") == "ann+news@x.io"
    for bad in ("", "ann", "a@b@c"):
        with pytest.raises(Fault):
            email_in(bad)
