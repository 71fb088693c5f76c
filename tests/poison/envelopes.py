"""JSON that is no event: keys, names, ids, times and people that are none."""

from __future__ import annotations

from collections.abc import Iterator

from tests.poison.shape import ANN, FINE, STRANGER, Shape, plain, said


def keys_that_repeat(event: str) -> Iterator[Shape]:
    twice = "stands more than once"
    yield Shape("two ids", plain(event, '"id":"1","id":"2"'), "duplicate_key", f"id: {twice}")
    yield Shape("two ids, one escaped", plain(event, '"id":"1","\\u0069d":"2"'),
                "duplicate_key", f"id: {twice}")  # fmt: skip
    yield Shape("two ids, one spaced", plain(event, '"id":"1", "id" : "2"'),
                "duplicate_key", f"id: {twice}")  # fmt: skip
    yield Shape("two names", plain(event, f'"event":"{event}"'), "duplicate_key", f"event: {twice}")
    yield Shape("two payloads", plain(event, '"payload":{},"payload":{}'),
                "duplicate_key", f"payload: {twice}")  # fmt: skip
    yield Shape("eleven addresses", plain(event, ",".join(['"email":"bob@example.com"'] * 10)),
                "duplicate_key", f"email: {twice}")  # fmt: skip
    yield Shape("a list of eleven addresses", said({"event": event, "email": [ANN] * 11}),
                "bad_field", "email: expected a string")  # fmt: skip
    yield Shape("other keys that repeat", plain(event, '"x":1,"x":2,"y":{"id":1,"id":2}'), FINE)


def envelopes(event: str) -> Iterator[Shape]:
    for what, value in {
        "an array": b"[" + plain(event) + b"]",
        "a string": b'"order.completed"',
        "a number": b"42",
        "true": b"true",
        "the word null": b"null",
    }.items():
        yield Shape(what, value, "not_an_object", "expected a JSON object at the top")
    for what, name in {
        "no name": None,
        "an empty name": "",
        "a name of 256 characters": "n" * 256,
        "a name with a newline": "a\nb",
        "a name with DEL": "a\x7fb",
        "a name with C1": "a\x85b",
        "a number as name": 1,
        "true as name": True,
        "a list as name": [event],
        "an object as name": {"name": event},
    }.items():
        yield Shape(what, said({"event": name, "email": ANN}), "bad_field",
                    "event: expected a string of 1 to 255 characters")  # fmt: skip
    yield Shape("an empty object", b"{}", "bad_field", "event: expected a string")
    for what, value in _WRONG.items():
        yield Shape(f"{what} as id", said({"event": event, "email": ANN, "id": value}),
                    "bad_field", "id: expected a string of 1 to 255 characters")  # fmt: skip
        yield Shape(f"{what} as time", said({"event": event, "email": ANN, "occurred_at": value}),
                    "bad_field", "occurred_at: expected an RFC 3339 time")  # fmt: skip
    for what, value in {"": "{}", "a number": 1, "a list": [], "true": True}.items():
        yield Shape(f"{what or 'a string'} as payload",
                    said({"event": event, "email": ANN, "payload": value}),
                    "bad_field", "payload: expected an object")  # fmt: skip
    yield Shape("an empty id", plain(event, '"id":""'), "bad_field", "id: expected a string")
    yield Shape("an id of 256 characters", plain(event, f'"id":"{"i" * 256}"'), "bad_field", "id:")
    yield Shape("an id of spaces", plain(event, '"id":"  "'), FINE)
    yield Shape("nulls for all that is optional",
                plain(event, '"id":null,"occurred_at":null,"payload":null,"phone":null'),
                FINE)  # fmt: skip
    yield Shape("a key that is not UTF-8", plain(event), FINE, "", (), b"\xff\x00")
    yield Shape("a header that is not UTF-8", plain(event), FINE, "", [("x", b"\xff\x00")])
    yield Shape("one header twice and empty", plain(event), FINE, "",
                [("a", b"1"), ("a", b"2"), ("a", None), ("", b"")])  # fmt: skip


_WRONG: dict[str, object] = {"a number": 7, "true": True, "a list": ["x"], "an object": {"a": 1}}


def instants(event: str) -> Iterator[Shape]:
    for what, text in {
        "no offset": "2026-11-22T10:00:00",
        "only a date": "2026-11-22",
        "the year 0": "0000-01-01T00:00:00Z",
        "the year 10000": "10000-01-01T00:00:00Z",
        "the first day": "0001-01-01T00:00:00Z",
        "the last day": "9999-12-31T23:59:59Z",
        "an offset beyond the years": "0001-01-01T00:00:00+14:00",
        "February 30": "2026-02-30T10:00:00Z",
        "the hour 24": "2026-11-22T24:00:00Z",
        "a leap second at noon": "2016-12-31T12:00:60Z",
        "an offset of a day": "2026-11-22T10:00:00+24:00",
        "a comma": "2026-11-22T10:00:00,5Z",
        "seconds since 1970": "1795341600",
        "words": "now",
        "nothing": "",
        "digits of another script": "٢٠٢٦-11-22T10:00:00Z",
    }.items():
        yield Shape(f"a time: {what}", plain(event, f'"occurred_at":"{text}"'),
                    "bad_field", "occurred_at: expected an RFC 3339 time with")  # fmt: skip
    for what, text in {
        "a leap second": "2016-12-31T23:59:60Z",
        "nine digits": "2026-11-22T10:00:00.123456789+05:30",
        "long ago": "0001-01-02T00:00:00Z",
        "far ahead": "9999-12-30T23:59:59Z",
    }.items():
        yield Shape(f"a time: {what}", plain(event, f'"occurred_at":"{text}"'), FINE)


def identifiers(event: str) -> Iterator[Shape]:
    for kind in ("contact_id", "external_id", "email", "phone", "anonymous_id"):
        for what, value in {**_WRONG, "512 and one": "x" * 513, "nothing": ""}.items():
            yield Shape(f"{what} as {kind}", said({"event": event, kind: value}),
                        "bad_field", f"{kind}: expected a string of 1 to 512")  # fmt: skip
    for kind in ("external_id", "email", "anonymous_id"):
        yield Shape(f"blank as {kind}", said({"event": event, kind: " \t"}),
                    "bad_field", f"{kind}: expected 1 to 512 characters")  # fmt: skip
    for what, value in {"words": "nobody", "braces": f"{{{STRANGER}}}"}.items():
        yield Shape(f"{what} as contact_id", said({"event": event, "contact_id": value}),
                    "bad_field", "contact_id: expected a UUID")  # fmt: skip
    for phone in ("12", "+0123456789", "+1234567890123456", "+33 six", "٠٠٣٣٦١٢٣٤٥٦٧٨"):
        yield Shape(f"{phone} as phone", said({"event": event, "phone": phone}),
                    "bad_field", "phone: expected a phone number")  # fmt: skip
    yield Shape("nobody", said({"event": event}), "no_identifier", "at least one of contact_id")
    yield Shape("only nulls", said({"event": event, "email": None}), "no_identifier", "at least")
    yield Shape("a person of another system", said({"event": event, "user_id": "u-1"}),
                "no_identifier", "expected at least one of")  # fmt: skip
    for value in ("null", "-1", "anonymous", "00000000-0000-0000-0000-000000000000"):
        yield Shape(f"{value} alone", said({"event": event, "external_id": value}), FINE)
    yield Shape("an address that is none", said({"event": event, "email": "nobody"}), FINE)
