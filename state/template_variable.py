"""The variables that a template declares: each with its type, and what it falls back to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from state.problem import Collector, Problem, ProblemsError, choose, spelled
from state.rule import is_number

#: How many variables one template may declare, and how long a key may be.
DECLARED_MAX = 50
KEY_MAX = 50

#: Keys that mean something of their own in the texts.
RESERVED = ("FIRST_NAME", "LAST_NAME", "EMAIL", "UNSUBSCRIBE_URL", "contact", "this")

_TYPES = ("string", "number", "boolean", "object", "list")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIELDS = ("key", "type", "fallback_value")


class VariableError(ProblemsError):
    """Variables cannot be declared so."""


class Variable(Struct, frozen=True):
    """A declared variable; None is no fallback."""

    key: str
    type: str
    fallback: object

    def document(self) -> dict[str, object]:
        """Return the variable as it is written."""
        return {"key": self.key, "type": self.type, "fallback_value": self.fallback}


def parse_variables(raw: object) -> tuple[Variable, ...]:
    """Return the variables that `raw` lists as `{key, type, fallback_value}`; nothing is none.

    Raises:
        VariableError: they cannot be declared; says everything that is wrong with them.
    """
    if raw is None:
        return ()
    if not isinstance(raw, list):
        fix = "write `[{key: PLAN, type: string, fallback_value: free}]`"
        raise VariableError([Problem("", "must be a list of variables", fix)])
    if len(raw) > DECLARED_MAX:
        raise VariableError([Problem("", f"there are {len(raw)}", f"use at most {DECLARED_MAX}")])
    found = Collector()
    declared: dict[str, Variable] = {}
    for index, item in enumerate(raw):
        variable = found.attempt(f"[{index}]", _parse_variable, item)
        if variable is not None and variable.key in declared:
            found.refuse(f"[{index}].key", f'"{variable.key}" is declared twice', "keep one")
        elif variable is not None:
            declared[variable.key] = variable
    found.check(VariableError)
    return tuple(declared.values())


def fallbacks_of(variables: Iterable[Variable]) -> dict[str, object]:
    """Return the fallbacks of those variables that have one."""
    return {one.key: one.fallback for one in variables if one.fallback is not None}


def _parse_variable(raw: object) -> Variable:
    if not isinstance(raw, Mapping):
        fix = f"write an object with {', '.join(_FIELDS)}"
        raise VariableError([Problem("", f"must be a variable, not {spelled(raw)}", fix)])
    found = Collector()
    key = found.attempt("key", _parse_key, raw.get("key"))
    kind = raw.get("type")
    fallback = raw.get("fallback_value")
    if not isinstance(kind, str) or kind not in _TYPES:
        message = "is missing" if kind is None else f"{spelled(kind)} is not a type"
        found.refuse("type", message, choose(kind, _TYPES))
    elif fallback is not None and not _is_of(kind, fallback):
        found.refuse(
            "fallback_value", f"{spelled(fallback)} is no {kind}", f"write a {kind}, or null"
        )
    found.check(VariableError)
    assert key is not None, "a key without problems was parsed"
    return Variable(key, str(kind), fallback)


def _parse_key(raw: object) -> str:
    if raw is None:
        raise VariableError([Problem("", "is missing", "name the variable")])
    if not isinstance(raw, str) or not _KEY.fullmatch(raw) or len(raw) > KEY_MAX:
        fix = f"use letters, digits and underscores, at most {KEY_MAX}"
        raise VariableError([Problem("", f"{spelled(raw, 60)} cannot be a key", fix)])
    if raw in RESERVED:
        fix = f"choose another; reserved: {', '.join(RESERVED)}"
        raise VariableError([Problem("", f'"{raw}" is reserved', fix)])
    return raw


def _is_of(kind: str, value: object) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "number":
            return is_number(value)
        case "boolean":
            return isinstance(value, bool)
        case "object":
            return isinstance(value, Mapping)
        case _:
            return isinstance(value, list)
