"""What has stopped other consumers: each shape is rejected with its reason, its neighbours live.

E5: what cannot be understood is quarantined with a reason; the offset moves on.
"""

import pytest

from state.event import Event, Rejected
from stream.decoding.decode import Sources, decode
from tests.records import Record, event_record

SOURCES = Sources("1", frozenset({"waitline.contacts"}))


def plain(more: str) -> bytes:
    return ('{"event":"e","email":"ann@example.com",' + more + "}").encode()


POISON: dict[str, tuple[bytes, str, str]] = {
    # --- bytes that are no text
    "no bytes": (b"", "empty", "the value has no bytes"),
    "bad UTF-8": (plain('"payload":{"a":"?"}').replace(b"?", b"\xff"), "not_utf8", "UTF-8"),
    "overlong UTF-8": (b'{"event":"\xc0\xae"}', "not_utf8", "UTF-8"),
    "a surrogate in UTF-8": (b'{"event":"\xed\xa0\x80"}', "not_utf8", "UTF-8"),
    "Latin-1": ('{"event":"café"}'.encode("latin-1"), "not_utf8", "UTF-8"),
    "UTF-16": ('{"event":"e"}'.encode("utf-16"), "not_utf8", "UTF-8"),
    "UTF-16 without a mark": ('{"event":"e"}'.encode("utf-16-le"), "not_json", ""),
    "UTF-32": ('{"event":"e"}'.encode("utf-32-be"), "not_json", ""),
    "a byte order mark": (b"\xef\xbb\xbf" + plain('"x":1'), "not_json", "expected value"),
    "gzip": (b"\x1f\x8b\x08\x00" + b"\x00" * 8, "not_utf8", "UTF-8"),
    "Avro with a schema id": (b"\x00\x00\x00\x00\x2a\x06abc", "not_json", "expected value"),
    # --- text that is no JSON
    "words": (b"hello", "not_json", "expected value"),
    "spaces": (b"  \n", "not_json", "EOF"),
    "cut off": (plain('"x":1')[:-1], "not_json", "EOF"),
    "two documents": (plain('"x":1') * 2, "not_json", "trailing characters"),
    "lines of documents": (b"{}\n{}\n", "not_json", "trailing characters"),
    "a trailing comma": (b'{"event":"e",}', "not_json", "trailing comma"),
    "single quotes": (b"{'event':'e'}", "not_json", "key must be a string"),
    "a comment": (b'{"event":"e"/* */}', "not_json", ""),
    "a raw NUL": (plain('"x":"a\x00b"'), "not_json", "control character"),
    "a raw newline": (plain('"x":"a\nb"'), "not_json", "control character"),
    "a bad escape": (plain('"x":"\\x41"'), "not_json", "invalid escape"),
    "a leading zero": (plain('"x":01'), "not_json", "invalid number"),
    "NaN": (plain('"payload":{"x":NaN}'), "not_json", "expected value"),
    "Infinity": (plain('"payload":{"x":Infinity}'), "not_json", "expected value"),
    "-Infinity": (plain('"payload":{"x":-Infinity}'), "not_json", ""),
    # --- JSON that nobody can store or agree on
    "an escaped NUL": (plain('"payload":{"x":"a\\u0000b"}'), "bad_character", "NUL"),
    "an escaped NUL after a backslash": (plain('"x":"\\\\\\u0000"'), "bad_character", "NUL"),
    "an escaped NUL in a key": (plain('"payload":{"\\u0000":1}'), "bad_character", "NUL"),
    "a high surrogate": (plain('"payload":{"x":"\\ud83d"}'), "bad_character", "surrogate"),
    "a low surrogate": (plain('"payload":{"x":"\\ude00"}'), "bad_character", "surrogate"),
    "surrogates swapped": (plain('"x":"\\ude00\\ud83d"'), "bad_character", "surrogate"),
    "an integer of 5,000 digits": (plain(f'"x":{"9" * 5000}'), "bad_number", "4300 digits"),
    "a number beyond floats": (plain('"payload":{"x":1e400}'), "bad_number", "64-bit float"),
    "a number below floats": (plain('"payload":{"x":[-1e999]}'), "bad_number", "64-bit float"),
    "two ids": (plain('"id":"1","id":"2"'), "duplicate_key", "id"),
    "two ids, one escaped": (plain('"id":"1","\\u0069d":"2"'), "duplicate_key", "id"),
    "two ids, one spaced": (plain('"id":"1", "id" : "2"'), "duplicate_key", "id"),
    "two events": (plain('"event":"f"'), "duplicate_key", "event"),
    "two persons": (plain('"email":"bob@example.com"'), "duplicate_key", "email"),
    "arrays 33 deep": (plain(f'"payload":{{"x":{"[" * 31}{"]" * 31}}}'), "too_deep", "32 levels"),
    "objects 33 deep": (plain('"x":' + '{"a":' * 32 + "1" + "}" * 32), "too_deep", "32 levels"),
    "100,000 arrays": (b"[" * 100_000, "too_deep", "32 levels"),
    "100,000 arrays in an event": (plain('"x":' + "[" * 100_000), "too_deep", "32 levels"),
    "100,000 objects": (b'{"a":' * 50_000, "too_deep", "32 levels"),
    "1 MB": (plain(f'"x":"{"x" * 1_000_000}"'), "too_large", "262144 bytes"),
    # --- JSON that is no event
    "an array": (b"[" + plain('"x":1') + b"]", "not_an_object", "object"),
    "a string": (b'"order.completed"', "not_an_object", "object"),
    "a number": (b"42", "not_an_object", "object"),
    "true": (b"true", "not_an_object", "object"),
    "null": (b"null", "not_an_object", "object"),
    "an empty object": (b"{}", "bad_field", "event: expected a string"),
    "no name": (b'{"email":"ann@example.com"}', "bad_field", "event: expected a string"),
    "a null name": (b'{"event":null,"email":"a@b.c"}', "bad_field", "event:"),
    "an empty name": (b'{"event":"","email":"a@b.c"}', "bad_field", "event:"),
    "a long name": (b'{"event":"%s","email":"a@b.c"}' % (b"n" * 256), "bad_field", "event:"),
    "a name with a newline": (b'{"event":"a\\nb","email":"a@b.c"}', "bad_field", "event:"),
    "a name with C1": (b'{"event":"a\\u0085b","email":"a@b.c"}', "bad_field", "event:"),
    "a number as name": (b'{"event":1,"email":"a@b.c"}', "bad_field", "event:"),
    "a number as id": (plain('"id":5'), "bad_field", "id: expected a string"),
    "an empty id": (plain('"id":""'), "bad_field", "id: expected a string"),
    "a long id": (plain(f'"id":"{"i" * 256}"'), "bad_field", "id: expected a string"),
    "a time without offset": (plain('"occurred_at":"2026-11-22T10:00:00"'), "bad_field", "offset"),
    "a time in milliseconds": (plain('"occurred_at":1795341600000'), "bad_field", "occurred_at"),
    "the year 10000": (plain('"occurred_at":"10000-01-01T00:00:00Z"'), "bad_field", "occurred_at"),
    "an array as payload": (plain('"payload":[]'), "bad_field", "payload: expected an object"),
    "a string as payload": (plain('"payload":"{}"'), "bad_field", "payload: expected an object"),
    "an object as e-mail": (b'{"event":"e","email":{"a":1}}', "bad_field", "email: expected"),
    "nobody": (b'{"event":"e"}', "no_identifier", "at least one of"),
    "only nulls": (b'{"event":"e","email":null}', "no_identifier", "at least one of"),
}  # fmt: skip


@pytest.mark.parametrize("shape", POISON)
def test_poison_is_rejected_with_its_reason(shape: str) -> None:
    """E5, E6: never an exception, always a reason and what was expected."""
    value, reason, said = POISON[shape]
    rejected = decode(Record(value=value), SOURCES)
    assert isinstance(rejected, Rejected), rejected
    assert rejected.reason == reason, rejected.detail
    assert said in rejected.detail


def test_poison_does_not_touch_its_neighbours() -> None:
    """E5: the offset moves on."""
    good = event_record({"event": "e", "email": "ann@example.com"})
    before = decode(good, SOURCES)
    for value, _, _ in POISON.values():
        decode(Record(value=value), SOURCES)
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
