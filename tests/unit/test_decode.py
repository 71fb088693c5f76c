"""What a plain record means."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import pytest
from aiokafka.structs import ConsumerRecord
from msgspec.structs import replace

from state.event import RAW_MAX, Coordinates, Event, Identifier, Rejected, Tombstone
from stream.decoding.decode import TIME_UNKNOWN, Sources, decode
from tests.records import Record, event_record

SOURCES = Sources("1", frozenset({"waitline.contacts"}))
RECORDED_AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ANN = {"event": "order.completed", "email": "ann@example.com"}


def event_of(document: object, **place: object) -> Event:
    decoded = decode(event_record(document, **place), SOURCES)
    assert isinstance(decoded, Event), decoded
    return decoded


def same(one: Event, other: Event) -> bool:
    """Tell whether two events say the same, whatever else their records held."""
    return replace(one, raw=b"") == replace(other, raw=b"")


def rejection_of(document: object, **place: object) -> Rejected:
    decoded = decode(event_record(document, **place), SOURCES)
    assert isinstance(decoded, Rejected), decoded
    return decoded


def test_the_documented_event_is_read_whole() -> None:
    """E1: source, id, name, three times, identifiers and payload; the example of interface.md."""
    document = {
        "id": "evt_1",
        "event": "order.completed",
        "occurred_at": "2026-11-22T09:00:00Z",
        "email": "ann@example.com",
        "payload": {"order_id": "o-1", "total": 30},
    }
    event = event_of(document)
    assert event.source == "waitline.events"
    assert event.id == "evt_1"
    assert event.name == "order.completed"
    assert event.occurred_at == datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    assert event.recorded_at == RECORDED_AT
    assert event.claims_time
    assert event.coordinates == Coordinates("waitline.events", 0, 7)
    assert event.identifiers == (Identifier("email", "ann@example.com"),)
    assert event.payload == {"order_id": "o-1", "total": 30}
    assert event.payload_text == '{"order_id":"o-1","total":30}'
    assert not event.is_contact_event
    assert event.raw == event_record(document).value


def test_an_aiokafka_record_is_decoded_as_it_is() -> None:
    value = json.dumps(ANN).encode()
    record = ConsumerRecord(
        "waitline.events", 3, 9, 1_795_341_600_000, 1, None, value, None, 0, len(value), ()
    )
    event = decode(record, SOURCES)
    assert isinstance(event, Event)
    assert event.coordinates == Coordinates("waitline.events", 3, 9)


def test_an_event_without_a_time_happened_when_it_was_recorded() -> None:
    """E1: `occurred_at` absent: the record's."""
    event = event_of(ANN)
    assert event.occurred_at == event.recorded_at == RECORDED_AT
    assert not event.claims_time


def test_an_event_is_known_by_its_source_and_id_wherever_it_stands() -> None:
    """E1: its key is (source, id)."""
    document = {**ANN, "id": "evt_1"}
    here, there = event_of(document), event_of(document, partition=5, offset=99)
    assert here.key == there.key
    assert event_of(document, topic="other").key != here.key
    assert event_of({**ANN, "id": "evt_2"}).key != here.key


def test_an_event_without_an_id_is_known_by_where_it_stands() -> None:
    """E1: without an id, (stream epoch, topic, partition, offset)."""
    event = event_of(ANN, partition=2, offset=41)
    assert event.id == "waitline.events/2/41"
    assert event.key == event_of(ANN, partition=2, offset=41).key
    record = event_record(ANN, partition=2, offset=41)
    reborn = decode(record, Sources("2", SOURCES.contact_topics))
    others = [
        event_of(ANN, partition=2, offset=42),
        event_of(ANN, partition=3, offset=41),
        event_of(ANN, partition=2, offset=41, topic="other"),
        event_of({**ANN, "id": event.id}),
        reborn,
    ]
    assert event.key not in {other.key for other in others if isinstance(other, Event)}


