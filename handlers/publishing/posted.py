"""Automations as an API is sent them, and what their authors are told of their mistakes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from pydantic.alias_generators import to_camel

from handlers.publishing.publish import AutomationError, Draft, parse_automation
from state.audience import Audiences
from state.name import parse_name
from state.problem import Collector, Problem, choose, spelled

_STATUSES = ("enabled", "disabled")
_GRAPH = ("steps", "connections")
_ADD = {
    "steps": "add at least a trigger",
    "connections": "add it; `[]` where there is one step only",
}

_CHANGE_SOMETHING = (
    "add `first_name`, `last_name`, `unsubscribed` or `properties`;"
    " the Node client expects `firstName` and `lastName`, and drops all other spellings"
)

_NULL_STEP = re.compile(r"steps\[[0-9]+\]")

Templates = Mapping[str, Mapping[str, object] | None]


class PostedChange(Struct, frozen=True):
    """What is to change of an automation; None: nothing of this. `graph` has both its parts."""

    name: str | None
    is_enabled: bool | None
    graph: Mapping[str, object] | None


def parse_posted(body: object, templates: Templates, audiences: Audiences) -> Draft:
    """Return the draft of an automation `{name, status?, steps, connections}` to be created.

    It is disabled unless it says otherwise; a null is absent, unknown keys are ignored. Templates
    and audiences are as for `parse_automation`.

    Raises:
        AutomationError: it cannot be created; says everything that is wrong with it.
    """
    given = _object(body)
    lacking = [key for key in _GRAPH if given.get(key) is None]
    document = {key: given[key] for key in ("name", *_GRAPH) if given.get(key) is not None}
    document["status"] = "disabled" if given.get("status") is None else given["status"]
    problems = [Problem(key, "is missing", _ADD[key], "automation") for key in lacking]
    problems += _emptied(document.get("steps"))
    return _parsed(document, templates, audiences, problems)


def parse_posted_change(body: object) -> PostedChange:
    """Return what `{name?, status?, steps? and connections?}` changes; a null is absent.

    The graph is taken as it is, for `redrawn` and `parse_redrawn`.

    Raises:
        AutomationError: it says nothing, half a graph, or something that cannot be.
    """
    given = {key: value for key, value in _object(body).items() if value is not None}
    found = Collector("automation")
    name = found.attempt("name", parse_name, given["name"]) if "name" in given else None
    status = given.get("status")
    if status is not None and status not in _STATUSES:
        found.refuse("status", f"{spelled(status)} is not a status", choose(status, _STATUSES))
    halves = [key for key in _GRAPH if key in given]
    if len(halves) == 1:
        (lacking,) = set(_GRAPH) - set(halves)
        fix = "`steps` and `connections` come together: they replace the whole graph"
        found.refuse(lacking, "is missing", fix)
    if not (halves or name is not None or status is not None or found.problems):
        fix = "say at least one of name, status, or steps with connections"
        found.refuse("", "nothing is to be changed", fix)
    found.problems += _emptied(given.get("steps"))
    found.check(AutomationError)
    graph = {key: given[key] for key in _GRAPH} if halves else None
    return PostedChange(name, None if status is None else status == "enabled", graph)


def redrawn(
    definition: Mapping[str, Any], graph: Mapping[str, object], stored: Collection[str]
) -> dict[str, object]:
    """Return the document of a published definition with another graph, or with its own.

    `stored` are templates that are to be taken anew as they are published now.
    """
    templates = definition.get("templates") or {}
    own = {name: templates[name] for name in templates if name not in stored}
    return {**definition, **graph, "templates": own}


def parse_redrawn(
    document: Mapping[str, object], templates: Templates, audiences: Audiences
) -> Draft:
    """Return the draft that a redrawn document means.

    Raises:
        AutomationError: it cannot be published; says everything that is wrong with it.
    """
    return _parsed(document, templates, audiences)


def template_names(graph: object) -> frozenset[str]:
    """Return the ids and aliases of the templates that the steps of a document name."""
    return frozenset(_named(graph))


def _parsed(
    document: Mapping[str, object],
    templates: Templates,
    audiences: Audiences,
    problems: Sequence[Problem] = (),
) -> Draft:
    """Parse a document; what is wrong is told beside what was found already, with hints."""
    try:
        draft = parse_automation(document, templates, audiences)
    except AutomationError as error:
        told = {(problem.where, problem.field) for problem in problems}
        more = [one for one in error.problems if (one.where, one.field) not in told]
        raise AutomationError([*problems, *map(_explained, more)]) from None
    if problems:
        raise AutomationError(problems)
    return draft


def _emptied(steps: object) -> Iterator[Problem]:
    """Yield the contact updates that change nothing, which nobody draws on purpose.

    None of their keys must be there, so nothing else would tell that a client dropped them all.
    """
    for step in steps if isinstance(steps, list) else ():
        is_update = isinstance(step, Mapping) and step.get("type") == "contact_update"
        if is_update and not step.get("config"):
            where = f'step "{step.get("key")}"'
            yield Problem("config", "changes nothing", _CHANGE_SOMETHING, where)


def _explained(problem: Problem) -> Problem:
    """Add what is known of clients that leave things out on the way.

    The Node client renames the keys of a configuration that it knows, in camel case, and drops all
    others; of a step whose type it does not know it makes a null.
    """
    key = problem.field.rpartition(".")[2]
    if problem.message == "is missing" and problem.field.startswith("config.") and "_" in key:
        hint = f"the Node client expects `{to_camel(key)}`, and drops `{key}`"
        return problem._replace(fix=f"{problem.fix}; {hint}")
    if _NULL_STEP.fullmatch(problem.field) and "not null" in problem.message:
        hint = "the Node client makes a null of a step whose type it does not know"
        return problem._replace(fix=f"{problem.fix}; {hint}")
    return problem


def _named(graph: object) -> Iterator[str]:
    steps = graph.get("steps") if isinstance(graph, Mapping) else None
    for step in steps if isinstance(steps, list) else ():
        config = step.get("config") if isinstance(step, Mapping) else None
        template = config.get("template") if isinstance(config, Mapping) else None
        name = template.get("id") if isinstance(template, Mapping) else None
        if isinstance(name, str) and "\0" not in name:
            yield name


def _object(body: object) -> Mapping[str, object]:
    if isinstance(body, Mapping):
        return body
    fix = "write `{name, status, steps, connections}`"
    raise AutomationError(
        [Problem("", f"must be an object, not {spelled(body)}", fix, "automation")]
    )
