"""What operators do to the catalogue: publish, enable, stop, delete (rules S1, S4, E7, O4).

Every change holds the catalogue alone, so no turn sees half of it; the revision tells the workers.
Call these in `store.session()`, one or several in one transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from state.pausing import Mode
from state.postgres import audit
from state.postgres.audience_changes import declare
from state.postgres.audit import Action
from state.postgres.catalogue import bump_revision, lock_catalogue
from state.postgres.codec import json_text, parsed
from state.postgres.session import Session
from state.postgres.templates import put_templates

ALL = """
select automation_id, name, is_enabled, enabled_at, current_version, created_at, updated_at, pause,
  paused_at
from automations where deleted_at is null
order by name
"""

BY_NAME = """
select automation_id, name, is_enabled, enabled_at, current_version, created_at, updated_at, pause,
  paused_at
from automations where name = $1 and deleted_at is null
"""

CURRENT = """
select number, checksum, names, definition, created_at, stored_templates from versions
where automation_id = $1 and number = $2
"""

CREATE = """
insert into automations (name, is_enabled, enabled_at, current_version, created_at, updated_at)
values ($1, false, null, 0, $2, $2)
returning automation_id, name, is_enabled, enabled_at, current_version, created_at, updated_at,
  pause, paused_at
"""

ADD_VERSION = """
insert into versions (
  automation_id, number, created_at, checksum, names, definition, stored_templates)
values ($1, $2, $3, $4, $5, $6, $7)
"""

SET_STATE = """
update automations set is_enabled = $2, enabled_at = $3, current_version = $4, updated_at = $5
where automation_id = $1
"""

DELETE = """
update automations set is_enabled = false, deleted_at = $2, updated_at = $2 where automation_id = $1
"""

ADD_INTERESTS = """
insert into interests (name, since) select name, $2 from unnest($1::text[]) as name
on conflict do nothing
"""

#: Whoever has entered an automation, as far as its runs are kept: the memory that `once` and
#: `after` judge by, for runs that started while nobody had to remember them (S2).
REMEMBER_ENTRIES = """
insert into enrolments (contact_id, automation_id, last_v)
select contact_id, automation_id, max((trigger ->> 'v')::timestamptz)
from (
  select contact_id, automation_id, trigger from runs_active where automation_id = $1
  union all
  select contact_id, automation_id, doc -> 'trigger' from runs_done
  where automation_id = $1 and reason <> 'exited_before_start'
) as entered
group by contact_id, automation_id
on conflict (contact_id, automation_id) do update set
  last_v = greatest(enrolments.last_v, excluded.last_v)
"""


class UnknownAutomation(Exception):
    """There is no automation of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f'there is no automation "{name}"')
        self.name = name


class StillPaused(Exception):
    """An automation is paused, and nobody could release its runs if it had no name (rule T3)."""


