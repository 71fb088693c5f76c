"""Strict JSON: bytes to a document without surprises, and a document to its canonical text."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import chain
from operator import iconcat
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from stream.decoding.unreadable import Reason, Unreadable

#: How deep a document may nest (rule E6).
DEPTH_MAX = 32
#: How many digits an integer may have: what Python itself reads, since more would cost too much.
DIGITS_MAX = 4300
#: How long a text may be that is read once more only to name the field that spoils it.
NAMED_MAX = 64 * 1024

_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_POSITION = re.compile(r" at line \d+ column \d+$")
_NO_CHARACTER = "a \\u escape that is no character, such as half of a surrogate pair"
_UNREADABLE: Mapping[str, tuple[Reason, str]] = {
    "recursion limit exceeded": ("too_deep", f"nested deeper than {DEPTH_MAX} levels"),
    "number out of range": ("bad_number", f"an integer of more than {DIGITS_MAX} digits"),
    "lone leading surrogate in hex escape": ("bad_character", _NO_CHARACTER),
    "unexpected end of hex escape": ("bad_character", _NO_CHARACTER),
}

#: The keys and values of a JSON object as they stand in its text.
Pairs = Sequence[tuple[str, object]]


class Said(NamedTuple):
    """An object as it was written: a JSON text, and the path that leads to the object in it."""

    text: bytes
    path: tuple[str, ...] = ()

    def pairs(self, *below: str) -> Pairs:
        """Return the keys and values of the object, or of one below it, repeated ones too.

        Where another thing stands, there are none.
        """
        node: object = json.loads(
            self.text, object_pairs_hook=tuple, parse_int=str, parse_float=str
        )
        for name in (*self.path, *below):
            node = dict(node).get(name) if type(node) is tuple else None
        return node if type(node) is tuple else ()


#: What producers send in place of JSON text, told by how it begins.
_BEGINNINGS = {
    b"\xef\xbb\xbf": "a byte order mark",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xff\x06\x00\x00": "snappy",
    b"\x82SNAPPY": "snappy",
    b"\x00\x00": "a schema registry's id, as of Avro or Protobuf",
}


def parse(text: bytes, names: Iterable[str] = ()) -> object:
    """Return the document in a JSON text of UTF-8 bytes, the keys of all its objects sorted.

    The parser itself refuses NaN, Infinity, halves of surrogate pairs and whatever follows the
    document; the error names the one of `names`, keys at the top, that holds such a thing.

    Raises:
        Unreadable: with the reason.
    """
    try:
        document: object = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise _unreadable(text, error, names) from None
    if text.count(b"{") + text.count(b"[") <= DEPTH_MAX:
        return in_order(document)
    for depth, objects in enumerate(_levels(document)):
        if depth == DEPTH_MAX:
            raise Unreadable("too_deep", f"nested deeper than {DEPTH_MAX} levels")
        for each in objects:
            _sort(each)
    return document


def parse_object(text: bytes, names: Mapping[str, bytes]) -> dict[str, object]:
    """Return the object in a JSON text; none of `names` (each with its quoted form) may repeat.

    JSON parsers disagree on which of two equal keys counts, so an event that says its id or its
    person twice has no meaning that everybody shares. What stands under other keys is not looked
    into (rule E2).

    Raises:
        Unreadable: with the reason.
    """
    document = parse(text, names)
    if not isinstance(document, dict):
        raise Unreadable("not_an_object", "expected a JSON object at the top")
    if b"\\u00" in text:  # a name may be spelled with escapes
        _refuse_repeated(text, names)
        refuse_nul(text, {name: document[name] for name in names if name in document})
    for name in document:
        if name in names and text.count(names[name]) > 1:
            _refuse_repeated(text, names)
    return document


def refuse_nul(text: bytes, fields: Mapping[str, object]) -> None:
    """See that none of these fields of a document holds the one character Postgres cannot store.

    Raises:
        Unreadable: naming the field.
    """
    if _NUL_ESCAPE.search(text) is None:
        return
    for field, value in fields.items():
        if _NUL_ESCAPE.search(to_json(value)):
            problem = "the NUL character, which Postgres cannot store"
            raise Unreadable("bad_character", problem, field)


def quoted(names: Iterable[str]) -> dict[str, bytes]:
    """Return each name with the form in which it normally stands in a JSON text."""
    return {name: f'"{name}"'.encode() for name in names}


def in_order(value: object) -> object:
    """Return a value of few levels and containers with the keys of all its objects sorted."""
    if type(value) is dict:
        return {
            key: in_order(each) if type(each) in _CONTAINERS else each
            for key, each in sorted(value.items())
        }
    if type(value) is list:
        return [in_order(each) if type(each) in _CONTAINERS else each for each in value]
    return value


def refuse_repeated(pairs: Pairs, names: Collection[str], where: str = "") -> None:
    """See that none of these keys stands twice in an object, which is named `where` in the error.

    Raises:
        Unreadable: naming the field.
    """
    seen = Counter(name for name, _ in pairs if name in names)
    for name, times in seen.items():
        if times > 1:
            raise Unreadable("duplicate_key", "stands more than once", f"{where}{name}")


def canonical(payload: Mapping[str, object]) -> bytes:
    """Return the compact JSON text of a payload that is in order, the same for equal payloads.

    Raises:
        Unreadable: if it holds a number that is too large for a float.
    """
    text: bytes = to_json(payload)
    if b"Infinity" in text:
        _refuse_infinity(payload)
    return text


_CONTAINERS = frozenset({dict, list})


def _levels(document: object) -> Iterator[Sequence[dict[str, object]]]:
    """Yield the objects of each level of a document, as long as there are containers in it.

    Level by level and without an iterator for each, for a text of the largest size holds more than
    a hundred thousand containers, and a call for each would take longer than to parse them.
    """
    below: list[Any] = [document]
    while not (kinds := set(map(type, below))).isdisjoint(_CONTAINERS):
        if kinds == {list}:
            yield ()
            below = reduce(iconcat, below, [])
            continue
        objects = [each for each in below if type(each) is dict and each]
        yield objects
        lists = [each for each in below if type(each) is list] if list in kinds else []
        below = reduce(iconcat, lists, [])
        below += chain.from_iterable(map(dict.values, objects))


def _sort(value: dict[str, object]) -> None:
    if len(value) > 1 and (keys := sorted(value)) != list(value):
        items = [(key, value[key]) for key in keys]
        value.clear()
        value.update(items)


def _unreadable(text: bytes, error: ValueError, names: Iterable[str]) -> Unreadable:
    if not text:
        return Unreadable("empty", "the value has no bytes")
    begins = next((what for start, what in _BEGINNINGS.items() if text.startswith(start)), None)
    instead = f"expected JSON in UTF-8, this begins as {begins} does"
    try:
        text.decode()
    except UnicodeDecodeError:
        return Unreadable("not_utf8", instead if begins else "expected JSON in UTF-8")
    if begins:
        return Unreadable("not_json", instead)
    cause = _POSITION.sub("", str(error))
    if (b"NaN" in text or b"Infinity" in text) and _is_json(text, allow_inf_nan=True):
        return Unreadable("bad_number", "NaN and Infinity are not JSON", _culprit(text, names))
    if cause not in _UNREADABLE:
        return Unreadable("not_json", f"expected JSON: {cause}")
    reason, problem = _UNREADABLE[cause]
    return Unreadable(reason, problem, "" if reason == "too_deep" else _culprit(text, names))


def _culprit(text: bytes, names: Iterable[str]) -> str:
    """Return the one of `names` whose value spoils a text that a laxer parser reads."""
    if len(text) > NAMED_MAX:
        return ""
    try:
        document = json.loads(text, parse_int=_lax_integer)
        texts = {name: json.dumps(document[name]) for name in names if name in document}
    except (ValueError, TypeError, RecursionError):
        return ""
    return next((name for name, said in texts.items() if not _is_json(said.encode())), "")


def _lax_integer(digits: str) -> float:
    """Return what is no JSON in place of an integer of too many digits."""
    return math.nan if len(digits.lstrip("-")) > DIGITS_MAX else 0


def _is_json(text: bytes, *, allow_inf_nan: bool = False) -> bool:
    try:
        from_json(text, allow_inf_nan=allow_inf_nan)
    except ValueError:
        return False
    return True


def _refuse_repeated(text: bytes, names: Mapping[str, bytes]) -> None:
    last: deque[Pairs] = deque(maxlen=1)  # the object at the top ends last
    json.loads(text, object_pairs_hook=last.append, parse_int=str, parse_float=str)
    refuse_repeated(last[0], names)


def _refuse_infinity(payload: Mapping[str, object]) -> None:
    try:
        json.dumps(payload, allow_nan=False)
    except ValueError:
        problem = "a number too large for a 64-bit float"
        raise Unreadable("bad_number", problem, "payload") from None
