"""How automations are paused: the columns, and what operators do to them (rules T3, O4).

A change holds the catalogue alone, as publishing does: no turn sees half of it, and none that began
before it ends after it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from state.pausing import Mode, Pausing
from state.postgres import audit
from state.postgres.audit import Action
from state.postgres.automations import UnknownAutomation
from state.postgres.catalogue import bump_revision, lock_catalogue
from state.postgres.codec import json_text, read_pausing
from state.postgres.marks import read_now
from state.postgres.session import Session

#: By name or id. Runs of a deleted automation go on, so it may be paused, too, unless its name has
#: been given away; its id still finds it then.
FIND = """
select automation_id, name, pause, paused_at, freezes from automations
where name = $1 or automation_id::text = $1
order by deleted_at is not null, deleted_at desc
limit 1
"""

OF_AUTOMATIONS = """
select automation_id, pause, paused_at, freezes from automations
where automation_id = any($1::uuid[])
"""

SET = """
update automations set pause = $2, paused_at = $3, freezes = $4, updated_at = $5
where automation_id = $1
"""


class Paused(NamedTuple):
    """An automation and how it is paused."""

    automation_id: UUID
    name: str
    pausing: Pausing


class Changed(NamedTuple):
    """What a command did to an automation; before and after are the same where it did nothing."""

    automation: Paused
    before: Pausing

    @property
    def is_change(self) -> bool:
        """Tell whether anything changed."""
        return self.automation.pausing != self.before


async def set_pause(session: Session, name: str, mode: Mode | None, who: str) -> Changed:
    """Hold, freeze or (None) release an automation and all its runs, of whatever version (T3).

    One that is held may be frozen from now on, and the other way round, without letting go.

    Raises:
        UnknownAutomation: there is none of this name or id.
    """
    await lock_catalogue(session)
    # Not the clock alone: no run was parked at a later instant than that of its pause (rule D3).
    now = await read_now(session)
    found = await find_paused(session, name)
    if found is None:
        raise UnknownAutomation(name)
    before = found.pausing
    if before.mode == mode:
        return Changed(found, before)
    after = before.ended(now) if mode is None else before.begun(mode, now)
    arguments = (found.automation_id, after.mode, after.since, json_text(after.freezes), now)
    await session.run(SET, *arguments)
    what = f"automation.{mode or 'release'}"
    change = (_document(found, before), _document(found, after))
    await audit.record(session, Action(who, now), what, found.name, change)
    await bump_revision(session)
    return Changed(found._replace(pausing=after), before)


async def find_paused(session: Session, name: str) -> Paused | None:
    """Return the automation of this name or id, and how it is paused; None if there is none."""
    for row in await session.rows(FIND, name):
        return Paused(row["automation_id"], row["name"], read_pausing(row))
    return None


async def pausings_of(session: Session, automation_ids: Collection[UUID]) -> dict[UUID, Pausing]:
    """Return how automations are paused."""
    rows = await session.rows(OF_AUTOMATIONS, list(automation_ids))
    return {row["automation_id"]: read_pausing(row) for row in rows}


def _document(automation: Paused, pausing: Pausing) -> dict[str, object]:
    """Return what the audit keeps of a pause."""
    return {
        "automation_id": automation.automation_id,
        "pause": pausing.mode,
        "paused_at": pausing.since,
    }
