"""Automations in RevKeen's documents, and its requests as automation files of ours.

What an automation does is RevKeen's `plan`: `{steps, connections}` as our files have them, without
the trigger, which `trigger_type` and `trigger_config` say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from pydantic import BaseModel, ConfigDict

from handlers.http.rendering import Document, Moment, fitting, milliseconds
from handlers.http.revkeen.words import manual_event, source_of
from state.moment import moment_text
from state.postgres.automations import AutomationRow
from state.problem import Collector, Problem, ProblemsError

TRIGGER = "trigger"

#: Below `annotations` of a definition stands here what only RevKeen knows of.
_OWNER = "revkeen"
_KEPT = (
    "objective",
    "description",
    "cron_expression",
    "risk_profile",
    "system_prompt",
    "tool_allowlist",
    "approval_policy",
    "memory_policy",
    "notification_policy",
    "source_thread_id",
    "source_message_id",
)
_PLAN_KEYS = ("steps", "connections", "reentry", "exit")


class AutomationItem(Document):
    """An automation in a list."""

    id: UUID
    object: Literal["automation"]
    name: str
    description: str | None
    status: str
    trigger_type: str
    timezone: str | None
    cron_expression: str | None
    risk_profile: str
    current_version: int
    objective: str | None
    created_at: Moment
    updated_at: Moment


class AutomationDocument(AutomationItem):
    """An automation with what it does."""

    system_prompt: str | None
    trigger_config: Any
    plan: Any
    tool_allowlist: Any
    approval_policy: Any
    memory_policy: Any
    notification_policy: Any
    source_thread_id: UUID | None
    source_message_id: UUID | None


_EXAMPLE: dict[str, Any] = {
    "name": "Welcome",
    "objective": "Nobody who signs up is left alone.",
    "trigger_type": "event",
    "trigger_config": {"event_name": "user.created"},
    "plan": {
        "steps": [{"key": "pause", "type": "delay", "config": {"duration": "1 hour"}}],
        "connections": [{"from": "trigger", "to": "pause"}],
    },
}


class AutomationCreation(BaseModel):
    """The body of `POST /automations`: what it is for, when it runs, and what it does then."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: str
    objective: str
    description: str | None = None
    status: Literal["draft", "active", "paused"] | None = None
    trigger_type: Literal["manual", "event"] | None = None
    trigger_config: dict[str, Any] | None = None
    timezone: str | None = None
    cron_expression: str | None = None
    risk_profile: Literal["low", "medium", "high"] | None = None
    system_prompt: str | None = None
    plan: dict[str, Any] | None = None
    tool_allowlist: Any = None
    approval_policy: Any = None
    memory_policy: Any = None
    notification_policy: Any = None
    source_thread_id: UUID | None = None
    source_message_id: UUID | None = None


class Traits(Struct, frozen=True):
    """What a version says of itself in RevKeen's terms, and the event that starts its runs."""

    objective: str | None
    trigger_type: str
    trigger_event: str
    risk_profile: str


def status_of(row: AutomationRow) -> str:
    """Return RevKeen's status: one that was never enabled is a draft."""
    if row.is_enabled:
        return "active"
    return "draft" if row.enabled_at is None else "paused"


def traits_of(definition: Mapping[str, Any]) -> Traits:
    """Return the traits of a version; one that was not made here is of low risk, without a goal."""
    own = _own_annotations(definition)
    name = _trigger(definition)["config"]["event_name"]
    return Traits(own.get("objective"), source_of(name), name, own.get("risk_profile", "low"))


