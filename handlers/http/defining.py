"""Automations as an API creates and changes them: read, checked against what is stored, written.

Each takes a session in which it does one thing whole, and the name of who asks for it. What is said
is refused with `AutomationError`, what cannot be done with the refusals of `state.postgres`. The
posted ones are bodies with a graph, the drawn ones documents as files have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from handlers.publishing.catalogue import names_of
from handlers.publishing.posted import (
    PostedChange,
    parse_posted,
    parse_posted_change,
    parse_redrawn,
    redrawn,
    template_names,
)
from handlers.publishing.publish import Draft, parse_automation
from state.postgres.audiences import load_audiences
from state.postgres.automations import AutomationRow, Publication, VersionRow
from state.postgres.automations_by_id import (
    Change,
    change_automation,
    create_automation,
    hold_automation,
)
from state.postgres.session import Session
from state.postgres.templates import templates_named


async def create_posted(session: Session, body: object, who: str) -> AutomationRow:
    """Create the automation `{name, status?, steps, connections}`, disabled by default.

    Raises:
        AutomationError: it cannot be used. NameTaken: there is one of this name.
    """
    templates = await templates_named(session, template_names(body))
    draft = parse_posted(body, templates, await load_audiences(session))
    return await create_automation(session, _publication(draft), who)


async def change_posted(
    session: Session, automation_id: UUID, body: object, who: str
) -> AutomationRow:
    """Change an automation by `{name?, status?, steps? and connections?}`.

    Enabling takes the templates that it had from the stored ones as they are published now.

    Raises:
        AutomationError: what is said cannot be used. NotFound: there is no such automation.
        NameTaken: another one has the name. StillEnabled: its graph cannot be changed now.
    """
    posted = parse_posted_change(body)
    row, version = await hold_automation(session, automation_id)
    graph = await _graph(session, posted, row, version)
    change = Change(posted.name, posted.is_enabled, graph)
    return await change_automation(session, automation_id, change, who)


async def create_drawn(session: Session, document: object, who: str) -> AutomationRow:
    """Create the automation of a whole document; it is enabled unless it says otherwise.

    Raises:
        AutomationError: it cannot be used. NameTaken: there is one of this name.
    """
    return await create_automation(session, await _drawn(session, document), who)


async def redraw(
    session: Session, automation_id: UUID, document: object, who: str
) -> AutomationRow:
    """Replace the name, the status and all that defines an automation by a whole document's.

    It may start runs meanwhile: from now on by the new version, as when a file is applied (S1).

    Raises:
        AutomationError: it cannot be used. NotFound: there is no such automation. NameTaken:
            another one has the name.
    """
    drawn = await _drawn(session, document)
    change = Change(drawn.name, drawn.is_enabled, drawn, while_enabled=True)
    return await change_automation(session, automation_id, change, who)


async def _drawn(session: Session, document: object) -> Publication:
    templates = await templates_named(session, template_names(document))
    return _publication(parse_automation(document, templates, await load_audiences(session)))


async def _graph(
    session: Session, posted: PostedChange, row: AutomationRow, version: VersionRow
) -> Publication | None:
    """Return the graph to publish, if any: another one, or the same with newer templates."""
    if posted.graph is not None:
        document: Mapping[str, object] = posted.graph
        stored = set(version.stored_templates)
        known = await templates_named(session, template_names(document))
    elif posted.is_enabled and not row.is_enabled and version.stored_templates:
        document = {}
        known = await templates_named(session, version.stored_templates)
        stored = {name for name, template in known.items() if template is not None}
    else:
        return None
    whole = redrawn(version.definition, document, stored)
    return _publication(parse_redrawn(whole, known, await load_audiences(session)))


def _publication(draft: Draft) -> Publication:
    return Publication(
        draft.name,
        draft.definition,
        names_of(draft.definition),
        draft.is_enabled,
        draft.stored_templates,
    )
