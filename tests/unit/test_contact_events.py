"""What a record on the contacts topic means."""

import json
from base64 import b64encode

import pytest

from state.event import Event, Rejected
from stream.decoding.decode import Sources, decode
from tests.records import Record, event_record

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
        "segments": {"VIP": True, "Lapsed": False},
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
        ("contact.updated", {"segments": {"VIP": 1}}, "payload.segments"),
        ("contact.created", {"segments": ["VIP"]}, "payload.segments"),
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


def test_a_payload_that_says_one_thing_twice_is_refused_in_every_wire_form() -> None:
    """E5, E2: as in an envelope: parsers disagree on which of two equal keys counts."""
    payload = b'{"from":{"email":"b@x.io","email":"c@x.io"}}'
    head = {"specversion": "1.0", "id": "1", "source": "/s", "type": "contact.merged"}
    person = {"externalid": "u-1"}
    base64 = json.dumps({**head, **person, "data_base64": b64encode(payload).decode()}).encode()
    data = json.dumps({**head, **person, "data": 0}).encode().replace(b"0}", payload + b"}")
    headers = [(f"ce_{name}", text.encode()) for name, text in (head | person).items()]
    records = [
        Record("waitline.contacts", value=base64),
        Record("waitline.contacts", value=data),
        Record("waitline.contacts", value=payload, headers=headers),
    ]
    for record in records:
        rejected = decode(record, SOURCES)
        assert isinstance(rejected, Rejected)
        assert rejected.reason == "duplicate_key"
        assert rejected.detail == "data.from.email: stands more than once"


def test_what_stands_in_the_envelope_and_in_the_payload_stands_once_in_each() -> None:
    value = (
        b'{"event":"contact.updated","email":"a@x.io","payload":{"email":"b@x.io","x":{"email":1}}}'
    )
    event = decode(Record("waitline.contacts", value=value), SOURCES)
    assert isinstance(event, Event)
    assert event.payload["email"] == "b@x.io"


def test_a_payload_keeps_its_keys_in_order() -> None:
    """D1: a wait that reads it live sees the very text that a look-back finds stored."""
    payload = {"properties": {"b": 1, "a": 2}, "first_name": "Ann", "email": "A@x.io"}
    event = decoded("contact.updated", payload)
    assert isinstance(event, Event)
    assert json.dumps(event.payload, separators=(",", ":")) == event.payload_text
