"""CloudEvents 1.0 on Kafka, structured and binary, read as the same envelope as plain JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from state.name import NAME_MAX
from stream.decoding.document import parse, parse_object, quoted
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
}

_PREFIX = "ce_"
_MEDIA_TYPE = "application/cloudevents"
_QUOTED = quoted((*ATTRIBUTES.values(), "specversion", "source", "data_base64"))


class CloudEvent(NamedTuple):
    """A CloudEvent as source and envelope; `labels` gives the fields their CloudEvents names."""

    source: str
    envelope: dict[str, object]
    labels: Mapping[str, str]


def read_cloudevent(headers: Headers, value: bytes) -> CloudEvent | None:
    """Return the CloudEvent in a record, or None if the record does not say that it holds one.

    Raises:
        Unreadable: it says so, and does not.
    """
    media_type = _media_type(headers)
    if media_type.startswith(_MEDIA_TYPE):
        if media_type != f"{_MEDIA_TYPE}+json":
            raise bad_field("content-type", f"{_MEDIA_TYPE}+json")
        return _structured(value)
    if any(name.lower().startswith(_PREFIX) for name, _ in headers):
        return _binary(headers, value)
    return None


def _media_type(headers: Headers) -> str:
    for name, text in headers:
        if name.lower() == "content-type" and text is not None:
            return text.decode("utf-8", "replace").split(";")[0].strip().lower()
    return ""


def _structured(value: bytes) -> CloudEvent:
    attributes = parse_object(value, _QUOTED)
    if attributes.get("data_base64") is not None:
        if attributes.get("data") is not None:
            raise Unreadable("bad_field", "stands beside data_base64", "data")
        attributes["data"] = _data(_base64(attributes["data_base64"]))
    return _cloudevent(attributes, ATTRIBUTES)


def _binary(headers: Headers, value: bytes) -> CloudEvent:
    attributes: dict[str, object] = {}
    for name, text in headers:
        attribute = name.lower().removeprefix(_PREFIX)
        if attribute == name.lower() or attribute not in _QUOTED or text is None:
            continue
        if attribute in attributes:
            raise Unreadable("duplicate_key", "stands more than once", _PREFIX + attribute)
        attributes[attribute] = _text(attribute, text)
    attributes["data"] = _data(value)
    labels = {field: _PREFIX + name for field, name in ATTRIBUTES.items() if field != "payload"}
    return _cloudevent(attributes, {**labels, "payload": "data"})


def _text(attribute: str, raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Unreadable("not_utf8", "expected UTF-8", _PREFIX + attribute) from None
    if "\x00" in text:
        raise Unreadable("bad_character", "the NUL character", _PREFIX + attribute)
    return text


def _cloudevent(attributes: Mapping[str, object], labels: Mapping[str, str]) -> CloudEvent:
    prefix = labels["id"].removesuffix("id")
    if attributes.get("specversion") != "1.0":
        raise bad_field(f"{prefix}specversion", "1.0")
    source = attributes.get("source")
    if type(source) is not str or not 0 < len(source) <= NAME_MAX:
        raise bad_field(f"{prefix}source", f"a string of 1 to {NAME_MAX} characters")
    if attributes.get("id") is None:
        raise bad_field(f"{prefix}id", "an id, which CloudEvents requires")
    envelope = {field: attributes.get(name) for field, name in ATTRIBUTES.items()}
    return CloudEvent(source, envelope, labels)


def _data(text: bytes) -> object:
    return parse(text) if text else None


def _base64(text: object) -> bytes:
    if type(text) is str:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise bad_field("data_base64", "base64")
