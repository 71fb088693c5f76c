"""A contact update: the run writes on its contact's profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import PlainValidator

from handlers.decision import Emission, Fail, GoTo, Outcome, ProfileChange, Turn
from handlers.evaluate import substitute
from handlers.step import StepConfig, config_of, no_arms, unexpected
from state.automation import DEFAULT_BRANCH
from state.path import Var, parse_values
from state.problem import Collector, Problem, ProblemsError, spelled

TYPE = "contact_update"
BRANCHES = (DEFAULT_BRANCH,)

Fits = Callable[[object], bool]


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _parse(raw: object, fits: Fits) -> object:
    value = parse_values(raw)
    if isinstance(value, Var) or fits(value):
        return value
    raise ProblemsError([Problem("", f"{spelled(raw)} does not fit", _WANTED[fits])])


def _parse_properties(raw: object) -> Mapping[str, object]:
    if raw is None or raw == []:
        return {}
    if not isinstance(raw, dict):
        raise ProblemsError([Problem("", "must be an object", "write `key: value`")])
    found = Collector()
    parsed = {key: found.attempt(key, _parse, value, _is_scalar) for key, value in raw.items()}
    found.check()
    return parsed


_WANTED: Mapping[Fits, str] = {
    _is_text: "use text, null or {var: <path>}",
    _is_flag: "use true, false or {var: <path>}",
    _is_scalar: "use text, a number, true, false, null or {var: <path>}",
}
_FIELDS: Mapping[str, Fits] = {
    "first_name": _is_text,
    "last_name": _is_text,
    "unsubscribed": _is_flag,
}

_TextOrVar = Annotated[object, PlainValidator(lambda raw: _parse(raw, _is_text))]
_FlagOrVar = Annotated[object, PlainValidator(lambda raw: _parse(raw, _is_flag))]


class Config(StepConfig):
    """What to write. A name or a property that is null is cleared; what is left out stays.

    `emit` publishes what the step writes as a `contact.updated` (rule S6).
    """

    first_name: _TextOrVar = None
    last_name: _TextOrVar = None
    unsubscribed: _FlagOrVar | None = None
    properties: Annotated[Mapping[str, object], PlainValidator(_parse_properties)] = {}
    emit: bool = False


arms = no_arms


def enter(turn: Turn) -> Outcome:
    """Write the values, unless one is absent or of a type that the profile does not hold."""
    config = config_of(turn, Config)
    fields, absent = substitute(_given(config), turn.scope)
    properties, absent_too = substitute(config.properties, turn.scope)
    assert isinstance(fields, dict)
    assert isinstance(properties, dict)
    written = {**fields, "properties": properties} if properties else fields
    if absent or absent_too:
        paths = ", ".join((*absent, *absent_too))
        return Fail("field_absent", f"absent: {paths}", written)
    misfits = [name for name, value in fields.items() if not _FIELDS[name](value)]
    misfits += [f"properties.{key}" for key, value in properties.items() if not _is_scalar(value)]
    if misfits:
        return Fail("value_invalid", f"of a wrong type: {', '.join(misfits)}", written)
    emits = Emission("contact.updated", written) if config.emit else None
    return GoTo(input=written, change=ProfileChange(fields, properties), emits=emits)


resume = unexpected


def _given(config: Config) -> dict[str, object]:
    """Return the fields that were written down; a null for `unsubscribed` says nothing."""
    given = {name: getattr(config, name) for name in _FIELDS if name in config.model_fields_set}
    if given.get("unsubscribed", False) is None:
        del given["unsubscribed"]
    return given
