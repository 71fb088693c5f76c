"""Payload filters, `{amount_gte: 1000}`, and the rules that they mean.

A key is a field of the event's payload and, behind an underscore, an operator; without one the
field must be equal. A field whose own name ends like an operator is written with `_eq`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from state.problem import Collector, Problem, ProblemsError, spelled
from state.rule import OPERATORS, PRESENCE

_ROOT = "event."

#: The longest suffix counts: `name_not_contains` asks for no field `name_not`.
_SUFFIXES = sorted(OPERATORS, key=len, reverse=True)


def rule_of(filters: object) -> dict[str, Any] | None:
    """Return the rule, as it is written in a file, that holds when every filter does.

    Raises:
        ProblemsError: the filters are no object, or `exists` and the like are not asked with true.
    """
    if filters is None or filters == {}:
        return None
    if not isinstance(filters, Mapping):
        fix = "write `{amount_gte: 1000}`"
        raise ProblemsError([Problem("", f"must be an object, not {spelled(filters)}", fix)])
    found = Collector()
    parts = [found.attempt(str(key), _comparison, str(key), filters[key]) for key in filters]
    found.check()
    rules = [part for part in parts if part is not None]
    return rules[0] if len(rules) == 1 else {"type": "and", "rules": rules}


def filters_of(rule: Mapping[str, Any]) -> dict[str, object] | None:
    """Return the filters that mean this written rule, None where filters cannot say it."""
    if rule.get("type") == "and":
        parts = [filters_of(part) for part in rule["rules"]]
        joined = {key: value for part in parts for key, value in (part or {}).items()}
        is_whole = None not in parts and len(joined) == sum(len(part or ()) for part in parts)
        return joined if is_whole else None
    field, operator = rule.get("field"), rule.get("operator")
    if not (isinstance(field, str) and field.startswith(_ROOT)):
        return None
    name = field.removeprefix(_ROOT)
    value = True if operator in PRESENCE else rule.get("value")
    return {name if operator == "eq" and not _suffix(name) else f"{name}_{operator}": value}


def _comparison(key: str, value: object) -> dict[str, object]:
    operator = _suffix(key)
    field = f"{_ROOT}{key.removesuffix(f'_{operator}') if operator else key}"
    if operator not in PRESENCE:
        return {"type": "rule", "field": field, "operator": operator or "eq", "value": value}
    if value is True:
        return {"type": "rule", "field": field, "operator": operator}
    raise ProblemsError([Problem("", f"{spelled(value)} does not fit `{operator}`", "write true")])


def _suffix(key: str) -> str:
    """Return the operator that a key ends with, or nothing."""
    for operator in _SUFFIXES:
        if key.endswith(f"_{operator}") and len(key) > len(operator) + 1:
            return operator
    return ""
