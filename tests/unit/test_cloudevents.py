"""CloudEvents 1.0 in both modes, as the project's own SDK writes them."""

import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from state.event import Event, Identifier, Rejected, Tombstone
from stream.decoding.decode import Sources, decode
from tests.records import Record, event_record

SOURCES = Sources("1", frozenset({"waitline.contacts"}))
STRUCTURED = [("content-type", b"application/cloudevents+json")]
ATTRIBUTES = {
    "id": "evt_1",
    "source": "/shop",
    "type": "order.completed",
    "time": datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
    "contactid": "0b0e7e9e-5d1b-4e1c-8f6b-2c7b8a3f9a10",
    "externalid": "u-é",
    "email": "Ann@Example.com",
    "phone": "+33 612345678",
    "anonymousid": "a-1",
    "traceparent": "00-ab-cd-01",
}
DATA = {"order_id": "o-1", "total": 30}
MODES = pytest.mark.parametrize("write", [to_structured_event, to_binary_event])


def sent(message: KafkaMessage, **place: object) -> Record:
    key = message.key.encode() if isinstance(message.key, str) else message.key
    return Record(key=key, value=message.value, headers=list(message.headers.items()))._replace(
        **place
    )


def structured(document: object, headers: object = STRUCTURED) -> Record:
    return event_record(document, headers=headers)


def minimal(**more: object) -> dict[str, object]:
    return {"specversion": "1.0", "id": "1", "source": "/s", "type": "e", "email": "a@b.c", **more}


def binary(value: bytes = b"{}", **attributes: bytes | None) -> Record:
    said = {"specversion": b"1.0", "id": b"1", "source": b"/s", "type": b"e", "email": b"a@b.c"}
    said |= attributes
    return Record(value=value, headers=[(f"ce_{name}", text) for name, text in said.items()])


def event_of(record: Record) -> Event:
    decoded = decode(record, SOURCES)
    assert isinstance(decoded, Event), decoded
    return decoded


def rejection_of(record: Record) -> Rejected:
    decoded = decode(record, SOURCES)
    assert isinstance(decoded, Rejected), decoded
    return decoded


@MODES
def test_what_the_official_sdk_writes_is_read(write) -> None:
    """E2: CloudEvents 1.0, binary and structured."""
    event = event_of(sent(write(CloudEvent(ATTRIBUTES, DATA))))
    assert (event.source, event.id, event.name) == ("/shop", "evt_1", "order.completed")
    assert event.occurred_at == ATTRIBUTES["time"]
    assert event.claims_time
    assert event.payload == DATA
    assert event.identifiers == (
        Identifier("contact_id", "0b0e7e9e-5d1b-4e1c-8f6b-2c7b8a3f9a10"),
        Identifier("external_id", "u-é"),
        Identifier("email", "ann@example.com"),
        Identifier("phone", "+33612345678"),
        Identifier("anonymous_id", "a-1"),
    )


@MODES
@pytest.mark.parametrize("data", [None, {}, json.dumps(DATA).encode()], ids=repr)
def test_data_may_be_absent_empty_or_bytes(write, data) -> None:
    attributes = {**ATTRIBUTES, "datacontenttype": "application/json"}
    event = event_of(sent(write(CloudEvent(attributes, data))))
    assert event.payload == (DATA if isinstance(data, bytes) else {})


def test_both_modes_are_the_same_event_with_the_same_body() -> None:
    """E1, E4: the source is CloudEvents'; the form on the wire is not part of the body."""
    event = CloudEvent(ATTRIBUTES, DATA)
    one = event_of(sent(to_structured_event(event)))
    two = event_of(sent(to_binary_event(event), topic="other", offset=99))
    assert (one.key, one.body_hash) == (two.key, two.body_hash)


def test_the_same_id_of_another_source_is_another_event() -> None:
    """E1: its key is (source, id)."""
    assert event_of(structured(minimal())).key != event_of(structured(minimal(source="/t"))).key
    assert event_of(structured(minimal())).key != event_of(event_record({
        "id": "1", "event": "e", "email": "a@b.c",
    })).key  # fmt: skip


def test_a_contact_event_may_be_a_cloudevent() -> None:
    document = minimal(type="contact.updated", data={"email": "New@Example.com"})
    event = event_of(structured(document)._replace(topic="waitline.contacts"))
    assert event.payload == {"email": "new@example.com"}


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Type", b"Application/CloudEvents+JSON; charset=UTF-8")],
        [("other", None), ("CONTENT-TYPE", b"application/cloudevents+json")],
        [*STRUCTURED, ("ce_type", b"ignored")],
    ],
)
def test_header_names_and_media_types_are_read_in_any_case(headers) -> None:
    assert event_of(structured(minimal(), headers)).name == "e"


