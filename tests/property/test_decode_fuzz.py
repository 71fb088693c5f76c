"""E5: whatever the bytes, the decoder answers, in time, and what it lets pass can be stored.

Ten thousand records a run: known poison and good events, cut and mended at random, and noise.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from pydantic_core import from_json

from state.event import CONTACT_EVENTS, RAW_MAX, Coordinates, Decoded, Event, Rejected, Tombstone
from state.instant import FIRST, LAST
from stream.decoding.cloudevents import ATTRIBUTES
from stream.decoding.decode import HEADER_TEXT_MAX, HEADERS_MAX, RECORD_MAX, Sources, decode
from stream.decoding.document import DEPTH_MAX
from stream.decoding.unreadable import REASONS
from tests.poison.shape import STRUCTURED, Headers
from tests.poison.shapes import CONTACTS, EVENTS
from tests.records import Record

SOURCES = Sources("1", frozenset({"waitline.contacts"}))
TOPICS = {"waitline.events": EVENTS, "waitline.contacts": CONTACTS}

#: What one decode may take of the processor, in seconds, and how often it may try.
CPU_MAX = 0.05
TRIES = 3
#: How long a machine that has nothing else to do parses the worst record that is known.
PARSED_IN = 0.011
LISTS = b",".join([b"[" * 28 + b"]" * 28] * 4590)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return what some work takes of the processor; the collector's share is not the record's."""
    gc.disable()
    try:
        began = time.thread_time()
        work()
        return time.thread_time() - began
    finally:
        gc.enable()


def slowness() -> float:
    """Return how much slower the machine is now: it is shared, and what others take counts."""
    return max(1.0, cpu_seconds(lambda: from_json(b"[%s]" % LISTS)) / PARSED_IN)


# --- what is decoded ------------------------------------------------------------------------------

PIECES = st.sampled_from([
    *(b"[", b"]", b"{", b"}", b'"', b":", b",", b"\\", b" ", b"\n", b"\x00", b"\xff", b"\xed\xa0"),
    *(b"\\u0000", b"\\ud83d", b"\\ude00", b"\\u0065", b"NaN", b"-Infinity", b"1e400", b"-0", b"0"),
    *(b"null", b"true", b'""', b"{}", b"[]", b"9" * 20, b"9" * 5000, b"[" * 40, b'{"a":' * 40),
    *(b'"id":1,', b'"event":"e",', b'"email":"a@b.c",', b'"payload":{},', b'"from":{},', b"//"),
    *(b"\xef\xbb\xbf", b"\x1f\x8b", b"\xf0\x9f\x98\x80", b"\xc2\x85", b"10000-01-01T00:00:00Z"),
])  # fmt: skip
CUT = st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES | st.binary(max_size=4))
#: Half of the records are left whole: what nobody could parse tells little of what comes later.
CUTS = st.just([]) | st.lists(CUT, min_size=1, max_size=3)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "ce_specversion", "ce_id", "CE_type", "ce_source", "x"])
        | st.sampled_from([f"ce_{name}" for name in ATTRIBUTES.values()])
        | st.text(max_size=5),
        st.sampled_from([None, b"", b"1.0", b"e", b"a@b.c", b"application/cloudevents+json"])
        | st.binary(max_size=8),
    ),
    max_size=4,
)
FIELDS = st.sampled_from([
    *("id", "event", "occurred_at", "payload", "specversion", "source", "type", "time", "data"),
    *("contact_id", "external_id", "email", "phone", "anonymous_id", "contactid", "data_base64"),
    *("from", "properties", "time_zone", "topic", "first_name", "unsubscribed", "caused_by"),
])  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from([
        *("", " ", "a@b.c", "e", "contact.updated", "contact.merged", "+33612345678", "1.0"),
        *("2026-11-22T10:00:00Z", "2026-11-22", "0001-01-02T00:00:00Z", "UTC", "null", "e30="),
        *("x" * 256, "x" * 513, "\x00", "\n", "\x85", "é" * 255, "0" * 36, "\ud83d"),
    ])
)  # fmt: skip
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(FIELDS, SCALARS, max_size=3)
DOCUMENTS = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["e", *sorted(CONTACT_EVENTS)]),
        "email": st.just("a@b.c"),
    },
    optional={"payload": st.dictionaries(FIELDS, VALUES, max_size=3)},
)
CHANGES = st.just({}) | st.dictionaries(FIELDS, VALUES, min_size=1, max_size=2)


