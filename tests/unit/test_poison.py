"""What has stopped other consumers: each shape is rejected with its reason, its neighbours live.

E5: what cannot be understood is quarantined with a reason; the offset moves on.
"""

from collections import Counter

import pytest

from state.event import RAW_MAX, Event, Rejected, Tombstone
from stream.decoding.decode import Sources, decode
from stream.decoding.unreadable import REASONS
from tests.poison.shape import FINE, LATER, TOMBSTONE, Shape
from tests.poison.shapes import CONTACTS, EVENTS
from tests.records import Record, event_record

SOURCES = Sources("1", frozenset({"waitline.contacts"}))
TOPICS = {"waitline.events": EVENTS, "waitline.contacts": CONTACTS}
CASES = [
    pytest.param(topic, shape, id=f"{topic.removeprefix('waitline.')}: {shape.name}")
    for topic, shapes in TOPICS.items()
    for shape in shapes
]


@pytest.mark.parametrize(("topic", "shape"), CASES)
def test_poison_is_rejected_with_its_reason(topic: str, shape: Shape) -> None:
    """E5, E6, E2: never an exception, always a reason, the field and what was expected."""
    record = Record(topic, 3, 41, key=shape.key, value=shape.value, headers=shape.headers)
    decoded = decode(record, SOURCES)
    assert decoded.coordinates == (topic, 3, 41)
    if shape.reason == TOMBSTONE:
        assert isinstance(decoded, Tombstone)
    elif shape.reason in {FINE, *LATER}:
        assert isinstance(decoded, Event), decoded
    else:
        assert isinstance(decoded, Rejected), decoded
        assert decoded.reason == shape.reason, decoded.detail
        assert shape.said in decoded.detail
        if ": " in shape.said:
            assert decoded.detail.startswith(shape.said), "the field comes first"
        assert decoded.raw == (shape.value or b"")[:RAW_MAX]


@pytest.mark.parametrize("shapes", TOPICS.values(), ids=TOPICS)
def test_there_are_many_shapes_and_each_once(shapes: list[Shape]) -> None:
    """E5: at least 60 that are set aside, for every reason that a record's bytes can give."""
    poison = [shape for shape in shapes if shape.reason not in {FINE, TOMBSTONE}]
    assert len(poison) >= 60
    assert [name for name, times in Counter(one.name for one in shapes).items() if times > 1] == []
    records = Counter((one.value, tuple(one.headers), one.key) for one in shapes)
    assert [value for (value, *_), times in records.items() if times > 1 and value] == []


def test_every_reason_is_met() -> None:
    """E5: the list of reasons is closed; those that no bytes can give have tests of their own."""
    met = {shape.reason for shape in [*EVENTS, *CONTACTS]} - {FINE, TOMBSTONE, *LATER}
    assert met == REASONS - {"unreadable_record", "decoder_error"}


def test_poison_does_not_touch_its_neighbours() -> None:
    """E5: the offset moves on."""
    good = event_record({"event": "e", "email": "ann@example.com"})
    before = decode(good, SOURCES)
    for topic, shapes in TOPICS.items():
        for shape in shapes:
            decode(Record(topic, value=shape.value, headers=shape.headers), SOURCES)
    assert isinstance(before, Event)
    assert decode(good, SOURCES) == before


@pytest.mark.parametrize(
    "strange",
    [
        {"key": b"k" * 200_000},
        {"key": b"\xff\x00"},
        {"headers": [("a", b"1"), ("a", b"2"), ("a", None)]},
        {"headers": [("", b""), ("\U0001f600", b"\xff")]},
        {"headers": [(f"h{n}", b"v" * 100) for n in range(1000)]},
        {"timestamp": -1},
        {"timestamp": 400_000_000_000_000},
        {"offset": 2**63 - 1},
    ],
    ids=lambda strange: next(iter(strange)),
)
def test_strange_surroundings_do_not_spoil_an_event(strange: dict[str, object]) -> None:
    """E1: the record's key is not read; headers are only kept, within bounds."""
    decoded = decode(event_record({"event": "e", "email": "ann@example.com"}, **strange), SOURCES)
    assert isinstance(decoded, Event)
    assert len(decoded.headers) <= 64
    assert all("\x00" not in text for header in decoded.headers for text in header)


def test_what_a_producer_wrote_is_never_in_the_detail() -> None:
    """E5: details are for logs and fingerprints; values may be personal."""
    secret = "PII_CANARY"
    for kind in ("contact_id", "phone", "occurred_at"):
        rejected = decode(event_record({"event": "e", "email": "a@b.c", kind: secret}), SOURCES)
        assert isinstance(rejected, Rejected)
        assert secret not in rejected.detail
    for payload in ({"email": secret}, {"time_zone": secret}, {"properties": {secret: [secret]}}):
        document = {"event": "contact.updated", "email": "a@b.c", "payload": payload}
        rejected = decode(event_record(document, topic="waitline.contacts"), SOURCES)
        assert isinstance(rejected, Rejected)
        assert secret not in rejected.detail
