"""The life of an e-mail template: drafted, published, changed, copied, deleted (rule O4).

Versions of automations hold copies of the templates they use, so no turn reads these tables and
nothing done here changes what runs send. Call what changes them in `store.session()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from state.postgres import audit
from state.postgres.audit import Action
from state.postgres.codec import json_text, parsed
from state.postgres.keyset import Listing, Page, read_page
from state.postgres.marks import database_now
from state.postgres.refusals import NameTaken, NotFound, id_in
from state.postgres.session import Record, Session
from state.template_draft import definition_of, drafted

CREATE = """
insert into templates (alias, kind, name, draft, created_at, updated_at)
values ($1, 'email', $2, $3, $4, $4)
on conflict (alias) do nothing
returning template_id
"""

BY_ID = """
select template_id, alias, name, version_id, published_version_id, created_at, updated_at,
  published_at, draft, definition
from templates where template_id = $1 and kind = 'email'
"""

BY_ALIAS = """
select template_id, alias, name, version_id, published_version_id, created_at, updated_at,
  published_at, draft, definition
from templates where alias = $1 and kind = 'email'
"""

HOLD = "select 1 from templates where template_id = $1 for update"

ALIAS_TAKEN = "select 1 from templates where alias = $1 and template_id <> $2"

UPDATE = """
update templates set
  alias = $2, name = $3, draft = $4, updated_at = $5,
  version_id = case when $6 then gen_random_uuid() else version_id end
where template_id = $1
"""

PUBLISH = """
update templates set
  definition = $2, published_version_id = version_id, published_at = $3, updated_at = $3
where template_id = $1
"""

DELETE = "delete from templates where template_id = $1"

CURSOR = "select created_at from templates where template_id = $1 and kind = 'email'"

OLDER = """
select template_id, alias, name, version_id, published_version_id, created_at, updated_at,
  published_at
from templates where kind = 'email' and (created_at, template_id) < ($2, $3)
order by created_at desc, template_id desc limit $1
"""

NEWER = """
select template_id, alias, name, version_id, published_version_id, created_at, updated_at,
  published_at
