"""The catalogue as a turn reads it, under the lock that no event falls through (rule E7)."""

from __future__ import annotations

from datetime import datetime

from state.automation import StoredVersion
from state.postgres.codec import parsed, read_pausing
from state.postgres.marks import database_now
from state.postgres.session import Session

#: Turns hold this advisory lock shared, a publication holds it alone.
CATALOGUE_LOCK = 0x7761_6974_0002

#: What a turn begins with. The lock and the look are two statements: one that waited for the lock
#: still sees what was there before (trap 2). The last one finds a row if the revision is the known
#: one. A turn's statements are probes of indexes whatever their arguments (test_plans.py), so that
#: planning them anew, a third of their time, would find nothing better.
HOLD = (
    "set local plan_cache_mode = force_generic_plan",
    f"select pg_advisory_xact_lock_shared({CATALOGUE_LOCK})",
    "select from catalogue where revision = {known}",
)

LOCK = "select pg_advisory_xact_lock($1)"

REVISION = "select revision from catalogue"

BUMP = "update catalogue set revision = revision + 1"

VERSIONS = """
select automation_id, name, number, definition, number = current_version as is_current,
  is_enabled, enabled_at, pause, paused_at, freezes
from versions join automations using (automation_id)
where retired_at is null
order by automation_id, number
"""

INTERESTS = "select name, since from interests"


def holding(known: int) -> list[str]:
    """Return what holds the catalogue as it is until the transaction ends.

    The last statement finds a row if its revision is still the known one.
    """
    return [statement.format(known=known) for statement in HOLD]


async def read_revision(session: Session) -> int:
    """Return the catalogue's revision."""
    revision: int = await session.value(REVISION)
    return revision


async def lock_catalogue(session: Session) -> datetime:
    """Wait until no turn is under way and hold the catalogue alone; return the instant since."""
    await session.value(LOCK, CATALOGUE_LOCK)
    return await database_now(session)


async def bump_revision(session: Session) -> None:
    """Tell every worker that the definitions have changed."""
    await session.run(BUMP)


async def load_definitions(session: Session) -> tuple[list[StoredVersion], dict[str, datetime]]:
    """Return all versions that are not retired, and since when each name is of interest."""
    versions = [
        StoredVersion(
            automation_id=row["automation_id"],
            name=row["name"],
            number=row["number"],
            definition=parsed(row["definition"]),
            is_current=row["is_current"],
            is_enabled=row["is_enabled"],
            enabled_at=row["enabled_at"],
            pausing=read_pausing(row),
        )
        for row in await session.rows(VERSIONS)
    ]
    return versions, {row["name"]: row["since"] for row in await session.rows(INTERESTS)}
