"""Automations as Sendrealm draws them, `{trigger, steps, connections}`, and as we do.

The trigger is no step there, and `"trigger"` names it in the connections. What our files say of
re-entry, exits and time zones stands beside the steps under our own keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.http.sendrealm.configs import our_config, their_config
from handlers.http.sendrealm.words import (
    BRANCH,
    OUR_BRANCH,
    OUR_STEP_TYPE,
    STEP_TYPE,
    worded,
)
from state.problem import Collector, Problem, ProblemsError, spelled

TRIGGER = "trigger"

#: What is kept of our own definition, and how it stands where nobody wrote it.
_OWN: Mapping[str, object] = {"reentry": "always", "exit": [], "time_zone": None}


def our_drawing(definition: object) -> dict[str, Any]:
    """Return a definition's part of an automation file: steps, connections and our own keys.

    It is not yet checked: `parse_automation` says what is wrong with it, in the words of our steps.

    Raises:
        ProblemsError: it is not of this shape; says everywhere that it is not.
    """
    found = Collector("definition")
    raw = found.attempt("", _object, definition)
    found.check()
    assert raw is not None
    trigger = found.attempt("trigger", _our_trigger, raw.get("trigger"))
    steps = [
        found.attempt(f"steps[{index}]", _our_step, step)
        for index, step in enumerate(found.attempt("steps", _list, raw.get("steps")) or ())
    ]
    connections = [
        found.attempt(f"connections[{index}]", _our_connection, way)
        for index, way in enumerate(
            found.attempt("connections", _list, raw.get("connections")) or ()
        )
    ]
    found.check()
    own = {key: raw[key] for key in _OWN if raw.get(key) is not None}
    return {"steps": [trigger, *steps], "connections": connections, **own}


def their_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a published definition of ours in Sendrealm's shape."""
    trigger = next(step for step in definition["steps"] if step["type"] == TRIGGER)
    return {
        "trigger": their_config(TRIGGER, trigger["config"]),
        "steps": [
            {
                "key": step["key"],
                "type": worded(STEP_TYPE, step["type"]),
                "config": their_config(step["type"], step["config"]),
            }
            for step in definition["steps"]
            if step is not trigger
        ],
        "connections": [
            {
                "from": TRIGGER if way["from"] == trigger["key"] else way["from"],
                "to": way["to"],
                "branch": worded(BRANCH, way["type"]),
            }
            for way in definition["connections"]
        ],
        **{
            key: definition[key]
            for key, usual in _OWN.items()
            if definition.get(key, usual) != usual
        },
    }


def _our_trigger(raw: object) -> dict[str, object]:
    config = our_config(TRIGGER, _object(raw))
    return {"key": TRIGGER, "type": TRIGGER, "config": config}


def _our_step(raw: object) -> dict[str, object]:
    step = _object(raw)
    key, kind, config = step.get("key"), step.get("type"), step.get("config")
    if key == TRIGGER or kind == TRIGGER:
        field = "key" if key == TRIGGER else "type"
        fix = "name the step differently: `trigger` stands beside the steps"
        raise ProblemsError([Problem(field, f'"{TRIGGER}" is taken', fix)])
    our_type = worded(OUR_STEP_TYPE, kind) if isinstance(kind, str) else kind
    if isinstance(config, Mapping) and isinstance(our_type, str):
        found = Collector()
        config = found.attempt("config", our_config, our_type, config)
        found.check()
    return {"key": key, "type": our_type, "config": config}


def _our_connection(raw: object) -> dict[str, object]:
    way = _object(raw)
    branch = way.get("branch")
    our_branch = worded(OUR_BRANCH, branch) if isinstance(branch, str) else branch
    return {"from": way.get("from"), "to": way.get("to"), "type": our_branch}


def _object(raw: object) -> Mapping[str, Any]:
    if isinstance(raw, Mapping):
        return raw
    message = "is missing" if raw is None else f"must be an object, not {spelled(raw)}"
    raise ProblemsError([Problem("", message, "write its keys and values")])


def _list(raw: object) -> list[object]:
    if raw is None or isinstance(raw, list):
        return raw or []
    raise ProblemsError([Problem("", f"must be a list, not {spelled(raw)}", "write items")])
