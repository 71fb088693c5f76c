"""CloudEvents 1.0 on Kafka, structured and binary, read as the same envelope as plain JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from state.name import NAME_MAX
from stream.decoding.document import Said, parse, parse_object, quoted, refuse_nul
from stream.decoding.envelope import Form
from stream.decoding.unreadable import Unreadable, bad_field

Headers = Sequence[tuple[str, bytes | None]]

#: Where each field of the envelope stands in a CloudEvent.
ATTRIBUTES = {
    "id": "id",
    "event": "type",
    "occurred_at": "time",
    "payload": "data",
    "contact_id": "contactid",
    "external_id": "externalid",
    "email": "email",
    "phone": "phone",
    "anonymous_id": "anonymousid",
    "caused_by": "causedby",
    "hops": "hops",
}

#: How the headers of the binary mode begin, and the content type of the structured one.
PREFIX = "ce_"
MEDIA_TYPE = "application/cloudevents"

#: What a `causedby` text names, in this order, with slashes between: attributes hold no objects.
CAUSE_PARTS = ("automation_id", "run_id", "step_key")

_QUOTED = quoted((*ATTRIBUTES.values(), "specversion", "source", "data_base64"))


def read_cloudevent(headers: Headers, value: bytes) -> Form | None:
    """Return the CloudEvent in a record, or None if its headers do not say that it holds one.

    Raises:
        Unreadable: it says so, and does not.
    """
    media_type = _media_type(headers)
    if media_type.startswith(MEDIA_TYPE):
        if media_type != f"{MEDIA_TYPE}+json":
            raise bad_field("content-type", f"{MEDIA_TYPE}+json")
        return read_structured(value)
    if any(name.lower().startswith(PREFIX) for name, _ in headers):
        return _binary(headers, value)
    return None


def _media_type(headers: Headers) -> str:
    for name, text in headers:
        if name.lower() == "content-type" and text is not None:
            return text.decode("utf-8", "replace").split(";")[0].strip().lower()
    return ""


def is_structured(document: Mapping[str, object]) -> bool:
    """Tell a CloudEvent by its body: SDKs there are that do not write the media type beside it.

    What has no `event` is no plain event either.
    """
    return "event" not in document and "specversion" in document


def read_structured(value: bytes) -> Form:
    """Return the CloudEvent that a JSON text is.

    Raises:
        Unreadable: it is none.
    """
    attributes = parse_object(value, _QUOTED)
    said = Said(value, ("data",))
    if attributes.get("data_base64") is not None:
        if attributes.get("data") is not None:
            raise Unreadable("bad_field", "stands beside data_base64", "data")
        said = Said(_base64(attributes["data_base64"]))
        attributes["data"] = _data(said.text)
    return _cloudevent(attributes, ATTRIBUTES, said)


def _binary(headers: Headers, value: bytes) -> Form:
    attributes: dict[str, object] = {}
    for name, text in headers:
        attribute = name.lower().removeprefix(PREFIX)
        if attribute == name.lower() or attribute not in _QUOTED or text is None:
            continue
        if attribute in attributes:
            raise Unreadable("duplicate_key", "stands more than once", PREFIX + attribute)
        attributes[attribute] = _text(attribute, text)
    attributes["data"] = _data(value)
    attributes["hops"] = _number(attributes.get("hops"))
    labels = {field: PREFIX + name for field, name in ATTRIBUTES.items() if field != "payload"}
    return _cloudevent(attributes, {**labels, "payload": "data"}, Said(value))


def _text(attribute: str, raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Unreadable("not_utf8", "expected UTF-8", PREFIX + attribute) from None
    if "\x00" in text:
        raise Unreadable("bad_character", "the NUL character", PREFIX + attribute)
    return text


def _cloudevent(attributes: Mapping[str, object], labels: Mapping[str, str], said: Said) -> Form:
    prefix = labels["id"].removesuffix("id")
    if attributes.get("specversion") != "1.0":
        raise bad_field(f"{prefix}specversion", "1.0")
    source = attributes.get("source")
    if type(source) is not str or not 0 < len(source) <= NAME_MAX:
        raise bad_field(f"{prefix}source", f"a string of 1 to {NAME_MAX} characters")
    if attributes.get("id") is None:
        raise bad_field(f"{prefix}id", "an id, which CloudEvents requires")
    document = {field: attributes.get(name) for field, name in ATTRIBUTES.items()}
    document["caused_by"] = _cause(document["caused_by"], labels["caused_by"])
    return Form(source, document, labels, said)


def _cause(text: object, label: str) -> object:
    """Return what a `causedby` says as the envelope says it."""
    if text is None:
        return None
    parts = text.split("/", len(CAUSE_PARTS) - 1) if isinstance(text, str) else []
    if len(parts) < len(CAUSE_PARTS) or not all(0 < len(part) <= NAME_MAX for part in parts):
        raise bad_field(label, "automation id, run id and step key, with slashes between")
    return dict(zip(CAUSE_PARTS, parts, strict=True))


def _number(text: object) -> object:
    """Return the number that a header's text is, or the text."""
    is_short_number = type(text) is str and len(text) < 4 and text.isascii() and text.isdigit()
    return int(str(text)) if is_short_number else text


def _data(text: bytes) -> object:
    if not text:
        return None
    try:
        data = parse(text)
    except Unreadable as error:
        raise Unreadable(error.reason, error.problem, "data") from None
    refuse_nul(text, {"data": data})
    return data


def _base64(text: object) -> bytes:
    if type(text) is str:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise bad_field("data_base64", "base64")
