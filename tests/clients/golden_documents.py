"""Golden documents: what the contracts' example runs look like, and how a real one is held to it.

An id in a golden document stands for one UUID, the same one at every place, and two ids for two.
A time stands for any time that is written alike. A `duration_ms` stands for any length of time.
Everything else, each key and each null too, is what the real document must say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.unit.http.fields import INSTANT, MOMENT, TYPES

FOLDER = Path(__file__).parent / "golden"

#: The ids of the sources' samples, which are our UUIDs; ids of events and templates are given.
_ID = re.compile(r"(run|aut|step|wait|email|push|contact)_[0-9]+|00000000-0000-4000-8000-.{12}")


def golden(name: str) -> Any:
    """Return a golden document."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def differences(expected: Any, found: Any) -> list[str]:
    """Return where a document is not as the golden one says, each by its path."""
    bound: dict[str, str] = {}
    told = list(_differences(expected, found, "", bound))
    twice = len(bound) - len(set(bound.values()))
    return [*told, f"ids that are one and should not be: {bound}"] if twice else told


def _differences(expected: Any, found: Any, path: str, bound: dict[str, str]) -> Iterator[str]:
    match expected, found:
        case dict(), dict():
            for key in sorted(expected.keys() ^ found.keys()):
                yield f"{path}.{key}: {'missing' if key in expected else 'unknown'}"
            for key in expected.keys() & found.keys():
                yield from _differences(expected[key], found[key], f"{path}.{key}", bound)
        case list(), list() if len(expected) == len(found):
            for place, (one, other) in enumerate(zip(expected, found, strict=True)):
                yield from _differences(one, other, f"{path}[{place}]", bound)
        case str(), _ if _ID.fullmatch(expected):
            if not TYPES["uuid"](found):
                yield f"{path}: {found!r} is no id as {expected!r} is"
            elif bound.setdefault(expected, found) != found:
                yield f"{path}: {found} is not {bound[expected]}, which {expected} is elsewhere"
        case _ if not _is_alike(expected, found, path):
            yield f"{path}: {found!r}, not {expected!r}"


def _is_alike(expected: Any, found: Any, path: str) -> bool:
    for form in (INSTANT, MOMENT):
        if isinstance(expected, str) and form.fullmatch(expected):
            return isinstance(found, str) and form.fullmatch(found) is not None
    if path.endswith(".duration_ms"):
        return isinstance(found, int) and found >= 0
    return type(expected) is type(found) and bool(expected == found)
