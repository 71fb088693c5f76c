"""Templates as Resend shows them: what is drafted, and whether it is published as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from handlers.http.derived_ids import variable_id
from handlers.http.resend.instants import instant, optional_instant
from state.postgres.template_drafts import TemplateRow, WholeTemplate

Status = Literal["draft", "published"]


class TemplateNamed(BaseModel):
    """Which template was created or changed."""

    object: Literal["template"] = "template"
    id: UUID


class TemplateDeleted(TemplateNamed):
    """The template is gone."""

    deleted: Literal[True] = True


class TemplateItem(BaseModel):
    """A template in a list."""

    id: UUID
    name: str
    alias: str | None
    status: Status
    published_at: str | None
    created_at: str
    updated_at: str


class VariableView(BaseModel):
    """A declared variable; it has the age of its template."""

    id: UUID
    key: str
    type: Literal["string", "number", "boolean", "object", "list"]
    fallback_value: Any
    created_at: str
    updated_at: str


class TemplateView(TemplateItem):
    """A template with its texts, as they are drafted."""

    model_config = ConfigDict(populate_by_name=True)

    object: Literal["template"] = "template"
    current_version_id: UUID
    has_unpublished_versions: bool
    sender: str | None = Field(alias="from")
    subject: str | None
    reply_to: list[str] | None
    html: str
    text: str | None
    variables: list[VariableView]


def template_item(row: TemplateRow) -> TemplateItem:
    """Return a template for a list."""
    return TemplateItem(**_head(row))


def template_view(whole: WholeTemplate) -> TemplateView:
    """Return a template with its texts; clients expect `html` to be text, so none is empty."""
    row, draft, _ = whole
    reply_to = draft.get("reply_to")
    return TemplateView(
        **_head(row),
        current_version_id=row.version_id,
        has_unpublished_versions=row.has_unpublished_versions,
        sender=draft.get("from"),
        subject=draft.get("subject"),
        reply_to=None if reply_to is None else [reply_to],
        html=draft.get("html") or "",
        text=draft.get("text"),
        variables=[_variable(row, one) for one in draft.get("variables", ())],
    )


def _variable(row: TemplateRow, declared: Mapping[str, Any]) -> VariableView:
    return VariableView(
        id=variable_id(row.template_id, declared["key"]),
        key=declared["key"],
        type=declared["type"],
        fallback_value=declared["fallback_value"],
        created_at=instant(row.created_at),
        updated_at=instant(row.updated_at),
    )


def _head(row: TemplateRow) -> dict[str, Any]:
    return {
        "id": row.template_id,
        "name": row.name,
        "alias": row.alias,
        "status": "published" if row.is_published else "draft",
        "published_at": optional_instant(row.published_at),
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
    }
