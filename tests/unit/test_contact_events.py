"""What a record on the contacts topic means."""

import json

import pytest

from state.event import Event, Rejected
from stream.decoding.decode import Sources, decode
from tests.records import event_record

SOURCES = Sources("1", frozenset({"waitline.contacts"}))


def decoded(name: str, payload: object) -> object:
    document = {"event": name, "external_id": "u-1", "payload": payload}
    return decode(event_record(document, topic="waitline.contacts"), SOURCES)


def test_a_contact_event_is_read_with_its_fields_in_normal_form() -> None:
    """I1: what a contact event sets is in the same form as what events name."""
    payload = {
        "first_name": "Ann",
        "last_name": None,
        "email": " Ann@Example.com ",
        "phone": "00 33 612 345 678",
        "time_zone": "Europe/Paris",
        "unsubscribed": False,
        "properties": {"plan": "pro", "seats": 3, "vip": True, "gone": None},
        "extra": [1],
    }
    event = decoded("contact.updated", payload)
    assert isinstance(event, Event)
    assert event.is_contact_event
    assert event.payload == {**payload, "email": "ann@example.com", "phone": "+33612345678"}
    assert json.loads(event.payload_text) == event.payload


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("contact.created", None),
        ("contact.created", {"email": None}),
        ("contact.identified", {"anything": [1]}),
        ("contact.merged", {"from": {"anonymous_id": "a-1"}}),
        ("contact.subscribed", {"topic": "news"}),
        ("contact.unsubscribed", {}),
        ("contact.deleted", None),
    ],
)
def test_every_contact_event_is_accepted_on_its_topic(name: str, payload: object) -> None:
    event = decoded(name, payload)
    assert isinstance(event, Event)
    assert event.name == name


@pytest.mark.parametrize(
    ("name", "payload", "field"),
    [
        ("contact.updated", {"email": "nobody"}, "payload.email"),
        ("contact.updated", {"email": "a@b@c"}, "payload.email"),
        ("contact.updated", {"email": 1}, "payload.email"),
        ("contact.updated", {"phone": "12"}, "payload.phone"),
        ("contact.updated", {"first_name": 1}, "payload.first_name"),
        ("contact.updated", {"last_name": "x" * 256}, "payload.last_name"),
        ("contact.updated", {"external_id": ""}, "payload.external_id"),
        ("contact.updated", {"time_zone": "Mars/Olympus"}, "payload.time_zone"),
        ("contact.updated", {"time_zone": "europe/paris"}, "payload.time_zone"),
        ("contact.updated", {"unsubscribed": "no"}, "payload.unsubscribed"),
        ("contact.updated", {"properties": {"a": [1]}}, "payload.properties"),
        ("contact.updated", {"properties": {"a": {}}}, "payload.properties"),
        ("contact.updated", {"properties": []}, "payload.properties"),
        ("contact.merged", {}, "payload.from"),
        ("contact.merged", {"from": {}}, "payload.from"),
        ("contact.merged", {"from": {"phone": "x"}}, "payload.from.phone"),
        ("contact.subscribed", {"topic": ""}, "payload.topic"),
        ("contact.unsubscribed", {"topic": 3}, "payload.topic"),
        ("contact.archived", {}, "event"),
        ("order.completed", {}, "event"),
    ],
)
def test_a_contact_event_that_is_wrong_is_refused_by_field(
    name: str, payload: object, field: str
) -> None:
    """E5: what cannot be understood is quarantined, with the field that was not understood."""
    rejected = decoded(name, payload)
    assert isinstance(rejected, Rejected)
    assert rejected.detail.split(":")[0] == field


def test_a_zone_that_is_none_is_refused_with_what_was_expected() -> None:
    """T1, E5: a contact's zone that cannot be counted in is quarantined, never kept or left out."""
    for zone in ("Europe/Berln", "CEST", "+02:00", "localtime", ""):
        rejected = decoded("contact.updated", {"time_zone": zone})
        assert isinstance(rejected, Rejected)
        assert rejected.reason == "bad_field"
        expected = "payload.time_zone: expected an IANA time zone, such as Europe/Paris"
        assert rejected.detail == expected
