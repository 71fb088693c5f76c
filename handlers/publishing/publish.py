"""From an automation file to the definition that is published, or to all that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from handlers.publishing.audiences import check_audiences, declared_document, parse_declared
from handlers.publishing.document import json_ready
from handlers.publishing.drawing import Drawing, parse_drawing
from handlers.publishing.graph import check_graph
from handlers.publishing.references import check_references
from state.audience import Audiences
from state.name import parse_name
from state.problem import Collector, Problem, ProblemsError, choose, spelled
from state.zone import parse_zone

_KEYS = (
    "name",
    "status",
    "reentry",
    "exit",
    "steps",
    "connections",
    "templates",
    "segments",
    "topics",
    "time_zone",
    "annotations",
)
_STATUSES = ("enabled", "disabled")
_OLD_NAMES = {
    "edges": "connections",
    "exits": "exit",
    "re_entry": "reentry",
    "timezone": "time_zone",
}


class AutomationError(ProblemsError):
    """An automation cannot be published; `problems` says everything that is wrong with it."""


class Draft(Struct, frozen=True):
    """A valid automation: the definition to publish, JSON-ready, and whether to enable it.

    `definition` is `{name, reentry, exit, steps, connections, templates}`, every default spelled
    out, with the stored templates it uses copied into it; and `time_zone`, `annotations`,
    `segments` and `topics` if they are written. Annotations are what others keep with it, an object
    for each of them; no decision reads them. `stored_templates` are the names, ids or aliases, of
    those copied.
    """

    name: str
    definition: Mapping[str, object]
    is_enabled: bool
    stored_templates: frozenset[str] = frozenset()


def parse_automation(
    raw: object,
    known_templates: Mapping[str, Mapping[str, object] | None] | None = None,
    known_audiences: Audiences | None = None,
) -> Draft:
    """Return the draft that an automation file means.

    `known_templates` and `known_audiences` are what is stored, beside what the file defines itself;
    a template that is None was never published.

    Raises:
        AutomationError: it cannot be published; says everything that is wrong with it.
    """
    found = Collector("automation")
    document = found.attempt("", _parse_document, raw)
    found.check(AutomationError)
    assert document is not None, "a document without problems was parsed"
    _check_keys(document, found)
    name = found.attempt("name", parse_name, document.get("name"))
    is_enabled = found.attempt("status", _parse_status, document.get("status"))
    time_zone = document.get("time_zone")
    if time_zone is not None:
        found.attempt("time_zone", parse_zone, time_zone)
    found.attempt("annotations", _check_annotations, document.get("annotations"))
    drawing = parse_drawing(document, known_templates or {}, found)
    declared = parse_declared(document, found)
    if drawing.steps:
        check_graph(drawing.steps, drawing.connections, found)
        check_references(drawing, found)
        check_audiences(drawing, declared, known_audiences or Audiences(), found)
    found.check(AutomationError)
    assert name is not None
    assert is_enabled is not None
    definition = {**_definition(name, document, drawing), **declared_document(declared)}
    return Draft(name, definition, is_enabled, drawing.stored_templates)


def _parse_document(raw: object) -> dict[str, object]:
    document = json_ready(raw)
    if not isinstance(document, dict):
        message = f"must be an object, not {spelled(raw)}"
        raise ProblemsError([Problem("", message, f"write the keys {', '.join(_KEYS)}")])
    return document


def _check_keys(document: Mapping[str, object], found: Collector) -> None:
    """Refuse unknown keys: a misspelt one would otherwise be left out without a word."""
    for key in document:
        if key not in _KEYS:
            fix = choose(_OLD_NAMES.get(key, key), _KEYS)
            found.refuse(key, "is not a key of an automation", fix)


def _parse_status(raw: object) -> bool:
    if raw is None or raw in _STATUSES:
        return raw != "disabled"
    raise ProblemsError([Problem("", f"{spelled(raw)} is not a status", choose(raw, _STATUSES))])


def _check_annotations(raw: object) -> None:
    if raw is None:
        return
    if not isinstance(raw, dict) or not all(isinstance(kept, dict) for kept in raw.values()):
        message = f"must be an object of objects, not {spelled(raw)}"
        raise ProblemsError([Problem("", message, "write `<owner>: {...}`")])


def _definition(
    name: str, document: Mapping[str, object], drawing: Drawing
) -> Mapping[str, object]:
    steps = [
        {"key": step.key, "type": step.kind.name, "config": step.raw_config}
        for step in drawing.steps.values()
        if step.kind is not None
    ]
    connections = [
        {"from": each.source, "to": each.target, "type": each.branch}
        for each in drawing.connections
    ]
    # Left out where it is not written, as it was before there was one: the same file stays the same
    # version.
    added = {key: document[key] for key in ("time_zone", "annotations") if document.get(key)}
    return {
        "name": name,
        "reentry": document.get("reentry") or "always",
        "exit": document.get("exit") or [],
        "steps": steps,
        "connections": connections,
        "templates": drawing.raw_templates,
        **added,
    }
