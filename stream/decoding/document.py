"""Strict JSON: bytes to a document without surprises, and a document to its canonical text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from pydantic_core import from_json, to_json

from stream.decoding.unreadable import Unreadable

#: How deep a document may nest (rule E6).
DEPTH_MAX = 32

_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_POSITION = re.compile(r" at line \d+ column \d+$")
_NO_CHARACTER = "a \\u escape that is no character, such as half of a surrogate pair"
_UNREADABLE = {
    "recursion limit exceeded": ("too_deep", f"nested deeper than {DEPTH_MAX} levels"),
    "number out of range": ("bad_number", "an integer of more than 4300 digits"),
    "lone leading surrogate in hex escape": ("bad_character", _NO_CHARACTER),
    "unexpected end of hex escape": ("bad_character", _NO_CHARACTER),
}


def parse(text: bytes) -> object:
    """Return the document in a JSON text of UTF-8 bytes.

    The parser itself refuses NaN, Infinity, halves of surrogate pairs and whatever follows the
    document; what it lets pass and Postgres or people would not is refused here.

    Raises:
        Unreadable: with the reason.
    """
    try:
        document: object = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise _unreadable(text, error) from None
    if text.count(b"{") + text.count(b"[") > DEPTH_MAX:
        _refuse_depth(document)
    if b"\\u0" in text and _NUL_ESCAPE.search(text):
        raise Unreadable("bad_character", "the NUL character, which Postgres cannot store")
    return document


def parse_object(text: bytes, names: Mapping[str, bytes]) -> dict[str, object]:
    """Return the object in a JSON text; none of `names` (each with its quoted form) may repeat.

    JSON parsers disagree on which of two equal keys counts, so an event that says its id or its
    person twice has no meaning that everybody shares.

    Raises:
        Unreadable: with the reason.
    """
    document = parse(text)
    if not isinstance(document, dict):
        raise Unreadable("not_an_object", "expected a JSON object at the top")
    if b"\\u00" in text:  # a name may be spelled with escapes
        _refuse_repeated(text, names)
    for name in document:
        if name in names and text.count(names[name]) > 1:
            _refuse_repeated(text, names)
    return document


def quoted(names: tuple[str, ...]) -> dict[str, bytes]:
    """Return each name with the form in which it normally stands in a JSON text."""
    return {name: f'"{name}"'.encode() for name in names}


def canonical(document: Mapping[str, object]) -> bytes:
    """Return the compact JSON text of an object with its keys sorted, the same for equal objects.

    Raises:
        Unreadable: if it holds a number that is too large for a float.
    """
    text: bytes = to_json(_sorted(document))
    if b"Infinity" in text:
        _refuse_infinity(document)
    return text


def _sorted(document: Mapping[str, object]) -> dict[str, object]:
    return {
        key: _sorted_deep(value) if type(value) in _CONTAINERS else value
        for key, value in sorted(document.items())
    }


def _sorted_deep(value: object) -> object:
    if isinstance(value, dict):
        return _sorted(value)
    if isinstance(value, list):
        return [_sorted_deep(item) for item in value]
    return value


_CONTAINERS = frozenset({dict, list})


def _unreadable(text: bytes, error: ValueError) -> Unreadable:
    if not text:
        return Unreadable("empty", "the value has no bytes")
    try:
        text.decode()
    except UnicodeDecodeError:
        return Unreadable("not_utf8", "expected UTF-8")
    cause = _POSITION.sub("", str(error))
    reason, problem = _UNREADABLE.get(cause, ("not_json", cause))
    return Unreadable(reason, problem)


def _refuse_depth(document: object) -> None:
    level = [document]
    for _ in range(DEPTH_MAX):
        level = [child for node in level for child in _children(node)]
    if any(type(node) in _CONTAINERS for node in level):
        raise Unreadable("too_deep", f"nested deeper than {DEPTH_MAX} levels")


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _refuse_repeated(text: bytes, names: Mapping[str, bytes]) -> None:
    pairs = json.loads(text, object_pairs_hook=list, parse_int=str, parse_float=str)
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen and name in names:
            raise Unreadable("duplicate_key", "stands more than once", name)
        seen.add(name)


def _refuse_infinity(document: Mapping[str, object]) -> None:
    try:
        json.dumps(document, allow_nan=False)
    except ValueError:
        raise Unreadable("bad_number", "a number too large for a 64-bit float") from None
