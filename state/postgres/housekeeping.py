"""Daily chores: partitions ahead, what has had its time, versions that nothing lives in."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from state.postgres.catalogue import bump_revision, lock_catalogue
from state.postgres.closed_waits import KEPT, forget_closed_waits
from state.postgres.errors import named_failures
from state.postgres.keyed_requests import forget_requests
from state.postgres.leaves import ensure_partitions
from state.postgres.marks import read_now, sweep_marks
from state.postgres.migrate import take_migration_lock
from state.postgres.session import Record, Session

#: Rows deleted in one transaction.
SWEEP_MAX = 5_000

REVISION = "select revision from catalogue"

#: Versions that start nothing and have no live run, nor a wait that a late event may still be
#: shown on ($1: since when, W5). A stopped automation keeps its current one, so
#: that events can be told that it is stopped (S1), unless it was deleted.
IDLE = """
select automation_id, number, number <> current_version or deleted_at is not null as retires
from versions join automations using (automation_id)
where retired_at is null and not (is_enabled and number = current_version)
  and not exists (
    select from runs_active
    where runs_active.automation_id = versions.automation_id
      and runs_active.version = versions.number)
  and not exists (
    select from closed_waits
    where closed_waits.automation_id = versions.automation_id
      and closed_waits.version = versions.number
      and late is null and closed_at > $1)
"""

#: Longer than any turn lasts from its `now` to its commit.
TURN_MAX = timedelta(minutes=5)

#: A retry begins a run in any version (rule R3), and its turn may have been under way while the
#: idle versions were looked for: then its run is younger than that look, or hardly older ($3).
IS_LIVED_IN = """
select exists (
  select from unnest($1::uuid[], $2::integer[]) as idle (automation_id, number)
  cross join lateral (
    select from runs_active
    where automation_id = idle.automation_id and created_at >= $3 and version = idle.number
    limit 1
  ) as run
)
"""

RETIRE = """
update versions set retired_at = $3
from unnest($1::uuid[], $2::integer[]) as idle (automation_id, number)
where versions.automation_id = idle.automation_id and versions.number = idle.number
"""

#: Names that nothing live listens to any more; $1, $2 are the idle versions.
STALE_INTERESTS = """
select name from interests where name not in (
  select unnest(names) from versions
  where retired_at is null and (automation_id, number) not in (
    select * from unnest($1::uuid[], $2::integer[])))
"""

FORGET_INTERESTS = "delete from interests where name = any($1::text[])"


async def make_partitions(session: Session, now: datetime) -> bool:
    """Make the partitions that are missing."""
    with named_failures():
        await take_migration_lock(session.connection)
        await ensure_partitions(session.connection, now)
    return False


async def sweep(session: Session, now: datetime) -> bool:
    """Delete waits, marks and answers that have had their time; tell whether there are more."""
    await sweep_marks(session, now)
    answers = await forget_requests(session, now, SWEEP_MAX)
    return SWEEP_MAX in (answers, await forget_closed_waits(session, now, SWEEP_MAX))


async def retire_versions(session: Session, now: datetime) -> bool:
    """Retire versions that nothing lives in, and with them the names only they listened to (E7).

    They are looked for without the lock, because that may take long. Only a publication and a
    retry can bring one back to life; so what these leave is looked at again under the lock.
    """
    began = await read_now(session)
    revision = await session.value(REVISION)
    idle = await session.rows(IDLE, now - KEPT)
    retiring = [row for row in idle if row["retires"]]
    stale = [row["name"] for row in await session.rows(STALE_INTERESTS, *_keys(idle))]
    if not retiring and not stale:
        return False
    since = await lock_catalogue(session)
    if revision != await session.value(REVISION):
        return True
    if await session.value(IS_LIVED_IN, *_keys(idle), began - TURN_MAX):
        return True
    await session.run(RETIRE, *_keys(retiring), since)
    await session.run(FORGET_INTERESTS, stale)
    await bump_revision(session)
    return False


def _keys(versions: list[Record]) -> tuple[list[UUID], list[int]]:
    return [row["automation_id"] for row in versions], [row["number"] for row in versions]


#: Each does some of its work in a transaction, and tells whether it wants another.
CHORES = (make_partitions, sweep, retire_versions)
