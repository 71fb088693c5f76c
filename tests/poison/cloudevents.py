"""CloudEvents that are none, and strange ones."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from tests.poison.shape import ANN, FINE, STRUCTURED, Shape, said


def cloudevents(event: str) -> Iterator[Shape]:
    good = {"specversion": "1.0", "id": "1", "source": "/s", "type": event, "email": ANN}

    def structured(what: str, reason: str, detail: str, **change: object) -> Shape:
        return Shape(f"structured: {what}", said(good | change), reason, detail, STRUCTURED)

    def binary(
        what: str, reason: str, detail: str, value: bytes = b"{}", **change: object
    ) -> Shape:
        headers = {f"ce_{name}": text.encode() for name, text in good.items()} | change
        sent = [(name, text) for name, text in headers.items() if isinstance(text, bytes)]
        return Shape(f"binary: {what}", value, reason, detail, sent)

    for version in ("0.3", "1.0.1", "2.0", 1.0):
        yield structured(f"version {version}", "bad_field", "specversion: expected 1.0",
                         specversion=version, id=f"ce {version}")  # fmt: skip
    yield binary("version 0.3", "bad_field", "ce_specversion: expected 1.0", ce_specversion=b"0.3")
    for name in ("specversion", "id", "source", "type"):
        yield structured(f"no {name}", "bad_field", f"{name}: expected", **{name: None})
        yield binary(f"no {name}", "bad_field", f"ce_{name}: expected", **{f"ce_{name}": None})
    yield structured("nobody", "no_identifier", "expected at least one of", email=None)
    yield structured("a number as id", "bad_field", "id: expected", id=7)
    yield structured("a number as person", "bad_field", "externalid: expected", externalid=7)
    yield structured("a source of 256", "bad_field", "source: expected", source="s" * 256)
    yield structured("text as data", "bad_field", "data: expected an object", data="text")
    yield structured("data twice", "bad_field", "data: stands beside", data={}, data_base64="e30=")
    yield structured("no base64", "bad_field", "data_base64: expected base64", data_base64="!")
    rubbish = base64.b64encode(b"\xff").decode()
    yield structured("rubbish in base64", "not_utf8", "data: expected JSON", data_base64=rubbish)
    nul = base64.b64encode(b'{"a":"\\u0000"}').decode()
    yield structured("NUL in base64", "bad_character", "data: the NUL", data_base64=nul)
    yield structured("NUL in its source", "bad_character", "source: the NUL", source="\x00")
    yield structured("an endless number", "bad_number", "data: NaN", data={"x": float("nan")})
    yield structured("a bad time", "bad_field", "time: expected an RFC 3339 time", time="noon")
    yield structured("an array", "bad_field", "data: expected an object", data=[1])
    for what in ("cloudevents-batch+json", "cloudevents+avro", "cloudevents"):
        media_type = f"application/{what}".encode()
        yield Shape(f"media type {what}", said([good]), "bad_field",
                    "content-type: expected application/cloudevents+json",
                    [("content-type", media_type)])  # fmt: skip
    yield Shape("a batch that says it is one event", said([good]), "not_an_object", "expected",
                STRUCTURED)  # fmt: skip
    yield Shape("structured, another media type", said({**good, "id": "no media type"}), FINE, "",
                [("content-type", b"application/json")])  # fmt: skip
    yield Shape("structured and binary at once", said({**good, "id": "both"}), FINE, "",
                [*STRUCTURED, ("ce_type", b"\xff"), ("ce_id", b"")])  # fmt: skip
    yield binary("text as data", "not_json", "data: expected JSON", b"text")
    yield binary("bad UTF-8 as data", "not_utf8", "data: expected JSON in UTF-8", b"\xff")
    yield binary("a list as data", "bad_field", "data: expected an object", b"[1]")
    yield binary("deep data", "too_deep", "data: nested deeper", b"[" * 100_000)
    yield binary("bad UTF-8 in a header", "not_utf8", "ce_email: expected UTF-8", ce_email=b"\xff")
    yield binary("NUL in a header", "bad_character", "ce_email: the NUL", ce_email=b"a\x00b")
    yield binary("an id twice", "duplicate_key", "ce_id: stands more than once", CE_ID=b"2")
    yield binary("no bytes as data", FINE, "", b"", ce_id=b"no data")