def test_keys_never_change() -> None:
    """E1, E4: stored keys must recognise events for as long as topics keep them."""
    event = event_of({**ANN, "id": "evt_1", "payload": {"b": 1, "a": [None, True]}})
    assert event.key == UUID("ebd84c23-80ef-18b8-ec0d-ad411b560d90")
    assert event_of(ANN).key == UUID("25efe67f-11f0-daa1-8643-7e42c3006b08")
    assert event.body_hash == UUID("6613d8da-5171-73e9-da4b-d192a627d14c")


def test_source_and_id_cannot_run_into_each_other() -> None:
    """E1: the hash covers both with their lengths."""
    assert (
        event_of({**ANN, "id": "bc"}, topic="a").key != event_of({**ANN, "id": "c"}, topic="ab").key
    )


def test_the_same_body_has_the_same_hash_however_it_is_written() -> None:
    """E4: the body is name, explicit occurred_at, identifiers and payload."""
    one = {**ANN, "occurred_at": "2026-11-22T10:00:00Z", "payload": {"a": 1, "b": {"c": 2, "d": 3}}}
    two = {
        "payload": {"b": {"d": 3, "c": 2}, "a": 1},
        "email": " ANN@example.com ",
        "occurred_at": "2026-11-22T12:00:00.000+02:00",
        "event": "order.completed",
        "ignored": True,
    }
    assert event_of(one).body_hash == event_of(two, offset=8).body_hash
    assert event_of(one).payload_text == event_of(two).payload_text


@pytest.mark.parametrize(
    "change",
    [
        {"event": "order.refunded"},
        {"occurred_at": "2026-11-22T10:00:00.000001Z"},
        {"occurred_at": None},
        {"email": "bob@example.com"},
        {"phone": "+33612345678"},
        {"payload": {"total": 31}},
        {"payload": None},
    ],
    ids=str,
)
def test_another_body_has_another_hash(change: dict[str, object]) -> None:
    """E4: same key, other body is a conflict."""
    document = {**ANN, "occurred_at": "2026-11-22T10:00:00Z", "payload": {"total": 30}}
    assert event_of(document).body_hash != event_of({**document, **change}).body_hash


def test_a_payload_is_read_in_the_order_in_which_it_is_stored() -> None:
    """D1: a wait that reads it live sees the very text that a look-back finds stored."""
    few = {"b": {"d": 1, "c": [{"f": 1, "e": 2}]}, "a": 1}
    for payload in (few, {**few, "A": [few] * 50}):
        event = event_of({**ANN, "payload": payload})
        assert json.dumps(event.payload, separators=(",", ":")) == event.payload_text
        assert event.payload == payload


def test_unknown_keys_are_ignored() -> None:
    """E2: unknown keys are ignored, whatever they hold."""
    assert same(event_of({**ANN, "v": 2, "nested": {"x": [1]}}), event_of(ANN))


def test_an_optional_field_that_is_null_is_absent() -> None:
    nulls = dict.fromkeys(["id", "occurred_at", "payload", "phone", "contact_id"])
    assert same(event_of({**ANN, **nulls}), event_of(ANN))


def test_a_null_value_is_a_tombstone() -> None:
    """E2: a null value is counted, nothing else."""
    coordinates = Coordinates("waitline.events", 0, 7)
    assert decode(Record(value=None), SOURCES) == Tombstone(coordinates, RECORDED_AT)


@pytest.mark.parametrize("timestamp", [-1, -5_000, 253_402_300_800_000, 2**63 - 1])
def test_a_record_without_a_usable_time_was_recorded_now(timestamp: int) -> None:
    """E1: `recorded_at` more than 5 min ahead of now: now."""
    event = event_of(ANN, timestamp=timestamp)
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert event.recorded_at == TIME_UNKNOWN
    assert event.verdict_time(now) == (now, False)


