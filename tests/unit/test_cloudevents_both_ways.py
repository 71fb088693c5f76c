"""E2: what the official SDK writes is read, and what we write the official SDK reads.

Both of its interfaces are in use: the older one writes structured events without their media type.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import kafka as official
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import kafka as older
from cloudevents.v1.http import CloudEvent as OlderEvent
from msgspec.structs import replace

from state.event import Event
from stream.announcement import check
from stream.config import Settings
from stream.decoding.decode import Sources, decode
from stream.wire_form import Way, WireForm
from tests.records import Record, event_record

SOURCES = Sources("1", frozenset({"waitline.contacts"}))
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
BOTH = pytest.mark.parametrize("form", [WireForm.CLOUDEVENTS, WireForm.CLOUDEVENTS_BINARY])

PAYLOAD = {"order_id": "o-1", "total": 30.5, "lines": [{"sku": "é", "n": 1}], "note": None}
PLAIN = {
    "id": "evt_1",
    "event": "order.completed",
    "occurred_at": "2026-11-22T09:00:00.123456+01:00",
    "contact_id": "0b0e7e9e-5d1b-4e1c-8f6b-2c7b8a3f9a10",
    "external_id": "u-é",
    "email": "Ann@Example.com",
    "phone": "+33 612345678",
    "anonymous_id": "a-1",
    "payload": PAYLOAD,
}
ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": "evt_1",
    "source": "waitline.events",
    "type": "order.completed",
    "time": PLAIN["occurred_at"],
    "datacontenttype": "application/json",
    "contactid": PLAIN["contact_id"],
    "externalid": "u-é",
    "email": "Ann@Example.com",
    "phone": "+33 612345678",
    "anonymousid": "a-1",
}


def by_official(write: Any, **change: object) -> Record:
    time = datetime.fromisoformat(ATTRIBUTES["time"])
    return received(write(CloudEvent({**ATTRIBUTES, "time": time, **change}, PAYLOAD)))


def by_older(write: Any, **change: object) -> Record:
    return received(write(OlderEvent({**ATTRIBUTES, **change}, PAYLOAD)))


def received(message: Any) -> Record:
    return Record(value=message.value, headers=list(message.headers.items()))


def event_of(record: Record) -> Event:
    decoded = decode(record, SOURCES)
    assert isinstance(decoded, Event), decoded
    return replace(decoded, raw=b"", headers=())


WRITTEN = {
    "official, structured": lambda **change: by_official(official.to_structured_event, **change),
    "official, binary": lambda **change: by_official(official.to_binary_event, **change),
    "older, structured": lambda **change: by_older(older.to_structured, **change),
    "older, binary": lambda **change: by_older(older.to_binary, **change),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_what_the_official_sdk_writes_is_the_plain_event(written: Any) -> None:
    """E2, E1, E4: of the topic as source, it is the very event, by key and by body."""
    assert event_of(written()) == event_of(event_record(PLAIN))
    elsewhere = event_of(written(source="/shop"))
    assert elsewhere.key != event_of(event_record(PLAIN)).key
    assert elsewhere.body_hash == event_of(event_record(PLAIN)).body_hash


def test_a_structured_event_without_its_media_type_is_told_by_its_body() -> None:
    """E2: the older SDK writes none, or the data's; what has an `event` stays a plain one."""
    bare = by_older(older.to_structured)
    assert dict(bare.headers) == {"content-type": b"application/json"}
    assert event_of(bare._replace(headers=[])) == event_of(bare)
    plain = event_of(event_record({**PLAIN, "specversion": "0.3", "type": "other"}))
    assert plain == event_of(event_record(PLAIN))


def published(form: WireForm, source: str | None = None, **change: object) -> Any:
    checked = check({**PLAIN, **change}, Settings(), NOW, Way(form=form, source=source))
    assert checked.event_id == "evt_1"
    return checked.record


def told(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes but for the key, which the SDK adds, with the time as it was written."""
    read = dict(attributes) | {"datacontenttype": "application/json"}
    read.pop("partitionkey")
    if isinstance(read["time"], datetime):
        read["time"] = read["time"].isoformat()
    return read


@BOTH
def test_the_official_sdk_reads_what_we_publish(form: WireForm) -> None:
    """E2: attribute for attribute, and the data as it was."""
    record = published(form)
    message = official.KafkaMessage(dict(record.headers), record.key, record.value)
    is_binary = form is WireForm.CLOUDEVENTS_BINARY
    read = official.from_binary_event if is_binary else official.from_structured_event
    for event in (read(message), official.from_kafka_event(message)):
        assert told(event.get_attributes()) == ATTRIBUTES
        assert event.get_data() == PAYLOAD
    is_older = older.from_binary if is_binary else older.from_structured
    event = is_older(older.KafkaMessage(dict(record.headers), record.key, record.value))
    assert told(event.get_attributes()) == ATTRIBUTES
    assert event.get_data() == PAYLOAD


@BOTH
@pytest.mark.parametrize("source", [None, "/shop"])
def test_we_read_what_we_publish(form: WireForm, source: str | None) -> None:
    """E1, E2: a CloudEvent whose source is the topic is the plain event of its id."""
    record = published(form, source)
    read = event_of(Record(value=record.value, headers=record.headers, key=record.key))
    plain = event_of(event_record(PLAIN))
    assert (read.key == plain.key) == (source is None)
    assert replace(read, key=plain.key, source=plain.source) == plain


@BOTH
def test_an_event_of_few_words_is_published_as_a_cloudevent_too(form: WireForm) -> None:
    """E2: what is absent is left out; keys that are not the envelope's never become extensions."""
    few = {"id": "1", "event": "e", "email": "a@x.io", "occurred_at": None, "note": {"x": 1}}
    record = check(few, Settings(), NOW, Way(form=form)).record
    read = event_of(Record(value=record.value, headers=record.headers, key=record.key))
    assert read == event_of(event_record(few))
    assert b"note" not in record.value
    message = official.KafkaMessage(dict(record.headers), record.key, record.value)
    event = official.from_kafka_event(message)
    assert event.get_data() == {}
    names = set(event.get_attributes()) - {"time"}  # the SDK makes one up where there is none
    assert names == {
        *("datacontenttype", "email", "id", "partitionkey", "source", "specversion", "type"),
    }


@BOTH
def test_a_contact_event_may_be_published_as_a_cloudevent(form: WireForm) -> None:
    """E2: it goes to the contacts topic, which is its source then."""
    payload = {"time_zone": "Europe/Paris", "properties": {"plan": "pro"}}
    record = published(form, event="contact.updated", payload=payload)
    assert record.topic == "waitline.contacts"
    read = event_of(
        Record(topic=record.topic, value=record.value, headers=record.headers, key=record.key)
    )
    assert (read.source, read.payload) == ("waitline.contacts", payload)
