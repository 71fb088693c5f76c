"""What the steps of an automation refer to: values by their paths, and templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import BaseModel

from handlers.message import SendConfig
from handlers.publishing.drawing import Drawing, DrawnStep
from handlers.publishing.entry import TRIGGER_ROOTS
from state.path import Var, parse_path
from state.problem import Collector, choose, joined
from state.rule import AllOf, AnyOf, Comparison, field_paths


class _Readable(NamedTuple):
    """What paths may name: outputs by step key, and events by name (None: not known for sure)."""

    step_keys: frozenset[str]
    awaited: frozenset[str] | None


def check_references(drawing: Drawing, found: Collector) -> None:
    """Note every path that can never be read, and every template that cannot be used."""
    readable = _Readable(frozenset(drawing.steps), _awaited(drawing.steps))
    for step in drawing.steps.values():
        at_step = Collector(f'step "{step.key}"')
        for place, path in _paths(step.config, "config"):
            if step.is_trigger:
                at_step.attempt(place, parse_path, path, TRIGGER_ROOTS)
            else:
                _check_path(place, path, readable, at_step)
        if isinstance(step.config, SendConfig):
            _check_template(step.config, drawing, at_step)
        found.problems += at_step.problems
    for index, rule in enumerate(drawing.exits):
        for place, path in _paths(rule.filter, f"exit[{index}].filter"):
            _check_path(place, path, readable, found)


def _awaited(steps: Mapping[str, DrawnStep]) -> frozenset[str] | None:
    """Return the names of the events that steps wait for; `wait_events` can hold no others."""
    names: frozenset[str] = frozenset()
    for step in steps.values():
        if step.kind is None or step.config is None:
            return None
        if not step.is_trigger:
            names |= step.kind.names(step.config)
    return names


def _paths(value: object, place: str) -> Iterator[tuple[str, str]]:
    """Yield every path that a configuration reads, and where it stands."""
    match value:
        case Var(path):
            yield place, path
        case Comparison() | AllOf() | AnyOf():
            for path in sorted(field_paths(value)):
                yield place, path
        case BaseModel():
            for name, field in type(value).model_fields.items():
                yield from _paths(getattr(value, name), joined(place, field.alias or name))
        case Mapping():
            for key, item in value.items():
                yield from _paths(item, joined(place, str(key)))
        case list():
            for index, item in enumerate(value):
                yield from _paths(item, joined(place, f"[{index}]"))
        case _:
            return


def _check_path(place: str, path: str, readable: _Readable, found: Collector) -> None:
    root, _, rest = path.partition(".")
    keys, awaited = readable
    if root == "steps" and not any(rest.startswith(f"{key}.output.") for key in keys):
        key = rest.partition(".output.")[0]
        found.refuse(place, f'`{path}`: there is no step "{key}"', choose(key, sorted(keys)))
    if root != "wait_events" or awaited is None:
        return
    if not any(rest.startswith(f"{name}.") for name in awaited):
        fix = f"valid: {', '.join(sorted(awaited))}" if awaited else "add a wait_for_event step"
        found.refuse(place, f"`{path}`: no step waits for such an event", fix)


def _check_template(config: SendConfig, drawing: Drawing, found: Collector) -> None:
    used, templates = config.template, drawing.templates
    template = templates.get(used.id)
    if used.id in drawing.unpublished:
        message = f'template "{used.id}" is not published'
        found.refuse("config.template.id", message, "publish it first: steps use what is published")
        return
    if template is None:
        fix = choose(used.id, templates) if templates else "define it under `templates`"
        found.refuse("config.template.id", f'there is no template "{used.id}"', fix)
        return
    if template.channel != config.channel:
        message = f'template "{used.id}" is a message by {template.channel}'
        found.refuse("config.template.id", message, f"use one by {config.channel}")
        return
    if used.id in drawing.stored_templates and config.adapt(template).texts.get("subject") == ():
        message = f'template "{used.id}" has no subject'
        found.refuse("config.subject", message, "add `subject` here, or to the template")
    for name in sorted(config.adapt(template).needed - used.variables.keys()):
        if not name.startswith("contact."):
            message = f'template "{used.id}" needs a value for it'
            fix = f"add it here, or write `{{{{{{{name}|fallback}}}}}}` in the template"
            found.refuse(f"config.template.variables.{name}", message, fix)
