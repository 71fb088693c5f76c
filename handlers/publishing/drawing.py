"""The parts of an automation as its author drew them: steps, connections, templates, exits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from handlers.message import SendConfig
from handlers.publishing.entry import parse_exits, parse_reentry
from handlers.step import StepConfig, StepKind
from handlers.steps import KINDS
from state.automation import DEFAULT_BRANCH, STEPS_MAX, Exit, Reentry
from state.name import parse_name
from state.problem import Collector, Problem, ProblemsError, choose, spelled
from state.template import Template, parse_template

TRIGGER = "trigger"

#: Names that keys of steps and connections had in older dialects.
_OLD_NAMES = {"ref": "key", "edge_type": "type"}


class DrawnStep(Struct, frozen=True):
    """A step as it was drawn. `kind` and `config` are None where they could not be parsed."""

    key: str
    kind: StepKind | None
    config: StepConfig | None
    raw_config: Mapping[str, object]

    @property
    def is_trigger(self) -> bool:
        """Tell whether it is the step that starts runs."""
        return self.kind is not None and self.kind.name == TRIGGER


class Connection(NamedTuple):
    """A way from one step to another, followed when the first one ends with this branch."""

    source: str
    target: str
    branch: str

    @property
    def label(self) -> str:
        """Return how problems name the connection."""
        return f'connection "{self.source}" -> "{self.target}"'


class Drawing(Struct, frozen=True):
    """An automation's parts, each parsed; they may not fit together yet.

    Of `templates`, those named in `stored_templates` were not defined by the document. What steps
    name and nobody has published is `unpublished`.
    """

    reentry: Reentry
    exits: tuple[Exit, ...]
    steps: Mapping[str, DrawnStep]
    connections: tuple[Connection, ...]
    templates: Mapping[str, Template]
    raw_templates: Mapping[str, object]
    stored_templates: frozenset[str] = frozenset()
    unpublished: frozenset[str] = frozenset()


def parse_drawing(
    document: Mapping[str, object],
    stored_templates: Mapping[str, Mapping[str, object] | None],
    found: Collector,
) -> Drawing:
    """Return the parts of an automation, and note in `found` what is wrong with each by itself.

    Of the stored templates those are taken that the steps name and the document does not define; a
    None is one that was never published.
    """
    steps = _parse_steps(document.get("steps"), found)
    own_templates = _object_at(document, "templates", found)
    used = {
        step.config.template.id for step in steps.values() if isinstance(step.config, SendConfig)
    }
    named = {
        key: stored_templates[key]
        for key in sorted((used - own_templates.keys()) & stored_templates.keys())
    }
    taken = {key: template for key, template in named.items() if template is not None}
    raw_templates = {**taken, **own_templates}
    return Drawing(
        reentry=found.attempt("reentry", parse_reentry, document.get("reentry")) or Reentry(),
        exits=found.attempt("exit", parse_exits, document.get("exit")) or (),
        steps=steps,
        connections=_parse_connections(document.get("connections"), found),
        templates=_parse_templates(raw_templates, found),
        raw_templates=raw_templates,
        stored_templates=frozenset(taken),
        unpublished=frozenset(named.keys() - taken.keys()),
    )


def _parse_steps(raw: object, found: Collector) -> dict[str, DrawnStep]:
    items = _list_at("steps", raw, found)
    if raw is None or raw == []:
        found.refuse("steps", "there are none", "add a trigger and the steps that follow it")
    if len(items) > STEPS_MAX:
        found.refuse("steps", f"there are {len(items)}", f"use at most {STEPS_MAX}")
        return {}
    steps: dict[str, DrawnStep] = {}
    for index, item in enumerate(items):
        step = found.attempt(f"steps[{index}]", _parse_step, item, found)
        if step is not None and step.key in steps:
            found.refuse(f"steps[{index}].key", f'"{step.key}" is taken', "rename one of the steps")
        elif step is not None:
            steps[step.key] = step
    return steps


def _parse_step(raw: object, found: Collector) -> DrawnStep:
    """Return a step that has a key at least; what is wrong below the key is noted in `found`."""
    if not isinstance(raw, Mapping):
        fix = "write `{key: ..., type: ..., config: {...}}`"
        raise ProblemsError([Problem("", f"must be a step, not {spelled(raw)}", fix)])
    keyed = Collector()
    key = keyed.attempt("key", parse_name, _named(raw, "key"))
    keyed.check()
    assert key is not None, "a key without problems was parsed"
    at_step = Collector(f'step "{key}"')
    kind = at_step.attempt("type", _parse_kind, raw.get("type"))
    config = raw.get("config")
    parsed = None if kind is None else at_step.attempt("config", kind.parse, config)
    found.problems += at_step.problems
    return DrawnStep(key, kind, parsed, config if isinstance(config, Mapping) else {})


def _parse_kind(raw: object) -> StepKind:
    if isinstance(raw, str) and raw in KINDS:
        return KINDS[raw]
    message = "is missing" if raw is None else f"{spelled(raw)} is not a kind of step"
    raise ProblemsError([Problem("", message, choose(raw, KINDS))])


def _parse_connections(raw: object, found: Collector) -> tuple[Connection, ...]:
    connections = [
        found.attempt(f"connections[{index}]", _parse_connection, item)
        for index, item in enumerate(_list_at("connections", raw, found))
    ]
    return tuple(connection for connection in connections if connection is not None)


def _parse_connection(raw: object) -> Connection:
    if not isinstance(raw, Mapping):
        fix = "write `{from: ..., to: ...}`"
        raise ProblemsError([Problem("", f"must be a connection, not {spelled(raw)}", fix)])
    found = Collector()
    source = found.attempt("from", parse_name, raw.get("from"))
    target = found.attempt("to", parse_name, raw.get("to"))
    branch = _named(raw, "type")
    if branch is not None:
        branch = found.attempt("type", parse_name, branch)
    found.check()
    assert source is not None
    assert target is not None
    return Connection(source, target, DEFAULT_BRANCH if branch is None else str(branch))


def _parse_templates(raw: Mapping[str, object], found: Collector) -> dict[str, Template]:
    templates: dict[str, Template] = {}
    for name, item in raw.items():
        at_template = Collector(f'template "{name}"')
        at_template.attempt("", parse_name, name)
        template = at_template.attempt("", parse_template, item)
        found.problems += at_template.problems
        if template is not None:
            templates[name] = template
    return templates


def _named(raw: Mapping[str, object], name: str) -> object:
    """Return the value of a key, and refuse the name it had in an older dialect."""
    for old, now in _OLD_NAMES.items():
        if now == name and old in raw and name not in raw:
            raise ProblemsError([Problem(old, "is not a key here", f"write `{name}`")])
    return raw.get(name)


def _list_at(field: str, raw: object, found: Collector) -> Sequence[object]:
    if raw is None or isinstance(raw, list):
        return raw or ()
    found.refuse(field, "must be a list", "write each item after a `-`")
    return ()


def _object_at(
    document: Mapping[str, object], field: str, found: Collector
) -> Mapping[str, object]:
    raw = document.get(field)
    if raw is None or raw == []:
        return {}
    if isinstance(raw, Mapping):
        return raw
    found.refuse(field, "must be an object", "write `<alias>: {...}`")
    return {}