def automation_item(row: AutomationRow, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return one element of `GET /automations`."""
    return AutomationItem.model_validate(_head(row, definition)).rendered()


def automation_document(row: AutomationRow, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return an automation with its plan."""
    trigger = _trigger(definition)
    others = [step for step in definition["steps"] if step is not trigger]
    plan = {
        key: others if key == "steps" else definition[key]
        for key in _PLAN_KEYS
        if key in definition
    }
    own = _own_annotations(definition)
    kept = {key: own.get(key) for key in _KEPT if key not in AutomationItem.model_fields}
    return AutomationDocument.model_validate(
        {**_head(row, definition), **kept, "trigger_config": _trigger_config(trigger), "plan": plan}
    ).rendered()


def created_file(body: AutomationCreation) -> dict[str, Any]:
    """Return the automation file that a creation means; it is enabled unless it says otherwise.

    Raises:
        ProblemsError: the plan has a trigger of its own, an event is asked for without a name, or
            a schedule is.
    """
    plan = body.plan or {}
    trigger_key = (body.trigger_config or {}).get("key", TRIGGER)
    found = Collector()
    if body.cron_expression is not None:
        fix = "publish an event when it is time, and let that be the trigger"
        found.refuse("cron_expression", "nothing runs by a schedule here", fix)
    trigger = found.attempt("trigger_config", _trigger_step, body, trigger_key)
    steps = found.attempt("plan", _planned_steps, plan.get("steps"))
    found.check()
    assert steps is not None
    said = body.model_dump(mode="json", include=set(_KEPT), exclude_none=True)
    return {
        "name": body.name,
        "status": "enabled" if body.status in (None, "active") else "disabled",
        **{key: plan[key] for key in _PLAN_KEYS if key in plan},
        "steps": [trigger, *steps],
        **({} if body.timezone is None else {"time_zone": body.timezone}),
        "annotations": {_OWNER: said},
    }


def _head(row: AutomationRow, definition: Mapping[str, Any]) -> dict[str, object]:
    own, traits = _own_annotations(definition), traits_of(definition)
    return {
        "id": row.automation_id,
        "object": "automation",
        "name": row.name,
        "description": own.get("description"),
        "status": status_of(row),
        "trigger_type": traits.trigger_type,
        "timezone": definition.get("time_zone"),
        "cron_expression": own.get("cron_expression"),
        "risk_profile": traits.risk_profile,
        "current_version": row.current_version,
        "objective": traits.objective,
        "created_at": milliseconds(moment_text(row.created_at)),
        "updated_at": milliseconds(moment_text(row.updated_at)),
    }


def _trigger(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    trigger: Mapping[str, Any] = next(
        step for step in definition["steps"] if step["type"] == TRIGGER
    )
    return trigger


def _trigger_config(trigger: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what starts the automation; null where somebody does by hand.

    A trigger that is not called `trigger` says how the plan's connections name it.
    """
    config = dict(trigger["config"])
    if source_of(config["event_name"]) == "manual":
        return None
    return config if trigger["key"] == TRIGGER else {"key": trigger["key"], **config}


def _trigger_step(body: AutomationCreation, key: object) -> dict[str, object]:
    config = {name: value for name, value in (body.trigger_config or {}).items() if name != "key"}
    wants_event = (body.trigger_type or ("event" if config else "manual")) == "event"
    if not wants_event:
        config = {"event_name": manual_event(body.name)}
    elif "event_name" not in config:
        fix = "write `{event_name: order.completed}`, or `trigger_type: manual`"
        raise ProblemsError([Problem("event_name", "is missing", fix)])
    return {"key": key, "type": TRIGGER, "config": config}


def _planned_steps(raw: object) -> list[object]:
    if raw is not None and not isinstance(raw, list):
        raise ProblemsError([Problem("steps", "must be a list", "write `[{key, type, config}]`")])
    steps = raw or []
    if any(isinstance(step, Mapping) and step.get("type") == TRIGGER for step in steps):
        fix = "take it out: `trigger_config` says what starts the automation"
        raise ProblemsError([Problem("steps", "holds a trigger", fix)])
    return steps


def _own_annotations(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was noted for us, by whoever made the automation, as far as it makes sense."""
    return fitting(AutomationDocument, definition.get("annotations", {}).get(_OWNER, {}))
