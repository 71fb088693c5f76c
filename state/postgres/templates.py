"""Templates that automations may use by their ids or aliases: those that are published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from state.postgres import audit
from state.postgres.audit import Action
from state.postgres.codec import json_text, parsed
from state.postgres.refusals import id_in
from state.postgres.session import Session

#: What steps may name, with the template as it was last published: None where it never was.
Known = dict[str, Mapping[str, object] | None]

TEMPLATES = "select template_id, alias, definition from templates order by template_id"

NAMED = """
select template_id, alias, definition from templates where template_id = any($1::uuid[])
union all
select template_id, alias, definition from templates where alias = any($2::text[])
"""

#: A draft of this alias is replaced: what a file says is all there is to it.
PUT_TEMPLATE = """
with fresh as (select gen_random_uuid() as version_id)
insert into templates as known (alias, kind, name, draft, definition, version_id,
  published_version_id, created_at, updated_at, published_at)
select $1, $2, $1, $3::json, $3::json, version_id, version_id, $4, $4, $4 from fresh
on conflict (alias) do update set
  kind = excluded.kind, draft = excluded.draft, definition = excluded.definition,
  version_id = excluded.version_id, published_version_id = excluded.version_id,
  updated_at = excluded.updated_at, published_at = excluded.published_at
"""


async def load_templates(session: Session) -> Known:
    """Return all templates, each by its id and by its alias if it has one."""
    known: Known = {}
    for template_id, alias, text in await session.rows(TEMPLATES):
        definition = parsed(text)
        known |= {str(template_id): definition} | ({} if alias is None else {alias: definition})
    return known


async def templates_named(session: Session, names: Iterable[str]) -> Known:
    """Return the templates of these ids or aliases, by what they were asked for with."""
    names = sorted(names)
    ids = {name: found for name in names if (found := id_in(name)) is not None}
    rows = await session.rows(NAMED, list(ids.values()), names) if names else []
    definitions = {template_id: parsed(text) for template_id, _, text in rows}
    aliases = {alias: template_id for template_id, alias, _ in rows}
    found_ids = {name: aliases.get(name, ids.get(name)) for name in names}
    return {
        name: definitions[template_id]
        for name, template_id in found_ids.items()
        if template_id in definitions
    }


async def put_templates(
    session: Session, templates: Mapping[str, Mapping[str, object]], action: Action
) -> None:
    """Publish templates by alias, and keep what each changed one was before (rule O4)."""
    known = await templates_named(session, templates)
    for alias, definition in templates.items():
        if known.get(alias) == definition:  # in whatever order it is written
            continue
        kind = "push" if "title" in definition else "email"
        await session.run(PUT_TEMPLATE, alias, kind, json_text(definition), action.at)
        change = (known.get(alias), definition)
        await audit.record(session, action, "template.apply", alias, change)