BINARY: Headers = [
    (f"ce_{name}", text)
    for name, text in {
        "specversion": b"1.0",
        "id": b"1",
        "source": b"s",
        "type": b"e",
        "email": b"a@b.c",
    }.items()
]


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Draw a record: poison or an event with some of its fields replaced, then cut and mended."""
    topic = draw(st.sampled_from(list(TOPICS)))
    value: bytes | None
    headers: Headers
    source = draw(st.integers(0, 3))
    if source == 0:
        shape = draw(st.sampled_from(SMALL[topic]))
        value, headers = shape.value, shape.headers
    elif source == 1:
        value, headers = draw(st.binary(max_size=60)), ()
    else:
        document = draw(DOCUMENTS) | draw(CHANGES)
        value = json.dumps(document).encode("utf-8", "surrogatepass")
        headers = draw(st.sampled_from([(), (), STRUCTURED, BINARY]))
        if headers is STRUCTURED:
            value = value.replace(b'"event"', b'"specversion":"1.0","id":"1","source":"s","type"')
            value = value.replace(b'"payload"', b'"data"')
    if value is not None:
        value = mended(value, draw(CUTS))
    headers = [*headers, *draw(st.just([]) | HEADERS)]
    key = draw(st.sampled_from([None, b"", b"\xff"]))
    return Record(topic, 3, 41, draw(st.sampled_from(TIMES)), key, value, headers)


TIMES = [1_795_341_600_000, -1, 0, 2**63 - 1]
SMALL = {
    topic: [shape for shape in shapes if len(shape.value or b"") < 10_000]
    for topic, shapes in TOPICS.items()
}


def mended(value: bytes, cuts: Sequence[tuple[float, int, bytes]]) -> bytes:
    """Return bytes with some runs of them replaced, wherever that is."""
    for where, length, piece in cuts:
        at = int(where * len(value))
        value = value[:at] + piece + value[at + length :]
    return value


# --- what must hold of the answer -----------------------------------------------------------------


def decoded_in_time(record: Record) -> Decoded:
    """Decode a record; one of some tries must not take long."""
    spent = []
    for _ in range(TRIES):
        took = cpu_seconds(lambda: decode(record, SOURCES))
        spent.append(took if took < CPU_MAX else took / slowness())
        if spent[-1] < CPU_MAX:
            return decode(record, SOURCES)
    raise AssertionError(f"{len(record.value or b'')} bytes take {min(spent):.3f} s at best")


def check(record: Record) -> None:
    decoded = decoded_in_time(record)
    assert decoded.coordinates == Coordinates(record.topic, 3, 41)
    match decoded:
        case Tombstone():
            assert record.value is None
        case Rejected():
            check_rejected(decoded, record.value or b"")
        case Event():
            assert record.value is not None
            check_event(decoded)


def check_rejected(rejected: Rejected, value: bytes) -> None:
    """It says why, keeps the evidence, and can be stored."""
    assert rejected.reason in REASONS - {"decoder_error"}, rejected
    assert rejected.detail
    assert rejected.raw == value[:RAW_MAX]
    assert rejected.sha256 == sha256(value).digest()
    assert_storable(rejected.detail, rejected.fingerprint, rejected.event_id or "", longest=2000)
    assert_headers(rejected.headers)
    assert rejected.recorded_at.utcoffset() is not None


def check_event(event: Event) -> None:
    """All of it is text that Postgres takes, within the limits of rule E6."""
    assert 0 < len(event.identifiers) <= 5
    assert min(len(event.id), len(event.source), len(event.name)) > 0
    assert_storable(event.id, event.source, event.name, longest=255)
    assert_storable(*(one.value for one in event.identifiers), longest=512)
    assert_headers(event.headers)
    assert FIRST <= event.occurred_at <= LAST
    assert json.loads(event.payload_text) == event.payload
    assert json.dumps(event.payload, ensure_ascii=False) == json.dumps(
        json.loads(event.payload_text), ensure_ascii=False
    ), "what is read live is in the order of what is stored"
    event.payload_text.encode()
    assert_plain(event.payload, DEPTH_MAX)


def assert_headers(headers: Sequence[tuple[str, str]]) -> None:
    assert len(headers) <= HEADERS_MAX
    texts = [text for header in headers for text in header]
    assert_storable(*texts, longest=4 * HEADER_TEXT_MAX)


def assert_storable(*texts: str, longest: int) -> None:
    for text in texts:
        text.encode()
        assert "\x00" not in text
        assert len(text) <= longest


def assert_plain(value: object, depth: int) -> None:
    """See that there is no NUL in a value, no endless number, and no more levels than that."""
    assert depth > 0 or not isinstance(value, Mapping | list)
    if isinstance(value, str):
        assert "\x00" not in value
    elif isinstance(value, float):
        assert value - value == 0
    elif isinstance(value, Mapping):
        for key, each in value.items():
            assert_plain(key, depth)
            assert_plain(each, depth - 1)
    elif isinstance(value, list):
        for each in value:
            assert_plain(each, depth - 1)


# --- the runs -------------------------------------------------------------------------------------


@pytest.mark.timeout(600)
@settings(max_examples=10_000, suppress_health_check=list(HealthCheck))
@given(records())
def test_no_bytes_are_beyond_the_decoder(record: Record) -> None:
    """E5, E6: 10,000 a run: never an exception, never long, nothing that cannot be stored."""
    check(record)


UNITS = [
    *(b"[]", b"{}", b"0", b"-0.0", b'""', b"null", b"1e400", b'{"":0}', b'{"b":0,"a":[]}'),
    *(b"[" * 20 + b"]" * 20, b'{"a":' * 20 + b"0" + b"}" * 20, b"9" * 300, b"0." + b"9" * 300),
    *(b'"\\u0000"', b'"\\\\u0000"', b'"\\u0065"', b'"Infinity"', b'"NaN"', b"NaN", b'{"id":1}'),
    *(b'"' + b"\\\\" * 200 + b'"', b'{"email":[{"email":"","from":{}}]}', '"é\U0001f600"'.encode()),
]  # fmt: skip
KEYED = ["k", "id", "email", "\\u0069d", "", "é"]
HEADS = [
    b'{"event":"e","email":"a@b.c","payload":{"x":[%s]}}',
    b'{"event":"e","email":"a@b.c","x":[%s]}',
    b'{"event":"contact.updated","email":"a@b.c","payload":{"properties":{%s}}}',
    b'{"event":"contact.merged","email":"a@b.c","payload":{"x":[%s],"from":{"email":"b@b.c"}}}',
    b'{"specversion":"1.0","id":"1","source":"s","type":"e","email":"a@b.c","data":{"x":[%s]}}',
    b'{"event":"e","email":"a@b.c",%s}',
    b"[%s]",
    b"%s",
]


class Large(bytes):
    """Bytes that are told of in short."""

    def __repr__(self) -> str:
        return f"{len(self)} bytes, {self[:60]!r} to {self[-20:]!r}"


@st.composite
def large_records(draw: st.DrawFn) -> Record:
    """Draw a record of almost the largest size, one thing over and over, perhaps broken."""
    head = draw(st.sampled_from(HEADS))
    size = draw(st.sampled_from([RECORD_MAX, RECORD_MAX // 4, 40_000])) - len(head) - 64
    units = draw(st.lists(st.sampled_from(UNITS), min_size=1, max_size=3))
    if b"{%s}" in head or b",%s}" in head:
        key = draw(st.sampled_from(KEYED))
        units = [b'"%s":%s' % (key.encode(), unit) for unit in units]
    joined = b",".join(units)
    times = size // (len(joined) + 1)
    many = b",".join([joined] * max(times, 1))
    value = mended(head.replace(b"%s", many), draw(CUTS))
    topic = draw(st.sampled_from(list(TOPICS)))
    headers = draw(st.sampled_from([(), STRUCTURED, BINARY]))
    return Record(topic, 3, 41, TIMES[0], None, Large(value[: RECORD_MAX + 1]), headers)


@pytest.mark.timeout(600)
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(large_records())
def test_no_size_up_to_the_limit_takes_long(record: Record) -> None:
    """E6: a record of 256 KiB, whatever it repeats, costs the loop less than 50 ms."""
    check(record)


def distinct(pattern: str, head: bytes) -> bytes:
    """Return a document with as many different members as there is room for."""
    members = ",".join(pattern % (number, number) for number in range(RECORD_MAX))
    room = RECORD_MAX - len(head)
    return head.replace(b"%s", members[: members.rindex(",", 0, room)].encode())


WORST = {
    "lists in lists": HEADS[0] % LISTS,
    "empty lists": HEADS[0] % b",".join([b"[]"] * 87_000),
    "empty objects": HEADS[0] % b",".join([b"{}"] * 87_000),
    "objects in objects": HEADS[0] % b",".join([b'{"a":' * 28 + b"1" + b"}" * 28] * 1500),
    "disordered objects": HEADS[0] % b",".join([b'{"b":0,"a":0}'] * 18_000),
    "keys": distinct('"k%d":%d', HEADS[5]),
    "escaped keys": distinct('"\\u006b%d":%d', HEADS[5]),
    "properties": distinct('"k%d":%d', HEADS[2]),
    "wrong properties": distinct('"k%d":[%d]', HEADS[2]),
    "two ids among them": distinct('"k%d":%d', b'{"id":"1","id":"2","event":"e",%s}'),
    "one endless number": HEADS[0] % (b",".join([b"[]"] * 86_000) + b",NaN"),
    "one half of a pair": HEADS[0] % (b",".join([b"[]"] * 86_000) + b',"\\ud83d"'),
    "backslashes": HEADS[0] % (b'"' + b"\\\\" * 130_000 + b'"'),
    "escaped NULs that are none": HEADS[0] % b",".join([b'"\\\\u0000"'] * 26_000),
    "not an end": HEADS[0] % b",".join([b"[]"] * 86_000)[:-1],
}


@pytest.mark.parametrize("value", WORST.values(), ids=WORST)
@pytest.mark.parametrize("topic", TOPICS)
def test_the_worst_that_is_known_takes_less_than_its_share(topic: str, value: bytes) -> None:
    """E6: shapes that once took up to a third of a second."""
    assert len(value) <= RECORD_MAX
    check(Record(topic, 3, 41, value=value.replace(b'"event":"e"', NAMES[topic])))


NAMES = {"waitline.events": b'"event":"e"', "waitline.contacts": b'"event":"contact.created"'}


@pytest.mark.parametrize("topic", TOPICS)
def test_many_headers_take_less_than_their_share(topic: str) -> None:
    """E6: as many as a record has room for, CloudEvents' among them."""
    value = b'{"event":"contact.updated","email":"a@b.c"}'
    for headers in ([("x", b"")] * 80_000, [("ce_x", b"")] * 40_000, [("", None)] * 120_000):
        check(Record(topic, 3, 41, value=value, headers=headers))
