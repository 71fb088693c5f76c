"""An event's bytes and headers on Kafka: plain JSON, or a CloudEvent in either mode (rule E2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from stream.decoding.cloudevents import ATTRIBUTES, CAUSE_PARTS, MEDIA_TYPE, PREFIX
from stream.producer import Headers
from stream.wire_form import WireForm

_JSON = "application/json"


class Written(NamedTuple):
    """A record's value and headers."""

    value: bytes
    headers: Headers = ()


def write(document: Mapping[str, object], form: WireForm, source: str) -> Written:
    """Return an event, given as the plain form's document, in a form; CloudEvents name `source`.

    For CloudEvents the document must be one that the decoder accepts. Keys that the envelope does
    not have are left out then: CloudEvents would take them for extensions of its own.
    """
    if form is WireForm.JSON:
        return Written(_json(document))
    attributes = {
        "specversion": "1.0",
        "source": source,
        "datacontenttype": _JSON,
        **{
            attribute: _attribute(document[field])
            for field, attribute in ATTRIBUTES.items()
            if field != "payload" and document.get(field) is not None
        },
    }
    data = document.get("payload") or {}
    if form is WireForm.CLOUDEVENTS:
        media_type = f"{MEDIA_TYPE}+json".encode()
        return Written(_json({**attributes, "data": data}), [("content-type", media_type)])
    content_type = str(attributes.pop("datacontenttype"))
    headers = [(f"{PREFIX}{name}", str(said).encode()) for name, said in attributes.items()]
    return Written(_json(data), [("content-type", content_type.encode()), *headers])


def _attribute(value: object) -> object:
    """Return a field as an attribute: what caused an event, an object, becomes a text."""
    return "/".join(value[part] for part in CAUSE_PARTS) if isinstance(value, Mapping) else value


def _json(document: object) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
