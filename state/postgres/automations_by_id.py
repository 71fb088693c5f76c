"""Automations as an API sees them: by their ids, changed a field at a time (rules S1, S4, O4).

Every change holds the catalogue alone and moves its revision, as those by name do (automations.py).
Call these in `store.session()`, one or several in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from state.name import NAME_MAX
from state.postgres import audit
from state.postgres.audit import Action
from state.postgres.automations import (
    AutomationRow,
    Publication,
    VersionRow,
    add_version,
    apply_automations,
    current_of,
    delete_automation,
    set_to,
    write_state,
)
from state.postgres.catalogue import bump_revision, lock_catalogue
from state.postgres.keyset import Listing, Page, read_page
from state.postgres.refusals import NameTaken, NotFound
from state.postgres.session import Session

BY_ID = """
select automation_id, name, is_enabled, enabled_at, current_version, created_at, updated_at, pause,
  paused_at
from automations where automation_id = $1 and deleted_at is null
"""

NAMES_TAKEN = "select name from automations where name = any($1::text[]) and deleted_at is null"

RENAME = "update automations set name = $2, updated_at = $3 where automation_id = $1"

CURSOR = "select created_at from automations where automation_id = $1"

OLDER = """
select automation_id, name, is_enabled, enabled_at, current_version, created_at, updated_at, pause,
  paused_at
from automations where deleted_at is null and (created_at, automation_id) < ($2, $3)
order by created_at desc, automation_id desc limit $1
"""

NEWER = """
select automation_id, name, is_enabled, enabled_at, current_version, created_at, updated_at, pause,
  paused_at
from automations where deleted_at is null and (created_at, automation_id) > ($2, $3)
order by created_at, automation_id limit $1
"""

OLDER_OF_STATUS = """
select automation_id, name, is_enabled, enabled_at, current_version, created_at, updated_at, pause,
  paused_at
from automations
where deleted_at is null and is_enabled = $4 and (created_at, automation_id) < ($2, $3)
order by created_at desc, automation_id desc limit $1
"""

NEWER_OF_STATUS = """
select automation_id, name, is_enabled, enabled_at, current_version, created_at, updated_at, pause,
  paused_at
from automations
where deleted_at is null and is_enabled = $4 and (created_at, automation_id) > ($2, $3)
order by created_at, automation_id limit $1
"""

LISTING = Listing(CURSOR, OLDER, NEWER)
LISTING_OF_STATUS = Listing(CURSOR, OLDER_OF_STATUS, NEWER_OF_STATUS)

#: How many names of copies are looked up at once.
_COPIES = 50


class StillEnabled(Exception):
    """The graph of an automation cannot be changed while it starts runs."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f'"{name}" is enabled, and its steps and connections cannot be changed: '
            "disable it first, or duplicate it and change the copy"
        )


class Change(Struct, frozen=True):
    """What is to change of an automation; None: nothing of this.

    `graph` is published as a new version, if it differs from the current one; its own name and
    status do not count. `while_enabled`: even if the automation goes on starting runs meanwhile, as
    it does where a file is applied.
    """

    name: str | None = None
    is_enabled: bool | None = None
    graph: Publication | None = None
    while_enabled: bool = False

    def is_refused(self, automation: AutomationRow) -> bool:
        """Tell whether the graph would change while it starts runs, and must not."""
        if self.graph is None or self.while_enabled:
            return False
        return automation.is_enabled and self.is_enabled is not False


async def create_automation(session: Session, publication: Publication, who: str) -> AutomationRow:
    """Create an automation.

    Raises:
        NameTaken: there is one of this name.
    """
    await lock_catalogue(session)
    await _check_name(session, publication.name)
    (applied,) = await apply_automations(session, [publication], {}, who)
    return await find_automation(session, applied.automation_id)


async def page_of_automations(
    session: Session, page: Page, is_enabled: bool | None = None
) -> tuple[list[AutomationRow], bool]:
    """Return a page of the automations, newest first, and whether more lie beyond it.

    `is_enabled` narrows the list to those that are enabled, or to those that are not.

    Raises:
        UnknownCursor: there never was an automation of the id that the page lies beside.
    """
    if is_enabled is None:
        rows, has_more = await read_page(session, LISTING, page)
    else:
        rows, has_more = await read_page(session, LISTING_OF_STATUS, page, is_enabled)
    return [AutomationRow(*row) for row in rows], has_more


async def find_automation(session: Session, automation_id: UUID) -> AutomationRow:
    """Return an automation.

    Raises:
        NotFound: there is none of this id, or it was deleted.
    """
    rows = await session.rows(BY_ID, automation_id)
    if not rows:
        raise NotFound("automation", automation_id)
    return AutomationRow(*rows[0])


