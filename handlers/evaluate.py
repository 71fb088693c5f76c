"""Read values by their paths and judge rules by them, with a trace of what decided."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from msgspec import Struct, field

from state.evidence import Check
from state.path import Var
from state.rule import PRESENCE, AllOf, Comparison, Rule, is_number


class Absence(Enum):
    """The type of `ABSENT`, which no value of an event or a contact equals."""

    ABSENT = "absent"


#: What a path reads where nothing stands. A null that does stand there is None.
ABSENT: Final = Absence.ABSENT

_NOTHING: Mapping[str, object] = {}
_OUTPUT = ".output."  # stands between a step's key and the name of what it put out


class Scope(Struct, frozen=True):
    """What paths read from.

    `event` is the arriving event's payload in a filter, and the trigger's in a step; `steps` holds
    the outputs by step key, `wait_events` the newest payload that closed a wait, by event name.
    """

    event: Mapping[str, object] | None = None
    trigger: Mapping[str, object] = field(default_factory=dict)
    contact: Mapping[str, object] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    wait_events: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


class Verdict(Struct, frozen=True):
    """Whether a rule holds, each comparison that decided it, and the paths that read nothing."""

    holds: bool
    checks: tuple[Check, ...] = ()
    absent: tuple[str, ...] = ()


def resolve(path: str, scope: Scope) -> object:
    """Return the value a path names, or `ABSENT`.

    Keys may hold dots themselves: at each level the longest key that the path begins with is
    taken, so `wait_events.feedback.received.score` finds the event `feedback.received`.
    """
    root, _, rest = path.partition(".")
    match root:
        case "event":
            return _read(scope.event or _NOTHING, rest)
        case "trigger":
            return _read(scope.trigger, rest)
        case "contact":
            return _read(scope.contact, rest)
        case "wait_events":
            return _read(scope.wait_events, rest)
        case "steps":
            return _read_output(scope.steps, rest)
        case _:
            return ABSENT


def evaluate(rule: Rule, scope: Scope) -> Verdict:
    """Judge a rule, left to right, no further than needed (so `exists` can guard what follows).

    An absent or mistyped field makes its comparison false and never raises (rule W1). `absent`
    names the absent ones, for a step that must not decide without them (rule F6).
    """
    checks: list[Check] = []
    absent: list[str] = []
    holds = _judge(rule, scope, checks, absent)
    return Verdict(holds, tuple(checks), tuple(dict.fromkeys(absent)))


def substitute(value: object, scope: Scope) -> tuple[object, list[str]]:
    """Return a configured value with each `Var` in it read, and the paths that read nothing."""
    absent: list[str] = []
    return _substitute(value, scope, absent), absent


def _read(values: Mapping[str, object], path: str) -> object:
    if path in values:
        return values[path]
    key, rest = _longest_key(values, path)
    below = values.get(key)
    return _read(below, rest) if rest and isinstance(below, Mapping) else ABSENT


def _read_output(steps: Mapping[str, Mapping[str, object]], path: str) -> object:
    end = path.rfind(_OUTPUT)
    while end > 0:
        if path[:end] in steps:
            return _read(steps[path[:end]], path[end + len(_OUTPUT) :])
        end = path.rfind(_OUTPUT, 0, end)
    return ABSENT


def _longest_key(values: Mapping[str, object], path: str) -> tuple[str, str]:
    """Split a path after the longest key it begins with; the rest is empty if there is none."""
    end = path.rfind(".")
    while end > 0:
        if path[:end] in values:
            return path[:end], path[end + 1 :]
        end = path.rfind(".", 0, end)
    return "", ""


def _judge(rule: Rule, scope: Scope, checks: list[Check], absent: list[str]) -> bool:
    if isinstance(rule, Comparison):
        return _compare(rule, scope, checks, absent)
    combine = all if isinstance(rule, AllOf) else any
    return combine(_judge(part, scope, checks, absent) for part in rule.rules)


def _compare(rule: Comparison, scope: Scope, checks: list[Check], absent: list[str]) -> bool:
    actual = resolve(rule.field, scope)
    expected = rule.value
    missing = [rule.field] if actual is ABSENT else []
    if isinstance(rule.value, Var):
        expected = resolve(rule.value.path, scope)
        missing += [rule.value.path] if expected is ABSENT else []
    if rule.operator in PRESENCE:
        holds = _is_present(actual, rule.operator)
    else:
        absent += missing
        holds = not missing and _COMPARISONS[rule.operator](actual, expected)
    checks.append(
        Check(rule.field, rule.operator, _shown(expected), _shown(actual), holds, bool(missing))
    )
    return holds


def _shown(value: object) -> object:
    return None if value is ABSENT else value


def _is_present(actual: object, asked: str) -> bool:
    """Answer the operators that ask about absence itself; null counts as not there."""
    if asked == "exists":
        return actual is not ABSENT and actual is not None
    is_empty = actual is ABSENT or actual is None or actual in ("", [], {})
    return is_empty == (asked == "is_empty")


def _equal(actual: object, expected: object) -> bool:
    """Compare as JSON does: 1 equals 1.0, but neither true nor "1"."""
    if is_number(actual) and is_number(expected):
        return actual == expected
    if isinstance(actual, list) and isinstance(expected, list):
        return len(actual) == len(expected) and all(map(_equal, actual, expected))
    if isinstance(actual, dict) and isinstance(expected, dict):
        return actual.keys() == expected.keys() and all(
            _equal(value, expected[key]) for key, value in actual.items()
        )
    return type(actual) is type(expected) and actual == expected


def _differs(actual: object, expected: object) -> bool:
    return not _equal(actual, expected)


def _contains(actual: object, expected: object) -> bool:
    """Tell whether text holds a piece of text, or a list an item."""
    if isinstance(actual, list):
        return any(_equal(item, expected) for item in actual)
    return isinstance(actual, str) and isinstance(expected, str) and expected in actual


def _lacks(actual: object, expected: object) -> bool:
    return isinstance(actual, str | list) and not _contains(actual, expected)


def _numbers(compare: Callable[[float, float], bool]) -> Callable[[object, object], bool]:
    def both(actual: object, expected: object) -> bool:
        return is_number(actual) and is_number(expected) and compare(actual, expected)

    return both


def _texts(compare: Callable[[str, str], bool]) -> Callable[[object, object], bool]:
    def both(actual: object, expected: object) -> bool:
        return isinstance(actual, str) and isinstance(expected, str) and compare(actual, expected)

    return both


_COMPARISONS: Mapping[str, Callable[[object, object], bool]] = {
    "eq": _equal,
    "neq": _differs,
    "gt": _numbers(operator.gt),
    "gte": _numbers(operator.ge),
    "lt": _numbers(operator.lt),
    "lte": _numbers(operator.le),
    "contains": _contains,
    "not_contains": _lacks,
    "starts_with": _texts(str.startswith),
    "ends_with": _texts(str.endswith),
}


def _substitute(value: object, scope: Scope, absent: list[str]) -> object:
    if isinstance(value, Var):
        found = resolve(value.path, scope)
        if found is ABSENT:
            absent.append(value.path)
            return None
        return found
    if isinstance(value, Mapping):
        return {key: _substitute(item, scope, absent) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(item, scope, absent) for item in value]
    return value
