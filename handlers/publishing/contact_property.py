"""Properties of contacts as users define them: a key, a type, and what stands in for none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from state.problem import Collector, Problem, ProblemsError, choose, spelled
from state.rule import is_number

KEY_MAX = 50

#: How long a text may be that stands in for none.
FALLBACK_MAX = 500

PropertyType = Literal["string", "number"]
_TYPES = ("string", "number")
_KEY = re.compile(r"[A-Za-z0-9_]+")


class PropertyError(ProblemsError):
    """A property cannot be defined so; `problems` says everything that is wrong with it."""


class PropertyDraft(NamedTuple):
    """A property to define; a fallback of None is none."""

    key: str
    type: PropertyType
    fallback: str | float | None


def parse_property(raw: object) -> PropertyDraft:
    """Return the property that `{key, type, fallback_value}` means; unknown keys are ignored.

    Raises:
        PropertyError: it cannot be defined; says everything that is wrong with it.
    """
    if not isinstance(raw, Mapping):
        fix = "write `{key: plan, type: string}`"
        raise PropertyError([Problem("", f"must be an object, not {spelled(raw)}", fix)])
    found = Collector()
    key = found.attempt("key", _parse_key, raw.get("key"))
    kind = found.attempt("type", _parse_type, raw.get("type"))
    fallback = None
    if kind is not None:
        fallback = found.attempt("fallback_value", parse_fallback, kind, raw.get("fallback_value"))
    found.check(PropertyError)
    assert key is not None
    assert kind is not None
    return PropertyDraft(key, kind, fallback)


def parse_fallback(kind: PropertyType, raw: object) -> str | float | None:
    """Return what stands in for a property of this type where a contact has none.

    Raises:
        PropertyError: it is of another type.
    """
    if raw is None:
        return None
    if kind == "string" and isinstance(raw, str):
        if len(raw) > FALLBACK_MAX:
            message = f"is {len(raw)} characters long"
            raise PropertyError([Problem("", message, f"use at most {FALLBACK_MAX}")])
        return raw
    if kind == "number" and is_number(raw):
        return raw
    raise PropertyError([Problem("", f"{spelled(raw)} is no {kind}", f"write a {kind}, or null")])


def _parse_key(raw: object) -> str:
    if raw is None:
        raise PropertyError([Problem("", "is missing", "name the property")])
    if isinstance(raw, str) and _KEY.fullmatch(raw) and len(raw) <= KEY_MAX:
        return raw
    fix = f"use letters, digits and underscores, at most {KEY_MAX}"
    raise PropertyError([Problem("", f"{spelled(raw, 60)} cannot be a key", fix)])


def _parse_type(raw: object) -> PropertyType:
    if raw == "string" or raw == "number":
        return raw
    message = "is missing" if raw is None else f"{spelled(raw)} is not a type"
    raise PropertyError([Problem("", message, choose(raw, _TYPES))])
