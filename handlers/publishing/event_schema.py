"""Events as users define them: names that are free to be taken, and the schemas of payloads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import TypeGuard

from state.instant import EXPECTED, InstantError, parse_instant
from state.name import parse_name
from state.problem import Collector, Problem, ProblemsError, choose, spelled
from state.rule import is_number

#: Names that begin so belong to the systems that send them.
RESERVED = ("resend:", "waitline.", "sendrealm.")

#: How many fields a schema may name.
FIELDS_MAX = 200

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NUMBER_MAX = 64  # characters
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class SchemaError(ProblemsError):
    """An event cannot be defined so; `problems` says everything that is wrong with it."""


class PayloadError(ProblemsError):
    """A payload does not fit its event's schema; each problem's `field` is one of the payload."""

    code = "payload_invalid"


def parse_event_name(raw: object) -> str:
    """Return `raw` if an event may be defined, or sent, by this name.

    Raises:
        InvalidNameError: it is no name. SchemaError: it belongs to a system.
    """
    name = parse_name(raw)
    for prefix in RESERVED:
        if name.startswith(prefix):
            message = f"`{name:.40}` begins with `{prefix}`, which is kept for the system's own"
            raise SchemaError([Problem("", message, "choose another name")])
    return name


def parse_schema(raw: object) -> dict[str, str] | None:
    """Return the schema that `raw` means, a type for each field's name; None: there is none.

    Raises:
        SchemaError: it is no flat map of names to types; says everything that is wrong with it.
    """
    if raw is None:
        return None
    if raw == []:  # what PHP makes of an empty map
        return {}
    if not isinstance(raw, Mapping):
        raise SchemaError(
            [Problem("", f"must be an object, not {spelled(raw)}", "write `KEY: type`")]
        )
    if len(raw) > FIELDS_MAX:
        raise SchemaError([Problem("", f"names {len(raw)} fields", f"use at most {FIELDS_MAX}")])
    found = Collector()
    for name, kind in raw.items():
        found.attempt("", parse_name, name)
        if not isinstance(kind, str) or kind not in _COERCIONS:
            fix = choose(_SYNONYMS.get(str(kind).lower(), str(kind).lower()), _COERCIONS)
            found.refuse(f"{name!s:.80}", f"{spelled(kind)} is not a type", fix)
    found.check(SchemaError)
    return dict(raw)


def validate_payload(
    schema: Mapping[str, str] | None, payload: Mapping[str, object]
) -> dict[str, object]:
    """Return the payload with each field of the schema made a value of its type.

    What the schema does not name stays as it is, and so does a null. A field that is absent is no
    mismatch: a schema says what a field is, not that it is there. Text that is a number or a
    boolean becomes one, a number or a boolean becomes text; a date is RFC 3339, or a day alone,
    and stays as it was written.

    Raises:
        PayloadError: values are of other types; names each field.
    """
    found = Collector()
    coerced = dict(payload)
    for name, kind in (schema or {}).items():
        value = payload.get(name)
        if value is not None:
            coerced[name] = found.attempt(name, _COERCIONS[kind], value)
    found.check(PayloadError)
    return coerced


def _as_string(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_number(value):
        return str(value)
    raise _mismatch(value, "text")


def _as_number(value: object) -> int | float:
    if is_number(value):
        return value
    match = _NUMBER.fullmatch(value.strip()) if _is_short_text(value) else None
    if match is not None:
        if not (match[1] or match[2]):
            return int(match[0])
        number = float(match[0])
        if isfinite(number):
            return number
    raise _mismatch(value, "a number")


def _as_boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if _is_short_text(value) else None
    if word in ("true", "false"):
        return word == "true"
    raise _mismatch(value, "true or false")


def _as_date(value: object) -> str:
    if isinstance(value, str):
        try:
            parse_instant(f"{value}T00:00:00Z" if _DATE.fullmatch(value) else value)
            return value
        except InstantError:
            pass
    raise _mismatch(value, f"a date: {EXPECTED}, or a day such as 2026-11-22")


_COERCIONS: Mapping[str, Callable[[object], object]] = {
    "string": _as_string,
    "number": _as_number,
    "boolean": _as_boolean,
    "date": _as_date,
}

_SYNONYMS = {
    "str": "string",
    "text": "string",
    "int": "number",
    "integer": "number",
    "float": "number",
    "bool": "boolean",
    "datetime": "date",
    "timestamp": "date",
}


def _is_short_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _NUMBER_MAX


def _mismatch(value: object, expected: str) -> PayloadError:
    return PayloadError([Problem("", f"{spelled(value)} is not {expected}")])
