"""Reads of events that nobody waits for no more than it takes to count them (rule E7).

In a backlog of such events nearly all time went into what nobody would read: hashes, payloads in
canonical form, identifiers as values. Only an event that is sound in every respect is passed over:
what full decoding would set aside or apply must be told from it here (rules E5, I2), and whatever
is not plain at first sight is decoded in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic_core import from_json, to_json

from handlers.intake import is_only_counted
from state.automation import Catalogue
from state.event import KINDS, Mention, Read
from state.identifier import IDENTIFIER_MAX, normalise
from state.instant import parse_instant
from stream.decoding.decode import RawRecord, Sources, coordinates_of, decode, recorded_at_of
from stream.decoding.document import DEPTH_MAX, quoted
from stream.decoding.envelope import NAMES, is_id, is_name

#: How large a record is that may be passed over, in bytes of its key and value.
SIZE_MAX = 64 * 1024

#: How many names are remembered.
NAMES_MAX = 10_000

#: Where an event says its name; it may also be elsewhere, so this is only where to look.
_NAMED = re.compile(rb'"event"\s*:\s*"([^"\\]*)"')

_QUOTED = quoted(NAMES)
_KINDS = frozenset(KINDS)
#: Which fields are looked at more closely: of one of a person's names, and seldom of others.
_CLOSELY = _KINDS | {"occurred_at", "hops", "caused_by"}
#: What cannot hold a number that is too large for a float.
_FINITE = frozenset({str, int, bool, type(None)})


class Skimmer:
    """Reads records by what the last turn knew of names: it may be out of date, never wrong."""

    def __init__(self, sources: Sources, catalogue: Callable[[], Catalogue]) -> None:
        self._sources = sources
        self._catalogue = catalogue
        self._names = _Names(catalogue())

    def read(self, records: Sequence[RawRecord]) -> list[Read]:
        """Return what records of one partition mean; whatever their bytes, never raise."""
        if records and records[0].topic in self._sources.contact_topics:
            return [decode(record, self._sources) for record in records]
        catalogue = self._catalogue()
        if catalogue is not self._names.catalogue or len(self._names) > NAMES_MAX:
            self._names = _Names(catalogue)
        return [self._read(record) for record in records]

    def _read(self, record: RawRecord) -> Read:
        value = record.value
        if type(value) is bytes and not record.headers:
            found = _NAMED.search(value)
            name = None if found is None else self._names[found[1]]
            if name is not None and _is_sound(record.key, value, name):
                at = recorded_at_of(record.timestamp)
                whole = partial(decode, record, self._sources)
                return Mention(name, coordinates_of(record), at, whole)
        return decode(record, self._sources)


class _Names(dict[bytes, str | None]):
    """By the bytes of a name the name, if events of that name are only counted, else None."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self.catalogue = catalogue

    def __missing__(self, raw: bytes) -> str | None:
        name = raw.decode(errors="replace")
        is_counted = is_name(name) and is_only_counted(name, self.catalogue)
        return self.setdefault(raw, name if is_counted else None)


def _is_sound(key: bytes | None, value: bytes, name: str) -> bool:
    """Tell whether full decoding would surely find an event of this name and of one person."""
    if len(value) + len(key or b"") > SIZE_MAX or b"\\u00" in value:
        return False
    if value.count(b"{") + value.count(b"[") > DEPTH_MAX:
        return False
    try:
        document = from_json(value, allow_inf_nan=False)
        return document["event"] == name and _is_plain(document) and _says_once(document, value)
    except Exception:  # noqa: BLE001 - full decoding knows what is wrong, and says it
        return False


def _is_plain(document: dict[str, Any]) -> bool:
    """Tell whether every field that is read is what it should be; may raise where one is not."""
    close = _CLOSELY.intersection(document)
    if "occurred_at" in close:
        close -= {"occurred_at"}
        parse_instant(document["occurred_at"])
    (kind,) = close
    person = document[kind]
    if kind not in _KINDS or type(person) is not str or len(person) > IDENTIFIER_MAX:
        return False
    normalise(kind, person)
    event_id, payload = document.get("id"), document.get("payload")
    if event_id is not None and not is_id(event_id):
        return False
    if type(payload) is not dict:
        return payload is None
    return _FINITE.issuperset(map(type, payload.values())) or b"Infinity" not in to_json(payload)


def _says_once(document: Mapping[str, object], value: bytes) -> bool:
    """Tell whether surely none of the fields that are read stands twice in the text.

    Each key has a colon, in the text too: where there are no more of them than keys, none repeats.
    """
    payload = document.get("payload")
    keys = len(document) + (len(payload) if type(payload) is dict else 0)
    if value.count(b":") == keys:
        return True
    return not any(value.count(_QUOTED[name]) > 1 for name in document if name in _QUOTED)
