"""Leaves whose time is over: what is in them, who may still look into them, their end (O5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from state.postgres.audit import Action, record
from state.postgres.catalogue import lock_catalogue
from state.postgres.codec import columns_of
from state.postgres.errors import named_failures
from state.postgres.migrate import take_migration_lock
from state.postgres.session import Session
from state.retention import LiveRuns, StoredLeaf

#: A leaf that was detached bears this before its name until it is dropped.
DETACHED = "dropped_"

#: Leaves that bear another's bounds, such as a default one, are somebody's own and stay.
LEAVES = r"""
select parent.relname::text, leaf.relname::text, bounds[1]::timestamptz, bounds[2]::timestamptz,
  nullif(leaf.reltuples, -1)::bigint, pg_total_relation_size(leaf.oid), inhdetachpending
from pg_inherits
join pg_class as leaf on leaf.oid = inhrelid
join pg_class as parent on parent.oid = inhparent and parent.relnamespace = leaf.relnamespace
cross join lateral regexp_match(
  pg_get_expr(leaf.relpartbound, leaf.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as bounds
where inhparent = any(array['events', 'runs_done']::regclass[]) and bounds is not null
order by 1, 3
"""

UNFINISHED = r"""
select relname::text from pg_class
where relkind = 'r' and relname ~ '^dropped_(events|runs_done)_[0-9]+$'
  and relnamespace = (select relnamespace from pg_class where oid = 'events'::regclass)
order by 1
"""

#: By the block ranges that reach so far up; the newest V of a leaf is near its end.
NEWEST_V = "select max(v) from {leaf} where v >= $1"

#: How far before a leaf's end its newest V is looked for, before it is looked for anywhere.
NEAR_THE_END = (timedelta(hours=1), timedelta(days=1))

#: Runs that count from so far back, and all runs of versions whose waits look back a span of time
#: ($3, $4). Alike are those between the same two of the ascending instants $1. Rows from before the
#: column are asked for their documents.
LIVE_RUNS = """
select automation_id, version, step_key, min(counted_from), min(run_id::text)::uuid, count(*)
from (
  select automation_id, version, step_key, run_id, looks_back_to as counted_from
  from runs_active where looks_back_to <= $2
  union all
  select automation_id, version, step_key, run_id,
    least((trigger ->> 'v')::timestamptz, (state -> 'parked' ->> 'floor')::timestamptz)
  from runs_active where looks_back_to is null
  union all
  select run.* from unnest($3::uuid[], $4::integer[]) as spanning (automation_id, number)
  cross join lateral (
    select automation_id, version, step_key, run_id, looks_back_to
    from runs_active
    where automation_id = spanning.automation_id and version = spanning.number
      and looks_back_to > $2
    offset 0
  ) as run
) as live
group by automation_id, version, step_key, width_bucket(counted_from, $1::timestamptz[])
"""

DETACH = "alter table {parent} detach partition {leaf}"

RENAME = "alter table {leaf} rename to {detached}"

DROP = "drop table if exists {leaf}"

EXISTS = "select to_regclass($1) is not null"

#: How long a detachment may wait for locks: writers queue behind it as long.
PATIENCE = "set local lock_timeout = '2s'"

RUNS_OF_LEAF = "select run_id from {leaf} where run_id > $1 order by run_id limit $2"

FORGET_MESSAGES = "delete from messages where run_id = any($1::uuid[])"

FORGET_LATE = "delete from closed_waits where run_id = any($1::uuid[]) and late is not null"


async def stored_leaves(session: Session) -> list[StoredLeaf]:
    """Return the leaves of events and finished runs, in order."""
    return [StoredLeaf(*row) for row in await session.rows(LEAVES)]


async def unfinished_drops(session: Session) -> list[str]:
    """Return the leaves that were detached but not dropped, as when a process died between."""
    return [name for (name,) in await session.rows(UNFINISHED)]


async def with_newest_v(session: Session, leaf: StoredLeaf, horizon: datetime) -> StoredLeaf:
    """Return a leaf of events with its newest V; an older one than `horizon` is not looked for.

    Most leaves' newest V is near their end, and then few blocks are read.
    """
    for since in _candidates(leaf, horizon):
        newest = await session.value(NEWEST_V.format(leaf=_quoted(leaf.name)), since)
        if newest is not None:
            return leaf._replace(newest_v=newest)
    return leaf


async def live_runs(
    session: Session, counted_from: Sequence[datetime], spanning: Sequence[tuple[UUID, int]]
) -> list[LiveRuns]:
    """Return the parked runs that may look into leaves.

    They are those that count from one of these instants or before it, and those of `spanning`
    versions, grouped so that the runs of a group lie on the same side of each instant.
    """
    if not counted_from:
        return []
    # A bucket begins with its lower bound: one that counts from the very instant belongs below.
    bounds = sorted({at + timedelta(microseconds=1) for at in counted_from})
    versions = columns_of(spanning) if spanning else [[], []]
    rows = await session.rows(LIVE_RUNS, bounds, max(counted_from), *versions)
    return [LiveRuns(*row) for row in rows]


async def hold_leaves(session: Session) -> None:
    """Let nobody else make or drop leaves until the transaction ends."""
    with named_failures():
        await take_migration_lock(session.connection)


async def stop_turns(session: Session) -> None:
    """Hold leaves and the catalogue alone until the transaction ends: no turn is under way then.

    A run that was committed before is seen, and one that starts later starts without the leaf; in
    between would be a run that counts on a leaf which is judged without it. Turns wait for the
    catalogue before they hold anything, so that detaching meets no lock of theirs. The patience is
    short, since they wait as long; who runs out of it tries again another time.
    """
    await hold_leaves(session)
    await session.value(PATIENCE)
    await lock_catalogue(session)


async def detach_leaf(session: Session, leaf: StoredLeaf, action: Action, reason: str) -> None:
    """Take a leaf out of its table, under another name until it is dropped; audited (rule O4).

    Not concurrently: that could not be in one transaction with the judgement and the audit entry,
    would wait for every older reader, and leave a leaf half detached where it is interrupted.
    """
    names = {
        "parent": _quoted(leaf.family),
        "leaf": _quoted(leaf.name),
        "detached": _quoted(DETACHED + leaf.name),
    }
    finalize = " finalize" if leaf.is_half_detached else ""
    await session.value(DETACH.format(**names) + finalize)
    await session.value(RENAME.format(**names))
    before = {"from": leaf.lower, "to": leaf.upper, "rows": leaf.rows, "bytes": leaf.size}
    await record(session, action, "retention.drop", leaf.name, (before, {"why": reason}))


async def forget_with_runs(
    session: Session, detached: str, after: UUID, limit: int
) -> tuple[UUID | None, int]:
    """Delete what belongs to some of a detached leaf's finished runs: their messages, late matches.

    They are kept as long as their run is (rule R4). Return the last run's id, None at the end, and
    how many rows went. Another may have dropped the leaf; then there is nothing left to do.
    """
    await hold_leaves(session)
    if not detached.startswith(f"{DETACHED}runs_done_") or not await _exists(session, detached):
        return None, 0
    found = await session.rows(RUNS_OF_LEAF.format(leaf=_quoted(detached)), after, limit)
    runs = [run_id for (run_id,) in found]
    if not runs:
        return None, 0
    gone = await session.run(FORGET_MESSAGES, runs) + await session.run(FORGET_LATE, runs)
    return (runs[-1] if len(runs) == limit else None), gone


async def drop_detached(session: Session, detached: str) -> None:
    """Drop a leaf that is in no table any more, unless another was quicker."""
    await hold_leaves(session)
    await session.value(DROP.format(leaf=_quoted(detached)))


def _candidates(leaf: StoredLeaf, horizon: datetime) -> Iterator[datetime]:
    for span in NEAR_THE_END:
        if leaf.upper - span > horizon:
            yield leaf.upper - span
    yield horizon


async def _exists(session: Session, name: str) -> bool:
    found: bool = await session.value(EXISTS, _quoted(name))
    return found


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