class Publication(Struct, frozen=True):
    """A validated automation: its definition and all event names it listens to.

    `stored_templates` are the ids and aliases of the stored templates that it took; files have none
    that matter, since a file is applied again to take others.
    """

    name: str
    definition: Mapping[str, object]
    names: frozenset[str]
    is_enabled: bool
    stored_templates: frozenset[str] = frozenset()

    @property
    def checksum(self) -> str:
        """Return the hash of the definition, whatever the order of its keys."""
        canonical = json.dumps(self.definition, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def remembers_entries(self) -> bool:
        """Tell whether its re-entry looks past active runs (rule S2)."""
        return str(self.definition.get("reentry")).startswith(("once", "after"))


class AutomationRow(NamedTuple):
    """An automation as it stands."""

    automation_id: UUID
    name: str
    is_enabled: bool
    enabled_at: datetime | None
    current_version: int
    created_at: datetime
    updated_at: datetime
    pause: Mode | None = None
    paused_at: datetime | None = None

    def document(self) -> dict[str, object]:
        """Return what the audit keeps of it."""
        return {
            "automation_id": self.automation_id,
            "version": self.current_version,
            "is_enabled": self.is_enabled,
        }


class VersionRow(NamedTuple):
    """The current version of an automation; its definition says the name that it has now."""

    number: int
    checksum: str
    names: list[str]
    definition: Mapping[str, Any]
    created_at: datetime
    stored_templates: list[str]


class Applied(NamedTuple):
    """What publishing one file did: to the version, and to whether runs start."""

    name: str
    automation_id: UUID
    version: int
    change: Literal["created", "published", "unchanged"]
    state: Literal["enabled", "stopped", "unchanged"]


async def apply_automations(
    session: Session,
    publications: Sequence[Publication],
    templates: Mapping[str, Mapping[str, object]],
    who: str,
) -> list[Applied]:
    """Publish files all or none, with the templates, segments and topics written in them.

    Return what each changed.

    A version is made only where the definition differs from the current one, and starts runs from
    now on; runs in progress stay on theirs (S1). The file says whether the automation is enabled.
    """
    now = await lock_catalogue(session)
    action = Action(who, now)
    await put_templates(session, templates, action)
    applied = [await _apply(session, one, action) for one in publications]
    has_more = [await declare(session, one.definition, action) for one in publications]
    if any(has_more) or any(
        (one.change, one.state) != ("unchanged", "unchanged") for one in applied
    ):
        await bump_revision(session)
    return applied


async def set_enabled(session: Session, name: str, is_enabled: bool, who: str) -> bool:
    """Let an automation start runs, or start no more; tell whether that changed anything (S4).

    Raises:
        UnknownAutomation: there is none of this name.
    """
    now = await lock_catalogue(session)
    before = await _named(session, name)
    if before.is_enabled == is_enabled:
        return False
    current = await current_of(session, before)
    after = set_to(before, is_enabled, before.current_version, now)
    await write_state(session, after, current.names)
    what = "automation.enable" if is_enabled else "automation.stop"
    change = (before.document(), after.document())
    await audit.record(session, Action(who, now), what, name, change)
    await bump_revision(session)
    return True


async def delete_automation(
    session: Session, name: str, who: str, *, with_runs: bool = False
) -> None:
    """Delete an automation: it starts nothing, its name is free, its live runs go on.

    `with_runs`: they are about to be cancelled.

    Raises:
        UnknownAutomation: there is none of this name. StillPaused: its runs could not go on.
    """
    now = await lock_catalogue(session)
    before = await _named(session, name)
    if before.pause is not None and not with_runs:
        raise StillPaused
    await session.run(DELETE, before.automation_id, now)
    change = (before.document(), None)
    await audit.record(session, Action(who, now), "automation.delete", name, change)
    await bump_revision(session)


async def list_automations(session: Session) -> list[AutomationRow]:
    """Return all automations that are not deleted, by name."""
    return [AutomationRow(*row) for row in await session.rows(ALL)]


async def get_automation(session: Session, name: str) -> tuple[AutomationRow, VersionRow]:
    """Return an automation and its current version.

    Raises:
        UnknownAutomation: there is none of this name.
    """
    found = await _named(session, name)
    return found, await current_of(session, found)


async def current_of(session: Session, automation: AutomationRow) -> VersionRow:
    """Return the version by which an automation starts runs."""
    rows = await session.rows(CURRENT, automation.automation_id, automation.current_version)
    (row,) = rows
    definition = parsed(row["definition"]) | {"name": automation.name}
    return VersionRow(*row)._replace(definition=definition)


def set_to(before: AutomationRow, is_enabled: bool, number: int, now: datetime) -> AutomationRow:
    """Return the automation as it is to stand; `enabled_at` is the last enabling (rule S1)."""
    if (is_enabled, number) == (before.is_enabled, before.current_version):
        return before
    is_enabling = is_enabled and not before.is_enabled
    return before._replace(
        is_enabled=is_enabled,
        enabled_at=now if is_enabling else before.enabled_at,
        current_version=number,
        updated_at=now,
    )


async def add_version(session: Session, after: AutomationRow, publication: Publication) -> None:
    """Add the version that an automation is to stand at."""
    await session.run(
        ADD_VERSION,
        after.automation_id,
        after.current_version,
        after.updated_at,
        publication.checksum,
        sorted(publication.names),
        json_text(publication.definition),
        sorted(publication.stored_templates),
    )
    if publication.remembers_entries:
        await session.run(REMEMBER_ENTRIES, after.automation_id)


async def write_state(session: Session, after: AutomationRow, names: Collection[str]) -> None:
    """Write how an automation stands; what it listens to is of interest while it is enabled."""
    await session.run(
        SET_STATE,
        after.automation_id,
        after.is_enabled,
        after.enabled_at,
        after.current_version,
        after.updated_at,
    )
    if after.is_enabled:
        await session.run(ADD_INTERESTS, sorted(names), after.updated_at)


async def _apply(session: Session, publication: Publication, action: Action) -> Applied:
    rows = await session.rows(BY_NAME, publication.name)
    before = AutomationRow(*rows[0]) if rows else await _create(session, publication, action.at)
    is_new = not before.current_version or (
        (await current_of(session, before)).checksum != publication.checksum
    )
    number = before.current_version + is_new
    after = set_to(before, publication.is_enabled, number, action.at)
    if is_new:
        await add_version(session, after, publication)
    applied = _applied(before, after)
    if before != after:
        await write_state(session, after, publication.names)
        change = (before.document() if rows else None, after.document())
        await audit.record(session, action, "automation.apply", after.name, change)
    return applied


async def _create(session: Session, publication: Publication, now: datetime) -> AutomationRow:
    (row,) = await session.rows(CREATE, publication.name, now)
    return AutomationRow(*row)


def _applied(before: AutomationRow, after: AutomationRow) -> Applied:
    is_same = before.current_version == after.current_version
    is_first = not before.current_version
    state: Literal["enabled", "stopped"] = "enabled" if after.is_enabled else "stopped"
    return Applied(
        after.name,
        after.automation_id,
        after.current_version,
        "created" if is_first else "unchanged" if is_same else "published",
        "unchanged" if before.is_enabled == after.is_enabled else state,
    )


async def _named(session: Session, name: str) -> AutomationRow:
    rows = await session.rows(BY_NAME, name)
    if not rows:
        raise UnknownAutomation(name)
    return AutomationRow(*rows[0])
