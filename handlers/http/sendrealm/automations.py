"""Automations in Sendrealm's documents, and its requests as automation files of ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from pydantic import BaseModel

from handlers.http.derived_ids import version_id
from handlers.http.rendering import Document, Moment, milliseconds
from handlers.http.sendrealm.definition import our_drawing, their_definition
from state.moment import moment_text

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


class AutomationDocument(PublishedAutomation):
    """An automation with its graph."""

    name: str
    description: str | None
    definition: dict[str, Any]
    editor_layout: dict[str, Any] | None
    created_at: Moment
    updated_at: Moment


class AutomationCreation(BaseModel):
    """The body of `POST /automations`; the definition is judged when it is published."""

    name: str
    description: str | None = None
    definition: dict[str, Any] | None = None
    editor_layout: dict[str, Any] | None = None


class AutomationUpdate(BaseModel):
    """The body of `PATCH /automations/:id`; what is left out stays."""

    name: str | None = None
    description: str | None = None
    definition: dict[str, Any] | None = None
    editor_layout: dict[str, Any] | None = None


class Standing(Struct, frozen=True):
    """An automation as the tables hold it, and the definition of its current version."""

    automation_id: UUID
    name: str
    is_enabled: bool
    enabled_at: datetime | None
    current_version: int
    created_at: datetime
    updated_at: datetime
    definition: Mapping[str, Any]

    @property
    def status(self) -> str:
        """Return Sendrealm's status: one that was never enabled is a draft."""
        if self.is_enabled:
            return "active"
        return "draft" if self.enabled_at is None else "paused"


def published_automation(standing: Standing) -> dict[str, Any]:
    """Return what publishing answers."""
    return PublishedAutomation.model_validate(_published(standing)).rendered()


def automation_document(standing: Standing) -> dict[str, Any]:
    """Return an automation with its graph in Sendrealm's shape."""
    own = _own_annotations(standing.definition)
    return AutomationDocument.model_validate(
        {
            **_published(standing),
            "name": standing.name,
            "description": own.get("description"),
            "definition": their_definition(standing.definition),
            "editor_layout": own.get("editor_layout"),
            "created_at": milliseconds(moment_text(standing.created_at)),
            "updated_at": milliseconds(moment_text(standing.updated_at)),
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


def updated_file(body: AutomationUpdate, current: Standing) -> dict[str, Any]:
    """Return the automation file that an update means: the current one, but for what was sent.

    A new graph takes its templates as they are stored now; an old one keeps those it has.

    Raises:
        ProblemsError: the definition is not of Sendrealm's shape.
    """
    sent = body.model_fields_set
    drawing = {} if body.definition is None else {"templates": {}, **our_drawing(body.definition)}
    own = {
        key: getattr(body, key) if key in sent else _own_annotations(current.definition).get(key)
        for key in ("description", "editor_layout")
    }
    return {
        **current.definition,
        **drawing,
        **_annotated(current.definition, own),
        "name": body.name or current.name,
        "status": "enabled" if current.is_enabled else "disabled",
    }


def _published(standing: Standing) -> dict[str, object]:
    return {
        "id": standing.automation_id,
        "status": standing.status,
        "current_published_version": {
            "id": version_id(str(standing.automation_id), standing.current_version),
            "version_number": standing.current_version,
            "state": "published",
        },
    }


def _own_annotations(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    own: Mapping[str, Any] = definition.get("annotations", {}).get(_OWNER, {})
    return own


def _annotated(definition: Mapping[str, Any], own: Mapping[str, object]) -> dict[str, object]:
    """Return the annotations with Sendrealm's part set; the key is left out if nothing is said."""
    said = {key: value for key, value in own.items() if value is not None}
    others = {
        owner: kept for owner, kept in definition.get("annotations", {}).items() if owner != _OWNER
    }
    return {"annotations": {**others, _OWNER: said} if said else others}