async def read_automation(
    session: Session, automation_id: UUID
) -> tuple[AutomationRow, VersionRow]:
    """Return an automation and its current version, with the steps as they were written.

    Raises:
        NotFound: there is none of this id, or it was deleted.
    """
    found = await find_automation(session, automation_id)
    return found, await current_of(session, found)


async def hold_automation(
    session: Session, automation_id: UUID
) -> tuple[AutomationRow, VersionRow]:
    """Return an automation and its current version, as they stand until the transaction ends.

    Raises:
        NotFound: there is none of this id, or it was deleted.
    """
    await lock_catalogue(session)
    return await read_automation(session, automation_id)


async def change_automation(
    session: Session, automation_id: UUID, change: Change, who: str
) -> AutomationRow:
    """Change an automation; what is so already stays untouched. Runs in progress go on (S1, S4).

    A graph may come with `is_enabled`: disabling comes before it, enabling after it.

    Raises:
        NotFound: there is none of this id. NameTaken: another one has the name. StillEnabled: it
            would go on starting runs while its graph changes.
    """
    action = Action(who, await lock_catalogue(session))
    before, current = await hold_automation(session, automation_id)
    if change.is_refused(before):
        raise StillEnabled(before.name)
    renamed = before
    if change.name is not None and change.name != before.name:
        await _check_name(session, change.name)
        renamed = before._replace(name=change.name, updated_at=action.at)
        await session.run(RENAME, automation_id, change.name, action.at)
    after = await _published(session, renamed, current, change, action.at)
    if after != before:
        documents = (_document(before), _document(after))
        await audit.record(session, action, _what(before, after), after.name, documents)
        await bump_revision(session)
    return after


async def duplicate_automation(session: Session, automation_id: UUID, who: str) -> AutomationRow:
    """Copy an automation into a new one that is disabled, and named as a copy.

    Raises:
        NotFound: there is none of this id.
    """
    copied, current = await hold_automation(session, automation_id)
    name = await _free_name(session, copied.name)
    publication = Publication(
        name,
        {**current.definition, "name": name},
        frozenset(current.names),
        is_enabled=False,
        stored_templates=frozenset(current.stored_templates),
    )
    return await create_automation(session, publication, who)


async def remove_automation(
    session: Session, automation_id: UUID, who: str, *, with_runs: bool = False
) -> AutomationRow:
    """Delete an automation: it starts nothing, its name is free, its live runs go on.

    `with_runs`: they are about to be cancelled.

    Raises:
        NotFound: there is none of this id. StillPaused: its runs could not go on.
    """
    found, _ = await hold_automation(session, automation_id)
    await delete_automation(session, found.name, who, with_runs=with_runs)
    return found


async def _published(
    session: Session,
    before: AutomationRow,
    current: VersionRow,
    change: Change,
    now: datetime,
) -> AutomationRow:
    """Write the version and the status that an automation is to stand at."""
    graph = change.graph
    if graph is not None:
        graph = replace(graph, definition={**graph.definition, "name": before.name})
    is_new = graph is not None and graph.definition != current.definition
    is_enabled = before.is_enabled if change.is_enabled is None else change.is_enabled
    after = set_to(before, is_enabled, before.current_version + is_new, now)
    if graph is not None and is_new:
        await add_version(session, after, graph)
    if after != before:
        names = graph.names if graph is not None else current.names
        await write_state(session, after, names)
    return after


def _what(before: AutomationRow, after: AutomationRow) -> str:
    """Return what the audit calls a change: by its one part, where it has one only."""
    if (before.name, before.current_version) != (after.name, after.current_version):
        return "automation.update"
    return "automation.enable" if after.is_enabled else "automation.stop"


def _document(automation: AutomationRow) -> dict[str, object]:
    return {"name": automation.name, **automation.document()}


async def _check_name(session: Session, name: str) -> None:
    if await session.rows(NAMES_TAKEN, [name]):
        raise NameTaken("automation", name)


async def _free_name(session: Session, name: str) -> str:
    """Return the first name of a copy that no automation has."""
    names = _copy_names(name)
    while True:
        some = [next(names) for _ in range(_COPIES)]
        taken = {row[0] for row in await session.rows(NAMES_TAKEN, some)}
        for one in some:
            if one not in taken:
                return one


def _copy_names(name: str) -> Iterator[str]:
    for number in count(1):
        suffix = " (Copy)" if number == 1 else f" (Copy {number})"
        yield name[: NAME_MAX - len(suffix)] + suffix
