"""`/templates`: drafted, published, copied and deleted, by their ids or aliases."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from handlers.http.bearer import allow
from handlers.http.resend.errors import ERRORS
from handlers.http.resend.paging import ListOf, Paged
from handlers.http.resend.template_view import (
    TemplateDeleted,
    TemplateItem,
    TemplateNamed,
    TemplateView,
    template_item,
    template_view,
)
from handlers.http.services import Actor, Given
from state.postgres import template_drafts
from state.template_draft import parse_template_changes

router = APIRouter(prefix="/templates", tags=["Templates"], responses=ERRORS)

#: An alias may hold a slash; clients encode it, and it is decoded before routes are found.
Named = Annotated[str, Path(description="The template's id or alias.")]


class VariableBody(BaseModel):
    """A variable to declare; without a fallback, whoever sends the template must give a value."""

    key: str
    type: Annotated[
        str, Field(json_schema_extra={"enum": ["string", "number", "boolean", "object", "list"]})
    ]
    fallback_value: Any = None


class TemplateChanges(BaseModel):
    """What is to be otherwise: what is left out stays, a null clears."""

    model_config = ConfigDict(populate_by_name=True)

    name: str | None = None
    alias: str | None = Field(None, description="A name by which it may be asked for and sent.")
    sender: str | None = Field(None, alias="from")
    subject: str | None = None
    reply_to: list[str] | str | None = None
    html: str | None = Field(None, description="With gaps `{{{KEY}}}` or `{{{KEY|fallback}}}`.")
    text: str | None = None
    variables: list[VariableBody] | None = None

    def said(self) -> dict[str, Any]:
        """Return what was said; no template is without a name, so a null is none."""
        said = self.model_dump(by_alias=True, exclude_unset=True)
        return {key: value for key, value in said.items() if key != "name" or value is not None}


class NewTemplate(TemplateChanges):
    """A template to draft."""

    name: str


@router.post("", status_code=201, dependencies=[allow("full")])
async def create_template(given: Given, actor: Actor, body: NewTemplate) -> TemplateNamed:
    """Draft a template; it can be sent once it is published."""
    changes = parse_template_changes(body.said(), is_new=True)
    async with given.writing() as session:
        made = await template_drafts.create_template(session, changes, actor)
    return TemplateNamed(id=made.row.template_id)


@router.get("", dependencies=[allow("read")])
async def list_templates(given: Given, page: Paged) -> ListOf[TemplateItem]:
    """List templates, newest first."""
    async with given.reading() as session:
        rows, has_more = await template_drafts.list_templates(session, page)
    return ListOf(has_more=has_more, data=[template_item(row) for row in rows])


@router.get("/{identifier:path}", dependencies=[allow("read")])
async def get_template(given: Given, identifier: Named) -> TemplateView:
    """Get a template with its texts as they are drafted."""
    async with given.reading() as session:
        found = await template_drafts.get_template(session, identifier)
    return template_view(found)


@router.patch("/{identifier:path}", dependencies=[allow("full")])
async def update_template(
    given: Given, actor: Actor, identifier: Named, body: TemplateChanges
) -> TemplateNamed:
    """Change the draft; what was published is sent as it was until it is published again."""
    changes = parse_template_changes(body.said())
    async with given.writing() as session:
        changed = await template_drafts.update_template(session, identifier, changes, actor)
    return TemplateNamed(id=changed.row.template_id)


@router.post("/{identifier:path}/publish", dependencies=[allow("full")])
async def publish_template(given: Given, actor: Actor, identifier: Named) -> TemplateNamed:
    """Publish the draft: automations that are enabled from now on send it."""
    async with given.writing() as session:
        published = await template_drafts.publish_template(session, identifier, actor)
    return TemplateNamed(id=published.row.template_id)


@router.post("/{identifier:path}/duplicate", status_code=201, dependencies=[allow("full")])
async def duplicate_template(given: Given, actor: Actor, identifier: Named) -> TemplateNamed:
    """Copy the draft into a new template, a draft of no alias, whose name ends in ` (Copy)`."""
    async with given.writing() as session:
        made = await template_drafts.duplicate_template(session, identifier, actor)
    return TemplateNamed(id=made.row.template_id)


@router.delete("/{identifier:path}", dependencies=[allow("full")])
async def delete_template(given: Given, actor: Actor, identifier: Named) -> TemplateDeleted:
    """Delete a template; automations that use it keep their copies."""
    async with given.writing() as session:
        gone = await template_drafts.delete_template(session, identifier, actor)
    return TemplateDeleted(id=gone.row.template_id)