@pytest.mark.parametrize("written", ["2026-11-22T10:00:00", "yesterday", "", 1_795_341_600, True])
def test_a_time_that_is_none_is_refused_by_name(written: object) -> None:
    rejected = rejection_of({**ANN, "occurred_at": written})
    assert rejected.reason == "bad_field"
    assert rejected.detail.startswith("occurred_at: expected an RFC 3339 time with an offset")


def test_identifiers_are_put_in_normal_form_strongest_first() -> None:
    """I1: e-mail trimmed and lower-case, phone E.164; kinds strongest first."""
    event = event_of({
        "event": "e",
        "anonymous_id": " device 1 ",
        "phone": "0033 (6) 12.34-56 78",
        "email": " Ann.O'Neil@Example.COM\t",
        "external_id": " u-1 ",
        "contact_id": "0B0E7E9E-5D1B-4E1C-8F6B-2C7B8A3F9A10",
    })  # fmt: skip
    assert event.identifiers == (
        Identifier("contact_id", "0b0e7e9e-5d1b-4e1c-8f6b-2c7b8a3f9a10"),
        Identifier("external_id", "u-1"),
        Identifier("email", "ann.o'neil@example.com"),
        Identifier("phone", "+33612345678"),
        Identifier("anonymous_id", "device 1"),
    )


def test_letters_that_look_the_same_are_the_same_address() -> None:
    """I1: an e-mail address is compared in Unicode's composed form."""
    composed, decomposed = "andr\u00e9@example.com", "Andre\u0301@example.com"
    assert event_of({**ANN, "email": decomposed}).identifiers == (Identifier("email", composed),)


@pytest.mark.parametrize("kind", ["contact_id", "external_id", "email", "phone", "anonymous_id"])
@pytest.mark.parametrize("value", ["", "   ", "x" * 513, 7, True, ["x"], {"a": 1}], ids=repr)
def test_what_is_no_identifier_is_refused_by_name(kind: str, value: object) -> None:
    """E6: identifiers are strings of 1-512 characters."""
    rejected = rejection_of({"event": "e", kind: value})
    assert (rejected.reason, rejected.detail.split(":")[0]) == ("bad_field", kind)


@pytest.mark.parametrize(
    "phone", ["12345678", "+123456", "+1234567890123456", "+0123456789", "+33 six", "+٣٣١٢٣٤٥٦٧٨"]
)
def test_a_phone_number_is_e164_or_refused(phone: str) -> None:
    """I1: phone: E.164."""
    rejected = rejection_of({"event": "e", "phone": phone})
    assert rejected.detail == "phone: expected a phone number as + and 7 to 15 digits (E.164)"


def test_an_event_of_nobody_is_refused() -> None:
    """I1: no usable identifier: quarantined."""
    rejected = rejection_of({"event": "e", "user_id": "u-1", "email": None})
    assert rejected.reason == "no_identifier"
    assert "contact_id, external_id, email, phone, anonymous_id" in rejected.detail