def test_binary_header_names_are_read_in_any_case() -> None:
    record = binary()
    shouted = [(name.upper(), text) for name, text in record.headers]
    assert event_of(record._replace(headers=shouted)).name == "e"


def test_attributes_that_are_not_ours_are_ignored() -> None:
    """E2: unknown keys are ignored, repeated ones too."""
    record = binary(subject=b"\xff", partitionkey=b"k")
    record = record._replace(headers=[*record.headers, ("ce_subject", b"again"), ("x", None)])
    assert event_of(record).name == "e"


def test_an_attribute_without_a_value_is_absent() -> None:
    assert event_of(binary(phone=None)).identifiers == (Identifier("email", "a@b.c"),)


def test_a_null_value_is_a_tombstone_whatever_the_headers() -> None:
    """E2: a null value is counted, nothing else."""
    assert isinstance(decode(binary()._replace(value=None), SOURCES), Tombstone)


@pytest.mark.parametrize(
    ("record", "reason", "detail"),
    [
        (structured(minimal(specversion="0.3")), "bad_field", "specversion: expected 1.0"),
        (structured({"type": "e"}), "bad_field", "specversion: expected 1.0"),
        (structured(minimal(id=None)), "bad_field", "id: expected an id"),
        (structured(minimal(id="")), "bad_field", "id: expected a string"),
        (structured(minimal(source="")), "bad_field", "source: expected a string"),
        (structured(minimal(source="s" * 256)), "bad_field", "source: expected a string"),
        (structured(minimal(type=None)), "bad_field", "type: expected a string"),
        (structured(minimal(time="noon")), "bad_field", "time: expected an RFC 3339 time"),
        (structured(minimal(data="text")), "bad_field", "data: expected an object"),
        (structured(minimal(data=[1])), "bad_field", "data: expected an object"),
        (structured(minimal(data={}, data_base64="e30=")), "bad_field", "data: stands beside"),
        (structured(minimal(data_base64="!")), "bad_field", "data_base64: expected base64"),
        (structured(minimal(data_base64="é")), "bad_field", "data_base64: expected base64"),
        (structured(minimal(data_base64=1)), "bad_field", "data_base64: expected base64"),
        (structured(minimal(data_base64="/w==")), "not_utf8", "data: expected JSON in UTF-8"),
        (structured(minimal(email=None)), "no_identifier", "expected at least one"),
        (structured(minimal(email=None, externalid=7)), "bad_field", "externalid: expected"),
        (structured([minimal()]), "not_an_object", "expected a JSON object"),
        (
            structured(minimal(), [("content-type", b"application/cloudevents-batch+json")]),
            "bad_field",
            "content-type: expected application/cloudevents+json",
        ),
        (
            structured(minimal(), [("content-type", b"application/cloudevents+avro")]),
            "bad_field",
            "content-type: expected application/cloudevents+json",
        ),
        (binary(specversion=None), "bad_field", "ce_specversion: expected 1.0"),
        (binary(id=None), "bad_field", "ce_id: expected an id"),
        (binary(type=b""), "bad_field", "ce_type: expected a string"),
        (binary(time=b"2026-11-22T10:00:00"), "bad_field", "ce_time: expected an RFC 3339 time"),
        (binary(email=b"\xff"), "not_utf8", "ce_email: expected UTF-8"),
        (binary(email=b"a\x00b"), "bad_character", "ce_email: the NUL character"),
        (binary(phone=b"12"), "bad_field", "ce_phone: expected a phone number"),
        (binary(value=b"[1]"), "bad_field", "data: expected an object"),
        (binary(value=b"text"), "not_json", "data: expected JSON"),
        (binary(value=b"[" * 100_000), "too_deep", "data: nested deeper"),
    ],
)
def test_what_is_no_cloudevent_is_refused_in_cloudevents_own_words(
    record: Record, reason: str, detail: str
) -> None:
    """E5: the detail names the attribute and what was expected."""
    rejected = rejection_of(record)
    assert rejected.reason == reason
    assert rejected.detail.startswith(detail)


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "CE_EMAIL"])
def test_an_attribute_that_stands_twice_is_refused(name: str) -> None:
    record = binary()
    rejected = rejection_of(record._replace(headers=[*record.headers, (name, b"again")]))
    assert (rejected.reason, rejected.detail) == (
        "duplicate_key",
        f"{name.lower()}: stands more than once",
    )


def test_a_field_of_a_contact_event_is_named_below_data() -> None:
    document = minimal(type="contact.updated", data={"phone": "12"})
    rejected = rejection_of(structured(document)._replace(topic="waitline.contacts"))
    assert rejected.detail.startswith("data.phone: ")
    assert rejected.event_id == "1"
