"""What holds for every record, whatever its bytes."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import hypothesis.strategies as st
import jsonschema
from hypothesis import example, given
from pydantic import BaseModel, ValidationError

from state.event import KINDS, Coordinates, Event, Rejected, Tombstone
from stream.decoding.cloudevents import ATTRIBUTES
from stream.decoding.decode import RECORD_MAX, Sources, decode
from stream.decoding.envelope import CAUSE, HOPS_READ_MAX
from stream.decoding.schemas import schemas
from stream.decoding.wire import CloudEvent, ContactEvent, Event as EventForm
from tests.records import Record, event_record

SOURCES = Sources("1", frozenset({"waitline.contacts"}))
TOPICS = st.sampled_from(["waitline.events", "waitline.contacts"])
EVENT_SCHEMA = jsonschema.Draft202012Validator(json.loads(schemas()["event.schema.json"]))
STRUCTURED = [("content-type", b"application/cloudevents+json")]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(texts, below, max_size=3)
)
payloads = st.dictionaries(texts, values, max_size=4)
headers = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "ce_specversion", "ce_id", "CE_type", "x"]) | texts,
        st.none() | st.binary(max_size=20) | st.just(b"application/cloudevents+json"),
    ),
    max_size=4,
)

short = texts.filter(str.strip)

#: What each field may hold, and what it may not.
GOOD: dict[str, st.SearchStrategy[object]] = {
    "id": st.sampled_from(["evt_1", " ", "i" * 255]),
    "event": st.sampled_from(["order.completed", "n" * 255, " ", "\xa0é\U0001f600"]),
    "occurred_at": st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
    | st.sampled_from(["2026-11-22t10:00:00.123456789+05:30", "2016-12-31T23:59:60Z"]),
    "payload": payloads,
    "contact_id": st.uuids().map(str) | st.uuids().map(str).map(str.upper),
    "external_id": short | st.just("x" * 512),
    "email": st.emails() | st.sampled_from([" ANN@example.com ", "null", "Andre\u0301@e.com"]),
    "phone": st.sampled_from(["+33612345678", "0033 612 345 678", "+1 (555) 010-9999"]),
    "anonymous_id": short,
    "caused_by": st.fixed_dictionaries(
        {name: st.sampled_from(["a", "b/c", "x" * 255]) for name in CAUSE}, optional={"more": texts}
    ),
    "hops": st.integers(0, HOPS_READ_MAX),
}
BAD: dict[str, st.SearchStrategy[object]] = {
    "id": st.sampled_from(["", "i" * 256]),
    "event": st.sampled_from(["", "a\nb", "n" * 256, "\x85", None]),
    "occurred_at": st.sampled_from(["2026-11-22T10:00:00", "now", "0001-01-01T00:00:00+01:00"]),
    "payload": values,
    "contact_id": st.sampled_from(["u-1", "{0b0e7e9e-5d1b-4e1c-8f6b-2c7b8a3f9a10}", ""]),
    "external_id": st.sampled_from(["", " ", "x" * 513]),
    "email": st.sampled_from(["", " ", "@" * 513]),
    "phone": st.sampled_from(["12", "+0123456789", "0033", "+1234567890123456"]),
    "anonymous_id": st.sampled_from(["", "\t"]),
    "caused_by": st.sampled_from([{}, [], "a/b/c", dict.fromkeys(CAUSE, ""), dict.fromkeys(CAUSE)]),
    "hops": st.sampled_from([-1, 256, 1.0, True, "1"]),
}

#: Attributes of CloudEvents hold no objects, so what caused it is a text.
ATTRIBUTES_GOOD = GOOD | {"caused_by": st.sampled_from(["a/b/c", "a/b/c/d", "a/b/" + "x" * 255])}
ATTRIBUTES_BAD = BAD | {
    "caused_by": st.sampled_from(["", "a/b", "//", "a/b/", "a/b/" + "x" * 256, {}, 7])
}


@st.composite
def documents(
    draw: st.DrawFn,
    required: Sequence[str],
    good: Mapping[str, st.SearchStrategy[object]] = GOOD,
    bad: Mapping[str, st.SearchStrategy[object]] = BAD,
) -> dict[str, object]:
    """Draw an object of good fields, one of which, half the time, is spoilt."""
    optional = {name: kind | st.none() for name, kind in good.items() if name not in required}
    document = draw(
        st.fixed_dictionaries(
            {name: good[name] for name in required}, optional={**optional, "unknown": values}
        )
    )
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(good)))
        document[name] = draw(values if name not in bad else values | bad[name])
    return document


def renamed(
    fields: Mapping[str, st.SearchStrategy[object]], names: Mapping[str, str]
) -> dict[str, st.SearchStrategy[object]]:
    return {new: fields[old] for old, new in names.items()}


envelopes = documents(["event", "email"]) | documents(["event"])
cloudevents = documents(
    ["specversion", "source", "id", "type", "email"],
    {
        **renamed(ATTRIBUTES_GOOD, ATTRIBUTES),
        "specversion": st.just("1.0"),
        "source": st.sampled_from(["/shop", "s" * 255]),
    },
    {
        **renamed(ATTRIBUTES_BAD, ATTRIBUTES),
        "specversion": st.just("0.3"),
        "source": st.sampled_from(["", "s" * 256]),
    },
)
profiles = documents(
    [],
    {
        "first_name": texts,
        "email": st.sampled_from(["Ann@example.com", " a@b "]),
        "phone": GOOD["phone"],
        "external_id": GOOD["external_id"],
        "time_zone": st.sampled_from(["Europe/Paris", "UTC"]),
        "unsubscribed": st.booleans(),
        "properties": st.dictionaries(texts.filter(bool), scalars, max_size=3),
    },
    {
        "first_name": st.just("x" * 256),
        "email": st.sampled_from(["nobody", "a@b@c", "@b"]),
        "phone": BAD["phone"],
        "external_id": BAD["external_id"],
        "time_zone": st.sampled_from(["Mars/Olympus", "europe/paris"]),
        "properties": st.sampled_from([{"": 1}, {"a": []}, {"k" * 256: 1}]),
    },
)
merges = documents(
    ["from"],
    {"from": documents(["email"], {kind: GOOD[kind] for kind in KINDS})},
    {"from": documents([], {kind: GOOD[kind] for kind in KINDS})},
)
topics = documents([], {"topic": short}, {"topic": st.just("")})


def contact_events_named(
    names: Sequence[str], payload: st.SearchStrategy[object], required: Sequence[str] = ()
) -> st.SearchStrategy[dict[str, object]]:
    good = {**GOOD, "event": st.sampled_from(names), "payload": payload}
    return documents(["event", "email", *required], good)


contact_events = st.one_of(
    contact_events_named(["contact.created", "contact.updated"], profiles),
    contact_events_named(["contact.merged"], merges, ["payload"]),
    contact_events_named(["contact.subscribed", "contact.unsubscribed"], topics),
    contact_events_named(["contact.identified", "contact.deleted"], payloads),
)


def accepts(form: type[BaseModel], document: object) -> bool:
    try:
        form.model_validate(document)
    except ValidationError:
        return False
    return True


@given(
    value=st.none()
    | st.binary(max_size=200)
    | values.map(lambda value: json.dumps(value).encode()),
    headers=headers,
    key=st.none() | st.binary(max_size=10),
    timestamp=st.integers(-(2**63), 2**63 - 1),
    topic=TOPICS,
)
@example(b"[" * RECORD_MAX, [], None, 0, "waitline.events")
def test_decode_never_raises_and_never_loses_the_coordinates(value, headers, key, timestamp, topic):
    """E2, E5: every record is an event, a rejection with its reason or a tombstone, and where."""
    decoded = decode(Record(topic, 3, 41, timestamp, key, value, headers), SOURCES)
    assert decoded.coordinates == Coordinates(topic, 3, 41)
    assert isinstance(decoded, Tombstone) == (value is None)
    if isinstance(decoded, Rejected):
        assert decoded.reason not in {"", "decoder_error"}, decoded
        assert decoded.detail
        assert (value or b"").startswith(decoded.raw)


@given(envelopes | contact_events, TOPICS)
def test_no_document_is_beyond_the_decoder(document, topic):
    """E5: a bug would be a rejection as `decoder_error`."""
    decoded = decode(event_record(document, topic=topic), SOURCES)
    assert not isinstance(decoded, Rejected) or decoded.reason != "decoder_error", decoded


@given(envelopes)
def test_the_decoder_and_the_model_accept_the_same_events(document):
    """E2: the schema is generated from the model, and the model says what the decoder does."""
    accepted = isinstance(decode(event_record(document), SOURCES), Event)
    assert accepted == accepts(EventForm, document)
    if accepted:
        EVENT_SCHEMA.validate(document)


@given(cloudevents)
def test_the_decoder_and_the_model_accept_the_same_cloudevents(document):
    """E2: structured CloudEvents too."""
    accepted = isinstance(decode(event_record(document, headers=STRUCTURED), SOURCES), Event)
    assert accepted == accepts(CloudEvent, document)


@given(contact_events)
def test_the_decoder_and_the_model_accept_the_same_contact_events(document):
    """E2: contact events too."""
    accepted = isinstance(decode(event_record(document, topic="waitline.contacts"), SOURCES), Event)
    assert accepted == accepts(ContactEvent, document)


@given(envelopes, st.integers(0, 5), st.integers(0, 1000), st.integers(0, 2**41))
def test_an_event_with_an_id_keeps_its_key_wherever_it_stands(document, partition, offset, at):
    """E1, E4: key and body do not depend on coordinates, time of recording or headers."""
    document["id"] = "evt_1"
    here = decode(event_record(document), SOURCES)
    there = decode(
        event_record(
            document, partition=partition, offset=offset, timestamp=at, headers=[("h", b"v")]
        ),
        Sources("2", SOURCES.contact_topics),
    )
    assert isinstance(here, Event) == isinstance(there, Event)
    if isinstance(here, Event) and isinstance(there, Event):
        assert (here.key, here.body_hash) == (there.key, there.body_hash)


@given(payloads, st.booleans(), st.integers(0, 3))
def test_the_same_body_has_the_same_hash_however_it_is_written(payload, ascii_only, indent):
    """E4: order of keys, escapes and spaces are not part of the body."""
    document = {"event": "e", "email": "ann@example.com", "payload": payload}
    other = {"payload": dict(reversed(payload.items())), "email": "ann@example.com", "event": "e"}
    text = json.dumps(other, ensure_ascii=ascii_only, indent=indent)
    one = decode(event_record(document), SOURCES)
    two = decode(Record(value=text.encode()), SOURCES)
    assert isinstance(one, Event)
    assert isinstance(two, Event)
    assert (one.body_hash, one.payload_text) == (two.body_hash, two.payload_text)


@given(payloads, payloads)
def test_other_payloads_have_other_hashes(one, two):
    """E4: a conflict is seen."""
    first, second = (
        decode(event_record({"event": "e", "email": "a@b.c", "payload": payload}), SOURCES)
        for payload in (one, two)
    )
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (first.body_hash == second.body_hash) == same


@given(payloads)
def test_a_payload_is_kept_exactly(payload):
    """R4 needs it: what was published is what is stored, every number and letter."""
    event = decode(event_record({"event": "e", "email": "a@b.c", "payload": payload}), SOURCES)
    assert isinstance(event, Event)
    assert event.payload == payload
    assert json.loads(event.payload_text) == payload
