"""The JSON form of what a user wrote in YAML or JSON."""

from __future__ import annotations

import math

from state.problem import Collector, Problem, ProblemsError, spelled

#: How deep a document may be nested, and how many values it may hold.
DEPTH_MAX = 64
VALUES_MAX = 100_000

#: How large a whole number may be: YAML knows larger ones, which Python writes for nobody.
BITS_MAX = 14_000


class DocumentError(ProblemsError):
    """The document holds something that JSON, or the database, cannot."""


class _TooLargeError(Exception):
    """The document passes a limit; nothing more is read of it."""


def json_ready(raw: object) -> object:
    """Return a copy that shares nothing with `raw` (YAML's aliases do) and is JSON throughout.

    Raises:
        DocumentError: names each value that is not, such as YAML's unquoted dates.
    """
    try:
        return _Copier().copy(raw, 0)
    except _TooLargeError:
        fix = f"stay below {DEPTH_MAX} levels and {VALUES_MAX} values"
        raise DocumentError([Problem("", "the document is too large", fix)]) from None


class _Copier:
    """Copies one document, counting its values."""

    def __init__(self) -> None:
        self._values = 0

    def copy(self, raw: object, depth: int) -> object:
        self._values += 1
        if depth > DEPTH_MAX or self._values > VALUES_MAX:
            raise _TooLargeError
        if isinstance(raw, dict):
            return self._copy_object(raw, depth + 1)
        if isinstance(raw, list):
            return self._copy_list(raw, depth + 1)
        return _scalar(raw)

    def _copy_object(self, raw: dict[object, object], depth: int) -> dict[str, object]:
        found = Collector()
        copied: dict[str, object] = {}
        for key, value in raw.items():
            name = found.attempt(_shown(key), _key, key)
            if name is not None:
                copied[name] = found.attempt(name, self.copy, value, depth)
        found.check(DocumentError)
        return copied

    def _copy_list(self, raw: list[object], depth: int) -> list[object]:
        found = Collector()
        copied = [
            found.attempt(f"[{index}]", self.copy, value, depth) for index, value in enumerate(raw)
        ]
        found.check(DocumentError)
        return copied


def _key(raw: object) -> str:
    if isinstance(raw, str):
        return _text(raw)
    raise DocumentError([Problem("", f"the key {_shown(raw)} is not text", "put it in quotes")])


def _shown(key: object) -> str:
    """Return a key as it stands in a YAML file."""
    return spelled(key).strip('"')


def _scalar(raw: object) -> object:
    if isinstance(raw, int) and raw.bit_length() > BITS_MAX:
        raise DocumentError([Problem("", "is too large a number", "put it in quotes")])
    if raw is None or isinstance(raw, bool | int):
        return raw
    if isinstance(raw, str):
        return _text(raw)
    if isinstance(raw, float) and math.isfinite(raw):
        return raw
    fix = "use a finite number" if isinstance(raw, float) else "put it in quotes"
    raise DocumentError([Problem("", f"{raw!s:.40} is not text or a number", fix)])


def _text(raw: str) -> str:
    try:
        raw.encode()
    except UnicodeEncodeError:
        raise DocumentError([Problem("", "holds half a character", "save it as UTF-8")]) from None
    if "\0" in raw:
        raise DocumentError([Problem("", "holds a NUL character", "take it out")])
    return raw
