"""Versions that nothing lived in any more, and that a retry lives in again (rules R3, E7)."""

from __future__ import annotations

from uuid import UUID

from state.postgres.automations import ADD_INTERESTS
from state.postgres.catalogue import bump_revision, lock_catalogue
from state.postgres.codec import parsed
from state.postgres.session import Session
from state.reading import VersionRow

REVIVE = """
update versions set retired_at = null
where automation_id = $1 and number = $2 and retired_at is not null
returning names
"""

CURRENT = """
select automation_id, name, number, definition
from automations join versions using (automation_id)
where automation_id = $1 and number = current_version and deleted_at is null
"""


async def current_version(session: Session, automation_id: UUID) -> VersionRow | None:
    """Return the version that an automation starts runs in, None if it was deleted."""
    for row in await session.rows(CURRENT, automation_id):
        return VersionRow(*row)._replace(definition=parsed(row["definition"]))
    return None


async def revive_version(session: Session, automation_id: UUID, number: int) -> None:
    """Bring a version back into the catalogue, and with it the names that it listens to.

    Once a run lives in it, it stays until that has ended. Until then the housekeeping may retire it
    again at once, so that who needs it must look, and perhaps ask once more.
    """
    since = await lock_catalogue(session)
    names = await session.value(REVIVE, automation_id, number)
    if names is not None:
        await session.run(ADD_INTERESTS, sorted(names), since)
        await bump_revision(session)
