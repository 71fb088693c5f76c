"""Reads of events that nobody waits for no more than it takes to count them (rule E7).

In a backlog of such events nearly all time went into what nobody would read: hashes, payloads in
canonical form, identifiers as values. Only an event that is sound in every respect is passed over:
what full decoding would set aside or apply must be told from it here (rules E5, I2), and whatever
is not plain at first sight is decoded in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

from msgspec.json import Decoder

from handlers.intake import is_only_counted
from state.automation import Catalogue
from state.event import KINDS, Mention, Read
from state.identifier import IDENTIFIER_MAX, normalise
from state.instant import parse_instant
from stream.decoding.decode import RawRecord, Sources, decode, recorded_at_of
from stream.decoding.document import DEPTH_MAX, DIGITS_MAX, quoted
from stream.decoding.envelope import NAMES, is_id, is_name

#: How large a record is that may be passed over, in bytes of its key and value.
SIZE_MAX = 64 * 1024

#: How many names are remembered.
NAMES_MAX = 10_000

#: Where an event says its name; it may also be elsewhere, so this is only where to look.
_find_name = re.compile(rb'"event"\s*:\s*"([^"\\]*)"').search

#: Faster than full decoding, and stricter: it refuses numbers that are too large for a float.
_decode = Decoder().decode

#: But for this, which only full decoding refuses.
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (DIGITS_MAX + 1))

#: Looked for as a number: so it is found five times as soon as the text of one byte.
_BACKSLASH = ord("\\")

_QUOTED = quoted(NAMES)
_KINDS = frozenset(KINDS)
#: What has more to say than is looked at here.
_NOT_PLAIN = frozenset({"hops", "caused_by"})
#: Keys whose values are looked at, each of which is flat but the payload; others may hold anything.
_KNOWN = _KINDS | {"id", "event", "occurred_at", "payload"}
#: What holds nothing else.
_FLAT = frozenset({str, int, float, bool, type(None)})


class Skimmer:
    """Reads records by what the last turn knew of names: it may be out of date, never wrong."""

    def __init__(self, sources: Sources, catalogue: Callable[[], Catalogue]) -> None:
        self._sources = sources
        self._catalogue = catalogue
        self._names = _Names(catalogue())
        self._whole = partial(decode, sources=sources)

    def read(self, records: Sequence[RawRecord]) -> list[Read]:
        """Return what records of one partition mean; whatever their bytes, never raise."""
        sources = self._sources
        if records and records[0].topic in sources.contact_topics:
            return [decode(record, sources) for record in records]
        catalogue = self._catalogue()
        if catalogue is not self._names.catalogue or len(self._names) > NAMES_MAX:
            self._names = _Names(catalogue)
        names, whole = self._names, self._whole
        return [
            decode(record, sources)
            if (name := _only_counted(record, names)) is None
            else Mention(
                name,
                record.topic,
                record.partition,
                record.offset,
                recorded_at_of(record.timestamp),
                record,
                whole,
            )
            for record in records
        ]


class _Names(dict[bytes, str | None]):
    """By the bytes of a name the name, if events of that name are only counted, else None."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self.catalogue = catalogue

    def __missing__(self, raw: bytes) -> str | None:
        name = raw.decode(errors="replace")
        is_counted = is_name(name) and is_only_counted(name, self.catalogue)
        return self.setdefault(raw, name if is_counted else None)


class _Shape(NamedTuple):
    """What the keys of a document tell before its values are looked at.

    `kind` is the one of a person's names that it has; None: it is not for us to judge.
    """

    kind: str | None
    is_timed: bool
    is_known: bool
    read: Sequence[bytes]


def _only_counted(record: RawRecord, names: _Names) -> str | None:
    """Return the name of a sound event that is only counted; None: it is to be decoded in full."""
    value = record.value
    if type(value) is not bytes or record.headers:
        return None
    found = _find_name(value)
    name = None if found is None else names[found[1]]
    if name is None or len(value) + len(record.key or b"") > SIZE_MAX:
        return None
    if _BACKSLASH in value and b"\\u00" in value:
        return None
    if len(value) > DIGITS_MAX and _LONG_NUMBER.search(value):
        return None
    try:
        document = _decode(value)
        return name if document["event"] == name and _is_sound(document, value) else None
    except Exception:  # noqa: BLE001 - full decoding knows what is wrong, and says it
        return None


def _is_sound(document: dict[str, Any], value: bytes) -> bool:
    """Tell whether full decoding would surely find an event of one person here.

    May raise where a field is not what it should be.
    """
    shape = _shape(tuple(document))
    if shape.kind is None:
        return False
    person, event_id = document[shape.kind], document.get("id")
    if type(person) is not str or len(person) > IDENTIFIER_MAX:
        return False
    normalise(shape.kind, person)
    if event_id is not None and not is_id(event_id):
        return False
    if shape.is_timed:
        parse_instant(document["occurred_at"])
    payload, keys = document.get("payload"), len(document)
    is_flat = shape.is_known
    if type(payload) is dict:
        keys += len(payload)
        is_flat = is_flat and _FLAT.issuperset(map(type, payload.values()))
    elif payload is not None:
        return False
    # Each key has a colon, in the text too: where there are no more of them than keys, none stands
    # twice. Else those that are read are looked for, and what stood before may have been anything.
    is_once = value.count(b":") == keys
    if not (is_flat and is_once) and value.count(b"{") + value.count(b"[") > DEPTH_MAX:
        return False
    return is_once or all(value.count(name) < 2 for name in shape.read)


@lru_cache(maxsize=64)  # few producers, each with its way of writing; keys are as long as they like
def _shape(keys: tuple[str, ...]) -> _Shape:
    """Return what a document of these keys can be."""
    people = _KINDS.intersection(keys)
    is_plain = len(people) == 1 and _NOT_PLAIN.isdisjoint(keys)
    return _Shape(
        kind=min(people) if is_plain else None,
        is_timed="occurred_at" in keys,
        is_known=_KNOWN.issuperset(keys),
        read=tuple(_QUOTED[name] for name in keys if name in _QUOTED),
    )
