"""Automations in Sendrealm's documents, and its requests as automation files of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from handlers.http.derived_ids import version_id
from handlers.http.rendering import Document, Moment, fitting, milliseconds
from handlers.http.sendrealm.definition import our_drawing, their_definition
from state.moment import moment_text
from state.postgres.automations import AutomationRow, VersionRow

#: Below `annotations` of a definition stands here what only Sendrealm knows of.
_OWNER = "sendrealm"


class PublishedVersion(Document):
    """The version that new runs are pinned to."""

    id: UUID
    version_number: int
    state: str


class PublishedAutomation(Document):
    """The answer to `POST /automations/:id/publish`."""

    id: UUID
    status: str
    current_published_version: PublishedVersion


class AutomationItem(PublishedAutomation):
    """An automation in a list."""

    name: str
    created_at: Moment
    updated_at: Moment


class AutomationDocument(AutomationItem):
    """An automation with its graph."""

    description: str | None
    definition: dict[str, Any]
    editor_layout: dict[str, Any] | None


_EXAMPLE: dict[str, Any] = {
    "name": "Welcome",
    "description": "Greets whoever signs up.",
    "definition": {
        "trigger": {"event_name": "user.created", "filters": {"plan": "pro"}},
        "steps": [
            {"key": "pause", "type": "delay", "config": {"duration_seconds": 3600}},
            {
                "key": "reply",
                "type": "wait_for_event",
                "config": {"event_name": "user.replied", "timeout_seconds": 1800},
            },
        ],
        "connections": [{"from": "trigger", "to": "pause"}, {"from": "pause", "to": "reply"}],
    },
    "editor_layout": {"pause": {"x": 0, "y": 120}},
}


class AutomationCreation(BaseModel):
    """The body of `POST /automations`; the definition is judged at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: str
    description: str | None = None
    definition: dict[str, Any] | None = None
    editor_layout: dict[str, Any] | None = None


class AutomationUpdate(BaseModel):
    """The body of `PATCH /automations/:id`; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"definition": _EXAMPLE["definition"]}]}
    )

    name: str | None = None
    description: str | None = None
    definition: dict[str, Any] | None = None
    editor_layout: dict[str, Any] | None = None


def status_of(row: AutomationRow) -> str:
    """Return Sendrealm's status: one that was never enabled is a draft."""
    if row.is_enabled:
        return "active"
    return "draft" if row.enabled_at is None else "paused"


def published_automation(row: AutomationRow) -> dict[str, Any]:
    """Return what publishing answers."""
    return PublishedAutomation.model_validate(_published(row)).rendered()


def automation_item(row: AutomationRow) -> dict[str, Any]:
    """Return one element of `GET /automations`."""
    return AutomationItem.model_validate(_head(row)).rendered()


def automation_document(row: AutomationRow, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return an automation with its graph in Sendrealm's shape."""
    own = _own_annotations(definition)
    return AutomationDocument.model_validate(
        {
            **_head(row),
            "description": own.get("description"),
            "definition": their_definition(definition),
            "editor_layout": own.get("editor_layout"),
        }
    ).rendered()


def created_file(body: AutomationCreation) -> dict[str, Any]:
    """Return the automation file that a creation means: not enabled before it is published.

    Raises:
        ProblemsError: the definition is not of Sendrealm's shape.
    """
    own = {"description": body.description, "editor_layout": body.editor_layout}
    return {
        "name": body.name,
        "status": "disabled",
        **our_drawing(body.definition),
        **_annotated({}, own),
    }


def updated_file(body: AutomationUpdate, row: AutomationRow, current: VersionRow) -> dict[str, Any]:
    """Return the automation file that an update means: the current one, but for what was sent.

    Templates that it took from the stored ones it takes anew, as they are published now.

    Raises:
        ProblemsError: the definition is not of Sendrealm's shape.
    """
    definition = current.definition
    noted = _own_annotations(definition)
    own = {
        key: getattr(body, key) if key in body.model_fields_set else noted.get(key)
        for key in ("description", "editor_layout")
    }
    templates = definition["templates"]
    return {
        **definition,
        "templates": {
            name: templates[name] for name in templates.keys() - set(current.stored_templates)
        },
        **({} if body.definition is None else our_drawing(body.definition)),
        **_annotated(definition, own),
        "name": body.name or row.name,
        "status": "enabled" if row.is_enabled else "disabled",
    }


def _published(row: AutomationRow) -> dict[str, object]:
    return {
        "id": row.automation_id,
        "status": status_of(row),
        "current_published_version": {
            "id": version_id(str(row.automation_id), row.current_version),
            "version_number": row.current_version,
            "state": "published",
        },
    }


def _head(row: AutomationRow) -> dict[str, object]:
    return {
        **_published(row),
        "name": row.name,
        "created_at": milliseconds(moment_text(row.created_at)),
        "updated_at": milliseconds(moment_text(row.updated_at)),
    }


def _own_annotations(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was noted for us, by whoever made the automation, as far as it makes sense."""
    return fitting(AutomationDocument, definition.get("annotations", {}).get(_OWNER, {}))


def _annotated(definition: Mapping[str, Any], own: Mapping[str, object]) -> dict[str, object]:
    """Return the annotations with Sendrealm's part set; the key is left out if nothing is said."""
    said = {key: value for key, value in own.items() if value is not None}
    others = {
        owner: kept for owner, kept in definition.get("annotations", {}).items() if owner != _OWNER
    }
    return {"annotations": {**others, _OWNER: said} if said else others}
