"""Rules: what must hold, as a tree of comparisons joined by `and` and `or`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from msgspec import Struct

from state.path import Var, is_var, parse_path, parse_var
from state.problem import Collector, Problem, ProblemsError, choose, spelled

EQUALITY = ("eq", "neq")
ORDER = ("gt", "gte", "lt", "lte")
TEXT = ("contains", "not_contains", "starts_with", "ends_with")
PRESENCE = ("exists", "is_empty", "is_not_empty")
OPERATORS = EQUALITY + ORDER + TEXT + PRESENCE

#: How deep rules may be nested, and how many comparisons one may hold.
DEPTH_MAX = 16
COMPARISONS_MAX = 200

_SYNONYMS = {
    "equals": "eq",
    "equal": "eq",
    "=": "eq",
    "==": "eq",
    "is": "eq",
    "not_equals": "neq",
    "not_equal": "neq",
    "ne": "neq",
    "!=": "neq",
    "is_not": "neq",
    "greater_than": "gt",
    ">": "gt",
    ">=": "gte",
    "less_than": "lt",
    "<": "lt",
    "<=": "lte",
    "does_not_contain": "not_contains",
    "not_empty": "is_not_empty",
}


class RuleError(ProblemsError):
    """What was given is not a rule."""


class Comparison(Struct, frozen=True):
    """One comparison: a field's path, an operator of `OPERATORS`, and a value or a `Var`.

    The operators of `PRESENCE` take no value; theirs is None.
    """

    field: str
    operator: str
    value: object = None


class AllOf(Struct, frozen=True):
    """Holds when each of its rules does."""

    rules: tuple[Rule, ...]


class AnyOf(Struct, frozen=True):
    """Holds when one of its rules does."""

    rules: tuple[Rule, ...]


Rule = Comparison | AllOf | AnyOf


def parse_rule(raw: object, where: str = "") -> Rule:
    """Return the rule that `raw` means; `where` is the path that problems are named from.

    Raises:
        RuleError: it is not a rule; says everything that is wrong with it.
    """
    found = Collector()
    try:
        rule = found.attempt(where, _Parser().rule, raw, depth=1)
    except _TooLargeError as error:
        raise RuleError(
            [Problem(where, str(error), "split the rule, or make it smaller")]
        ) from None
    found.check(RuleError)
    assert rule is not None, "a rule without problems was parsed"
    return rule


def field_paths(rule: Rule) -> set[str]:
    """Return every path that the rule reads, those of `{var: path}` values too."""
    return set(_paths(rule))


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _paths(rule: Rule) -> Iterator[str]:
    if isinstance(rule, Comparison):
        yield rule.field
        if isinstance(rule.value, Var):
            yield rule.value.path
        return
    for part in rule.rules:
        yield from _paths(part)


class _TooLargeError(Exception):
    """The tree passes a limit; nothing more is read of it."""


class _Parser:
    """Parses one tree, counting its comparisons."""

    def __init__(self) -> None:
        self._comparisons = 0

    def rule(self, raw: object, depth: int) -> Rule:
        if depth > DEPTH_MAX:
            raise _TooLargeError(f"is nested deeper than {DEPTH_MAX} levels")
        if not isinstance(raw, Mapping):
            fix = "write `{field: event.total, operator: gt, value: 10}`"
            raise RuleError([Problem("", f"must be a rule, not {spelled(raw)}", fix)])
        match raw.get("type"):
            case None | "rule":
                return self._comparison(raw)
            case "and":
                return AllOf(self._rules(raw, depth))
            case "or":
                return AnyOf(self._rules(raw, depth))
            case other:
                fix = choose(other, ("rule", "and", "or"))
                raise RuleError([Problem("type", f"{spelled(other)} is not known", fix)])

    def _rules(self, raw: Mapping[str, object], depth: int) -> tuple[Rule, ...]:
        items = raw.get("rules")
        if not isinstance(items, list) or not items:
            raise RuleError([Problem("rules", "must be a list of rules", "list at least one")])
        found = Collector()
        rules = [
            found.attempt(f"rules[{index}]", self.rule, item, depth + 1)
            for index, item in enumerate(items)
        ]
        found.check(RuleError)
        return tuple(rule for rule in rules if rule is not None)

    def _comparison(self, raw: Mapping[str, object]) -> Comparison:
        self._comparisons += 1
        if self._comparisons > COMPARISONS_MAX:
            raise _TooLargeError(f"holds more than {COMPARISONS_MAX} comparisons")
        found = Collector()
        field = found.attempt("field", _parse_field, raw)
        operator = found.attempt("operator", _parse_operator, raw.get("operator"))
        value = None if operator is None else found.attempt("value", _parse_value, operator, raw)
        found.check(RuleError)
        assert field is not None
        assert operator is not None
        return Comparison(field, operator, value)


def _parse_field(raw: Mapping[str, object]) -> str:
    if raw.get("field") is not None:
        return parse_path(raw["field"])
    fix = "name it, such as `event.total`"
    if "rules" in raw:
        fix = "write `type: and` or `type: or` beside `rules`"
    raise RuleError([Problem("", "is missing", fix)])


def _parse_operator(operator: object) -> str:
    if isinstance(operator, str) and operator in OPERATORS:
        return operator
    if operator is None:
        raise RuleError([Problem("", "is missing", f"valid: {', '.join(OPERATORS)}")])
    word = str(operator).lower()
    fix = choose(_SYNONYMS.get(word, word), OPERATORS)
    raise RuleError([Problem("", f"{spelled(operator)} is not an operator", fix)])


def _parse_value(operator: str, raw: Mapping[str, object]) -> object:
    value = raw.get("value")
    if operator in PRESENCE:
        if value is None:
            return None
        raise RuleError([Problem("", f"`{operator}` takes no value", "leave `value` out")])
    if isinstance(value, dict) and is_var(value):
        return parse_var(value)
    if "value" not in raw:
        raise RuleError([Problem("", "is missing", f"say what `{operator}` compares with")])
    if fix := _unfit(operator, value):
        raise RuleError([Problem("", f"{spelled(value)} does not fit `{operator}`", fix)])
    return value


def _unfit(operator: str, value: object) -> str:
    """Return what the operator wants instead of this value, or nothing if the value fits."""
    if isinstance(value, float) and not math.isfinite(value):
        return "use a finite number"
    if operator in ORDER:
        return "" if is_number(value) else "use a number, or {var: <path>}"
    if operator in TEXT:
        return "" if isinstance(value, str) else "use text, or {var: <path>}"
    is_scalar = value is None or isinstance(value, str | int | float)
    return "" if is_scalar else "use text, a number, true, false, null, or {var: <path>}"
