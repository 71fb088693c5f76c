"""Templates that automations may use by their alias."""

from __future__ import annotations

from collections.abc import Mapping

from state.postgres import audit
from state.postgres.audit import Action
from state.postgres.codec import json_text, parsed
from state.postgres.session import Session

TEMPLATES = "select alias, definition from templates order by alias"

PUT_TEMPLATE = """
insert into templates as known (alias, kind, definition, updated_at) values ($1, $2, $3, $4)
on conflict (alias) do update set
  kind = excluded.kind, definition = excluded.definition, updated_at = excluded.updated_at
where known.definition::text <> excluded.definition::text
"""


async def load_templates(session: Session) -> dict[str, Mapping[str, object]]:
    """Return the stored templates by alias."""
    return {alias: parsed(text) for alias, text in await session.rows(TEMPLATES)}


async def put_templates(
    session: Session, templates: Mapping[str, Mapping[str, object]], action: Action
) -> None:
    """Store templates, and keep what each changed one was before (rule O4)."""
    known = await load_templates(session) if templates else {}
    for alias, definition in templates.items():
        if known.get(alias) == definition:  # in whatever order it is written
            continue
        kind = "push" if "title" in definition else "email"
        if await session.run(PUT_TEMPLATE, alias, kind, json_text(definition), action.at):
            change = (known.get(alias), definition)
            await audit.record(session, action, "template.apply", alias, change)
