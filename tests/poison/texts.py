"""Bytes that are no text, text that is no JSON, and JSON that nobody can store."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from tests.poison.shape import FINE, STRUCTURED, TOMBSTONE, Shape, nested, plain


def bytes_that_are_no_text(event: str) -> Iterator[Shape]:
    event_json = plain(event)
    yield Shape("null", None, TOMBSTONE)
    yield Shape("null with a key and headers", None, TOMBSTONE, "", STRUCTURED, b"k")
    yield Shape("no bytes", b"", "empty", "no bytes")
    yield Shape("bad UTF-8", plain(event, '"payload":{"a":"?"}').replace(b"?", b"\xff"),
                "not_utf8", "expected JSON in UTF-8")  # fmt: skip
    yield Shape("overlong UTF-8", b'{"event":"\xc0\xae"}', "not_utf8", "UTF-8")
    yield Shape("a surrogate in UTF-8", b'{"event":"\xed\xa0\x80"}', "not_utf8", "UTF-8")
    yield Shape("Latin-1", '{"event":"café"}'.encode("latin-1"), "not_utf8", "UTF-8")
    yield Shape("UTF-16", event_json.decode().encode("utf-16"), "not_utf8", "UTF-16")
    yield Shape("UTF-16 without a mark", event_json.decode().encode("utf-16-le"), "not_json")
    yield Shape("UTF-32", event_json.decode().encode("utf-32-be"), "not_json")
    yield Shape("a byte order mark", b"\xef\xbb\xbf" + event_json, "not_json", "byte order mark")
    yield Shape("gzip", gzip.compress(event_json, mtime=0), "not_utf8", "gzip")
    yield Shape("zstd", b"\x28\xb5\x2f\xfd\x04\x00" + event_json, "not_utf8", "zstd")
    yield Shape("lz4", b"\x04\x22\x4d\x18" + event_json, "not_json", "lz4")
    yield Shape("snappy", b"\x82SNAPPY\x00" + event_json, "not_utf8", "snappy")
    yield Shape("Avro with a schema's id", b"\x00\x00\x00\x00\x2a\x06abc", "not_json", "schema")
    yield Shape("1 MB", plain(event, f'"x":"{"x" * 1_000_000}"'), "too_large", "262144 bytes")
    yield Shape("a record of 256 KiB and a byte", b" " * (256 * 1024 + 1), "too_large", "262144")
    yield Shape("a key of 256 KiB", event_json, "too_large", "262144", (), b"k" * 256 * 1024)
    yield Shape("headers of 256 KiB", event_json, "too_large", "262144",
                [("h", b"v" * 1024)] * 256)  # fmt: skip
    yield Shape("140,000 empty headers", event_json, "too_large", "262144", [("", b"")] * 140_000)


def text_that_is_no_json(event: str) -> Iterator[Shape]:
    event_json = plain(event)
    yield Shape("words", b"hello", "not_json", "expected JSON")
    yield Shape("spaces", b"  \n", "not_json", "EOF")
    yield Shape("cut off", event_json[:-1], "not_json", "EOF")
    yield Shape("two documents", event_json * 2, "not_json", "trailing characters")
    yield Shape("lines of documents", event_json + b"\n" + event_json, "not_json", "trailing")
    yield Shape("rubbish behind it", event_json + b"\x00", "not_json", "trailing characters")
    yield Shape("a trailing comma", event_json[:-1] + b",}", "not_json", "trailing comma")
    yield Shape("single quotes", b"{'event':'e'}", "not_json", "key must be a string")
    yield Shape("bare keys", b"{event:1}", "not_json", "key must be a string")
    yield Shape("a comment", event_json + b"// it", "not_json", "trailing characters")
    yield Shape("a raw NUL", plain(event, '"x":"a\x00b"'), "not_json", "control character")
    yield Shape("a raw newline", plain(event, '"x":"a\nb"'), "not_json", "control character")
    yield Shape("a bad escape", plain(event, '"x":"\\x41"'), "not_json", "invalid escape")
    yield Shape("a leading zero", plain(event, '"x":01'), "not_json", "invalid number")
    yield Shape("a plus sign", plain(event, '"x":+1'), "not_json", "expected JSON")
    yield Shape("Python's None", plain(event, '"x":None'), "not_json", "expected JSON")


def json_that_nobody_can_store(event: str) -> Iterator[Shape]:
    for what in ("NaN", "Infinity", "-Infinity"):
        yield Shape(what, plain(event, f'"payload":{{"x":{what}}}'), "bad_number", "payload: NaN")
    for field in ("id", "occurred_at", "external_id", "phone", "anonymous_id", "contact_id"):
        yield Shape(f"NUL in {field}", plain(event, f'"{field}":"a\\u0000b"'),
                    "bad_character", f"{field}: the NUL character")  # fmt: skip
    yield Shape("NUL in the name", b'{"event":"a\\u0000b","email":"a@b.c"}',
                "bad_character", "event: the NUL character")  # fmt: skip
    yield Shape("NUL in the payload", plain(event, '"payload":{"a":[{"b":"\\u0000"}]}'),
                "bad_character", "payload: the NUL character")  # fmt: skip
    yield Shape("NUL in a key of the payload", plain(event, '"payload":{"a":{"\\u0000":1}}'),
                "bad_character", "payload: the NUL character")  # fmt: skip
    yield Shape("NUL after a backslash", plain(event, '"payload":{"a":"\\\\\\u0000"}'),
                "bad_character", "payload: the NUL character")  # fmt: skip
    yield Shape("what only looks like NUL", plain(event, '"payload":{"a":"\\\\u0000"}'), FINE)
    yield Shape("NUL where nothing is read", plain(event, '"x":{"\\u0000":"\\u0000"}'), FINE)
    yield Shape("a high surrogate", plain(event, '"payload":{"x":"\\ud83d"}'),
                "bad_character", "payload: a \\u escape")  # fmt: skip
    yield Shape("a low surrogate", plain(event, '"id":"\\ude00"'),
                "bad_character", "id: a \\u escape")  # fmt: skip
    yield Shape("surrogates swapped", plain(event, '"external_id":"\\ude00\\ud83d"'),
                "bad_character", "external_id: a \\u escape")  # fmt: skip
    yield Shape("a pair of surrogates", plain(event, '"payload":{"x":"\\ud83d\\ude00"}'), FINE)
    yield Shape("an integer of 5,000 digits", plain(event, f'"payload":{{"x":{"9" * 5000}}}'),
                "bad_number", "payload: an integer of more than 4300 digits")  # fmt: skip
    yield Shape("an integer of 4,300 digits", plain(event, f'"payload":{{"x":{"9" * 4300}}}'), FINE)
    yield Shape("a number beyond floats", plain(event, '"payload":{"x":1e400}'),
                "bad_number", "payload: a number too large")  # fmt: skip
    yield Shape("a number below floats", plain(event, '"payload":{"x":[-1e999]}'),
                "bad_number", "payload: a number too large")  # fmt: skip
    yield Shape("minus zero", plain(event, '"payload":{"x":[-0,-0.0,1e-400]}'), FINE)
    yield Shape("arrays 33 deep", plain(event, f'"payload":{{"x":{nested(31)}}}'), "too_deep", "32")
    yield Shape("arrays 32 deep", plain(event, f'"payload":{{"x":{nested(30)}}}'), FINE)
    yield Shape("objects 33 deep", plain(event, '"x":' + '{"a":' * 32 + "1" + "}" * 32),
                "too_deep", "32 levels")  # fmt: skip
    yield Shape("100,000 arrays", b"[" * 100_000, "too_deep", "32 levels")
    yield Shape("100,000 arrays in it", plain(event, '"x":' + "[" * 100_000), "too_deep", "32")
    yield Shape("50,000 objects", b'{"a":' * 50_000, "too_deep", "32 levels")