from templates where kind = 'email' and (created_at, template_id) > ($2, $3)
order by created_at, template_id limit $1
"""

LISTING = Listing(CURSOR, OLDER, NEWER)


class TemplateRow(NamedTuple):
    """A template as it stands, without its texts."""

    template_id: UUID
    alias: str | None
    name: str
    version_id: UUID
    published_version_id: UUID | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None

    @property
    def is_published(self) -> bool:
        """Tell whether steps may use it."""
        return self.published_version_id is not None

    @property
    def has_unpublished_versions(self) -> bool:
        """Tell whether its draft differs from what was published, or nothing ever was."""
        return self.published_version_id != self.version_id


class WholeTemplate(NamedTuple):
    """A template with its texts: what it is drafted as (`PARTS`), and what it was published as."""

    row: TemplateRow
    draft: Mapping[str, Any]
    definition: Mapping[str, Any] | None

    def document(self) -> dict[str, object]:
        """Return what the audit keeps of it."""
        row = self.row
        return {
            "template_id": row.template_id,
            "alias": row.alias,
            "name": row.name,
            "draft": self.draft,
            "published": self.definition,
        }


async def create_template(
    session: Session, changes: Mapping[str, object], who: str
) -> WholeTemplate:
    """Create a template as a draft; `changes` is what `parse_template_changes` returned.

    Raises:
        NameTaken: another template has its alias.
    """
    action = Action(who, await database_now(session))
    created = await _create(session, changes, drafted({}, changes), action)
    await _record(session, action, "template.create", None, created)
    return created


async def list_templates(session: Session, page: Page) -> tuple[list[TemplateRow], bool]:
    """Return a page of the e-mail templates, newest first, and whether more lie beyond it.

    Raises:
        UnknownCursor: there is no template of the id that the page lies beside.
    """
    rows, has_more = await read_page(session, LISTING, page)
    return [TemplateRow(*row) for row in rows], has_more


async def get_template(session: Session, named: str) -> WholeTemplate:
    """Return the template of this id or alias.

    Raises:
        NotFound: there is none.
    """
    template_id = id_in(named)
    rows = [] if template_id is None else await session.rows(BY_ID, template_id)
    rows = rows or await session.rows(BY_ALIAS, named)
    if not rows:
        raise NotFound("template", named)
    return _whole(rows[0])


async def update_template(
    session: Session, named: str, changes: Mapping[str, object], who: str
) -> WholeTemplate:
    """Change the draft of a template; what was published stays so until it is published again.

    `changes` is what `parse_template_changes` returned; the name and the alias change at once.

    Raises:
        NotFound: there is none of this id or alias. NameTaken: another one has its new alias.
    """
    action = Action(who, await database_now(session))
    before = await _held(session, named)
    row = before.row
    alias = changes.get("alias", row.alias)
    if alias is not None and await session.rows(ALIAS_TAKEN, alias, row.template_id):
        raise NameTaken("template", str(alias), "alias")
    name = changes.get("name", row.name)
    draft = drafted(before.draft, changes)
    is_new = draft != before.draft
    await session.run(UPDATE, row.template_id, alias, name, json_text(draft), action.at, is_new)
    after = await get_template(session, str(row.template_id))
    await _record(session, action, "template.update", before, after)
    return after


async def publish_template(session: Session, named: str, who: str) -> WholeTemplate:
    """Publish the draft of a template: automations that are published from now on copy it.

    Raises:
        NotFound: there is none of this id or alias. TemplateError: its draft cannot be used.
    """
    action = Action(who, await database_now(session))
    before = await _held(session, named)
    definition = json_text(definition_of(before.draft))
    await session.run(PUBLISH, before.row.template_id, definition, action.at)
    after = await get_template(session, str(before.row.template_id))
    await _record(session, action, "template.publish", before, after)
    return after


async def duplicate_template(session: Session, named: str, who: str) -> WholeTemplate:
    """Copy the draft of a template into a new one, a draft itself, of no alias.

    Raises:
        NotFound: there is none of this id or alias.
    """
    action = Action(who, await database_now(session))
    copied = await get_template(session, named)
    name = f"{copied.row.name[:_COPIED_MAX]} (Copy)"
    created = await _create(session, {"name": name}, copied.draft, action)
    await _record(session, action, "template.create", None, created)
    return created


async def delete_template(session: Session, named: str, who: str) -> WholeTemplate:
    """Delete a template; runs and automations that use it keep their copies of it.

    Raises:
        NotFound: there is none of this id or alias.
    """
    action = Action(who, await database_now(session))
    before = await _held(session, named)
    await session.run(DELETE, before.row.template_id)
    await _record(session, action, "template.delete", before, None)
    return before


#: So much of a name is kept that a copy's name is none too long.
_COPIED_MAX = 240


async def _create(
    session: Session, changes: Mapping[str, object], draft: Mapping[str, object], action: Action
) -> WholeTemplate:
    alias = changes.get("alias")
    template_id = await session.value(CREATE, alias, changes["name"], json_text(draft), action.at)
    if template_id is None:
        raise NameTaken("template", str(alias), "alias")
    return await get_template(session, str(template_id))


async def _held(session: Session, named: str) -> WholeTemplate:
    """Return a template as it stands until the transaction ends."""
    found = await get_template(session, named)
    await session.rows(HOLD, found.row.template_id)
    return await get_template(session, str(found.row.template_id))


async def _record(
    session: Session,
    action: Action,
    what: str,
    before: WholeTemplate | None,
    after: WholeTemplate | None,
) -> None:
    told = after or before
    assert told is not None, "something was before or after"
    change = (before and before.document(), after and after.document())
    target = told.row.alias or str(told.row.template_id)
    await audit.record(session, action, what, target, change)


def _whole(row: Record) -> WholeTemplate:
    *facts, draft, definition = row
    return WholeTemplate(TemplateRow(*facts), parsed(draft), parsed(definition))
