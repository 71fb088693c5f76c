"""The envelope of an event, read by hand: the hot path's twin of the models in `wire`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypeGuard

from state import instant
from state.event import KINDS, Identifier
from state.identifier import IDENTIFIER_MAX, IdentifierError, normalise
from state.name import NAME_MAX
from stream.decoding.document import Said
from stream.decoding.unreadable import Unreadable, bad_field

#: Every key that is read; all others are ignored (rule E2).
NAMES = ("id", "event", "occurred_at", "payload", *KINDS, "caused_by", "hops")

#: What names the run that caused an event, and through how many it may say that it was (rule S6).
CAUSE = ("run_id", "step_key", "automation_id")
HOPS_READ_MAX = 255

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NAME = f"a string of 1 to {NAME_MAX} characters, no control characters"
_ID = f"a string of 1 to {NAME_MAX} characters"
_IDENTIFIER = f"a string of 1 to {IDENTIFIER_MAX} characters"


class Form(NamedTuple):
    """An event in one of the forms on the wire (rule E2).

    `document` has the envelope's own keys, `labels` the form's words for those that have another;
    `said` is the payload as it was written.
    """

    source: str
    document: Mapping[str, object]
    labels: Mapping[str, str]
    said: Said


class Envelope(NamedTuple):
    """What an event says of itself. `occurred_at` is None where the producer claimed no time."""

    id: str | None
    name: str
    occurred_at: datetime | None
    identifiers: tuple[Identifier, ...]
    payload: dict[str, object]
    hops: int = 0
    caused_by: Mapping[str, object] | None = None


def read_envelope(document: Mapping[str, object]) -> Envelope:
    """Return the envelope in a document; an optional field that is null counts as absent.

    Raises:
        Unreadable: naming the field and what was expected.
    """
    event_id = document.get("id")
    if event_id is not None and not is_id(event_id):
        raise bad_field("id", _ID)
    name = document.get("event")
    if not is_name(name):
        raise bad_field("event", _NAME)
    occurred_at = document.get("occurred_at")
    payload = document.get("payload")
    if payload is not None and type(payload) is not dict:
        raise bad_field("payload", "an object")
    return Envelope(
        event_id,
        name,
        None if occurred_at is None else _read_instant(occurred_at),
        _read_identifiers(document),
        payload or {},
        _read_hops(document.get("hops")),
        _read_cause(document.get("caused_by")),
    )


def is_name(value: object) -> TypeGuard[str]:
    """Tell whether a value can be an event's name."""
    return type(value) is str and 0 < len(value) <= NAME_MAX and not _CONTROL.search(value)


def is_id(value: object) -> TypeGuard[str]:
    """Tell whether a value can be an event's id."""
    return type(value) is str and 0 < len(value) <= NAME_MAX


def _read_instant(value: object) -> datetime:
    if type(value) is not str:
        raise bad_field("occurred_at", instant.EXPECTED)
    try:
        return instant.parse_instant(value)
    except instant.InstantError as error:
        raise bad_field("occurred_at", str(error)) from None


def _read_hops(value: object) -> int:
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= HOPS_READ_MAX:
        raise bad_field("hops", f"an integer from 0 to {HOPS_READ_MAX}")
    return value


def _read_cause(value: object) -> Mapping[str, object] | None:
    """Return the run that caused an event; what else stands there is left out (rule E2)."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise bad_field("caused_by", f"an object of {', '.join(CAUSE)}")
    for name in CAUSE:
        if not is_id(value.get(name)):
            raise bad_field(f"caused_by.{name}", _ID)
    return {name: value[name] for name in CAUSE}


def _read_identifiers(document: Mapping[str, object]) -> tuple[Identifier, ...]:
    found = []
    for kind in KINDS:
        value = document.get(kind)
        if value is None:
            continue
        if type(value) is not str or not 0 < len(value) <= IDENTIFIER_MAX:
            raise bad_field(kind, _IDENTIFIER)
        try:
            found.append(Identifier(kind, normalise(kind, value)))
        except IdentifierError as error:
            raise bad_field(kind, str(error)) from None
    if not found:
        raise Unreadable("no_identifier", f"expected at least one of {', '.join(KINDS)}")
    return tuple(found)