def test_the_longest_that_is_allowed_is_accepted() -> None:
    """E6: record 256 KiB, depth 32, names and ids 255 characters, identifiers 512."""
    deep: object = 1
    for _ in range(30):
        deep = [deep]
    document = {
        "id": "i" * 255,
        "event": "n" * 255,
        "external_id": "x" * 512,
        "payload": {"deep": deep, "fill": ""},
    }
    room = 256 * 1024 - len(event_record(document).value or b"")
    document["payload"] = {"deep": deep, "fill": "é" * (room // 6)}
    event = event_of(document)
    assert event.payload["deep"] == deep


@pytest.mark.parametrize(
    ("part", "record"),
    [
        ("value", Record(value=b" " * (256 * 1024 + 1))),
        ("key", Record(key=b"k" * 256 * 1024, value=b"{}")),
        ("headers", Record(headers=[("h", b"v" * 1024)] * 256, value=b"{}")),
    ],
)
def test_a_record_over_256_kib_is_refused_unread(part: str, record: Record) -> None:
    """E6: record 256 KiB, key, value and headers together."""
    rejected = decode(record, SOURCES)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "too_large", part


def test_an_event_names_at_most_ten_identifiers() -> None:
    """E6: ten identifiers: five of its own, and five more in a merge."""
    five = {
        "contact_id": "0b0e7e9e-5d1b-4e1c-8f6b-2c7b8a3f9a10",
        "external_id": "u-1",
        "email": "ann@example.com",
        "phone": "+33612345678",
        "anonymous_id": "a-1",
    }
    document = {"event": "contact.merged", **five, "payload": {"from": five}}
    event = event_of(document, topic="waitline.contacts")
    merged = event.payload["from"]
    assert isinstance(merged, dict)
    assert len(event.identifiers) + len(merged) == 10


def test_a_rejection_keeps_the_evidence() -> None:
    """E5: first 64 KiB of the bytes and their SHA-256, headers, coordinates, reason."""
    value = b"\xff" * (RAW_MAX + 1)
    headers = [("trace", b"00-ab"), ("none", None), ("bin\x00", b"\xff\x00")]
    record = Record(offset=12, value=value, headers=headers)
    rejected = decode(record, SOURCES)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "not_utf8"
    assert rejected.raw == value[:RAW_MAX]
    assert rejected.sha256 == sha256(value).digest()
    assert rejected.coordinates == Coordinates("waitline.events", 0, 12)
    assert rejected.recorded_at == RECORDED_AT
    assert rejected.headers == (("trace", "00-ab"), ("none", ""), ("bin\\x00", "\\xff\\x00"))


def test_rejections_of_one_cause_share_a_fingerprint() -> None:
    """E5: the fingerprint does not depend on what the producer wrote."""
    first = rejection_of({"event": "e", "phone": "12"}, offset=1)
    second = rejection_of({"event": "f", "phone": "nobody"}, offset=2)
    other = rejection_of({"event": "f", "contact_id": "nobody"}, offset=3)
    assert first.fingerprint == second.fingerprint != other.fingerprint


def test_a_rejection_names_the_event_where_it_can() -> None:
    assert rejection_of({"id": "evt_1", "event": "e"}).event_id == "evt_1"
    assert rejection_of({"id": 5, "event": "e"}).event_id is None


def test_a_bug_of_the_decoder_costs_one_record() -> None:
    """E5: only infrastructure faults stop a partition."""
    no_bytes = Record(value=b"{}", headers=[("content-type", 5)])
    rejected = decode(no_bytes, SOURCES)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "decoder_error"
    assert rejected.coordinates == Coordinates("waitline.events", 0, 7)


def test_headers_are_kept_as_evidence() -> None:
    event = event_of(ANN, headers=[("traceparent", b"00-ab-cd-01")])
    assert event.headers == (("traceparent", "00-ab-cd-01"),)


def test_numbers_are_kept_as_they_were_said() -> None:
    big = 123456789012345678901234567890
    event = event_of({**ANN, "payload": {"big": big, "price": 19.99, "whole": 30.0}})
    assert event.payload_text == f'{{"big":{big},"price":19.99,"whole":30.0}}'


def test_a_text_that_only_looks_like_nul_is_kept() -> None:
    event = event_of({**ANN, "payload": {"path": "C:\\u0000"}})
    assert event.payload == {"path": "C:\\u0000"}


def test_a_key_may_repeat_below_the_envelope() -> None:
    value = b'{"event":"e","email":"a@b.c","payload":{"id":1,"email":"x","id":2},"x":{"id":1}}'
    event = decode(Record(value=value), SOURCES)
    assert isinstance(event, Event)
    assert event.payload == {"id": 2, "email": "x"}


@pytest.mark.parametrize(
    "name", ["waitline.contact.created", "resend:email.opened", "sendrealm.x", "contact.created"]
)
def test_the_topics_accept_system_names(name: str) -> None:
    event = event_of({**ANN, "event": name})
    assert (event.name, event.is_contact_event) == (name, False)
