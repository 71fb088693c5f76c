"""Events that a person publishes: checked by the very decoder that will read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from state.event import CONTACT_EVENTS, Event, Rejected
from state.problem import choose
from stream.config import Settings
from stream.decoding.decode import Sources, decode
from stream.producer import Headers, Outgoing
from stream.wire_form import USUAL, Way, WireForm
from stream.writing import write


class BadEvent(ValueError):
    """What was to be published is no event; the text names the field and what was expected."""


class Checked(NamedTuple):
    """An event that the decoder accepts, ready to be published."""

    event_id: str
    record: Outgoing


class _Record(NamedTuple):
    """The record as the consumer would meet it."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers
    timestamp: int
    partition: int = 0
    offset: int = 0


def fresh_id(made: UUID) -> str:
    """Return the id of an event that was given none, so that it can be explained."""
    return f"evt_{made.hex}"


def check(
    document: Mapping[str, object], config: Settings, now: datetime, way: Way = USUAL
) -> Checked:
    """Return an event ready to be published, keyed by its strongest identifier.

    Raises:
        BadEvent: the engine would set it aside.
    """
    name = document.get("event")
    if way.topic is None and str(name).startswith("contact.") and name not in CONTACT_EVENTS:
        raise BadEvent(f"event: no contact event is called {name}; {choose(name, CONTACT_EVENTS)}")
    topic = way.topic or _topic_of(name, config)
    timestamp = round(now.timestamp() * 1000)
    decoded = _decoded(_Record(topic, b"", *write(document, WireForm.JSON, ""), timestamp), config)
    key = decoded.identifiers[0].value.encode()
    written = write(document, way.form, way.source or topic)
    if way.form is not WireForm.JSON:
        decoded = _decoded(_Record(topic, key, *written, timestamp), config)
    return Checked(decoded.id, Outgoing(topic, key, *written))


def _decoded(record: _Record, config: Settings) -> Event:
    decoded = decode(record, Sources(config.stream_epoch, frozenset(config.topics_contacts)))
    if isinstance(decoded, Rejected):
        raise BadEvent(decoded.detail)
    assert isinstance(decoded, Event), "a record with a value is no tombstone"
    return decoded


def read_lines(text: str) -> Iterator[tuple[int, Mapping[str, object] | BadEvent]]:
    """Yield the documents of JSON Lines with their numbers; empty lines are passed over."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError as error:
            yield number, BadEvent(f"not JSON: {error}")
            continue
        if isinstance(document, dict):
            yield number, document
        else:
            yield number, BadEvent("expected a JSON object")


def _topic_of(name: object, config: Settings) -> str:
    return config.topics_contacts[0] if name in CONTACT_EVENTS else config.topics_events[0]
