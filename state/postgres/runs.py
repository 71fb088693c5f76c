"""Runs: one row while parked, one when done; a finished run never moves (rules R1, R2, R3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from state.history import outputs_in, read_history, wait_events_in
from state.postgres.codec import columns_of, json_text
from state.postgres.run_states import (
    active_state,
    core_of,
    done_state,
    history_text,
    read_parked,
    read_state,
    read_trigger,
)
from state.postgres.session import Record, Session
from state.run import ACTIVITY, HeldStart, Run, Waiting
from state.turn import RunChange

RUNS_OF_CONTACTS = """
select run_id, contact_id, automation_id, version, activity, step_key, due_at, holds_for_lag,
  is_held, deadline, created_at, state, trigger, past
from runs_active
where contact_id = any($1::bigint[])
order by created_at, run_id
"""

ACTIVE_COLUMNS = (
    "run_id", "automation_id", "contact_id", "created_at", "due_at", "deadline", "version",
    "holds_for_lag", "is_held", "activity", "step_key", "state", "trigger", "past",
    "looks_back_to",
)  # fmt: skip

#: By ctid, because a join might be planned as a walk over the table (trap 1). Not by two arrays:
#: the second would be searched from its start for every row.
LEAVE = """
delete from runs_active where ctid = any(array(
  select held.ctid from unnest($1::uuid[], $2::bigint[]) as leaving (run_id, contact_id)
  cross join lateral (
    select ctid from runs_active
    where run_id = leaving.run_id and contact_id = leaving.contact_id
    offset 0
  ) as held
))
"""

DONE_OF_CONTACTS = "select * from runs_done where contact_id = any($1::bigint[])"

REWRITE = """
update runs_done as done set doc = new.doc, past = new.past
from unnest($1::uuid[], $2::json[], $3::text[]) as new (run_id, doc, past)
where done.contact_id = any($4::bigint[]) and done.run_id = new.run_id
"""

DONE_COLUMNS = (
    "run_id", "automation_id", "contact_id", "created_at", "started_at", "completed_at", "version",
    "status", "reason", "doc", "past",
)  # fmt: skip


async def load_runs(session: Session, contact_ids: Collection[int]) -> dict[int, list[Run]]:
    """Return the active runs of each contact, the oldest first."""
    runs: dict[int, list[Run]] = defaultdict(list)
    for row in await session.rows(RUNS_OF_CONTACTS, list(contact_ids)):
        runs[row["contact_id"]].append(read_active(row))
    return runs


async def save_runs(session: Session, changes: Sequence[RunChange]) -> None:
    """Write runs that parked, parked anew and ended.

    One that moves leaves its row, and parks in a new one or is done: its timer is indexed, so an
    update would write as much. The count is asserted: under the contact's lock a run cannot have
    moved since it was loaded.
    """
    left = [before for before, _ in changes if before is not None]
    parked = [_active_row(after) for _, after in changes if after.status == "running"]
    ended = [_done_row(after) for _, after in changes if after.status != "running"]
    if left:
        ids = [run.run_id for run in left], [run.contact_id for run in left]
        assert await session.run(LEAVE, *ids) == len(left), "a run moved twice"
    if parked:
        await session.copy("runs_active", ACTIVE_COLUMNS, parked)
    if ended:
        await session.copy("runs_done", DONE_COLUMNS, ended)


async def rewrite_done(
    session: Session, contact_ids: Collection[int], rewritten: Callable[[Run], Run]
) -> None:
    """Rewrite what finished runs of contacts tell; only a deletion does (rules R3, I5)."""
    rows = await session.rows(DONE_OF_CONTACTS, list(contact_ids))
    if rows:
        runs = [rewritten(read_done(row)) for row in rows]
        new = [(run.run_id, json_text(done_state(run)), history_text(run)) for run in runs]
        await session.run(REWRITE, *columns_of(new), list(contact_ids))


def _place(run: Run) -> tuple[object, ...]:
    """Return activity, step_key, due_at, deadline, holds_for_lag and is_held of a parked run."""
    parked = run.parked
    assert parked is not None, "a running run is stored only while it is parked"
    activity = "held" if isinstance(parked, HeldStart) else ACTIVITY[type(parked)]
    deadline = parked.deadline if isinstance(parked, Waiting) else None
    where = (activity, parked.step_key, parked.due_at, deadline)
    return (*where, parked.holds_for_lag, parked.is_held)


def _active_row(run: Run) -> tuple[object, ...]:
    activity, step_key, due_at, deadline, holds_for_lag, is_held = _place(run)
    assert run.parked is not None
    return (
        run.run_id, run.automation_id, run.contact_id, run.created_at, due_at, deadline,
        run.version, holds_for_lag, is_held, activity, step_key,
        json_text(active_state(run, run.parked)), json_text(run.trigger), history_text(run),
        _looks_back_to(run),
    )  # fmt: skip


def _looks_back_to(run: Run) -> datetime:
    """Return the oldest instant that this run's waits count from (rules W2, O5)."""
    started_from = run.trigger.v
    return min(started_from, run.parked.floor) if isinstance(run.parked, Waiting) else started_from


def _done_row(run: Run) -> tuple[object, ...]:
    return (
        run.run_id, run.automation_id, run.contact_id, run.created_at, run.started_at,
        run.completed_at, run.version, run.status, run.reason,
        json_text(done_state(run)), history_text(run),
    )  # fmt: skip


def read_active(row: Record) -> Run:
    """Return the run that a row of runs_active holds."""
    state = read_state(row["state"])
    assert state.parked is not None, "a run is stored while it is parked"
    return Run(
        run_id=row["run_id"],
        contact_id=row["contact_id"],
        automation_id=row["automation_id"],
        version=row["version"],
        trigger=read_trigger(row["trigger"]),
        created_at=row["created_at"],
        started_at=state.started_at or row["created_at"],
        updated_at=state.updated_at or row["created_at"],
        outputs=state.outputs,
        wait_events=state.wait_events,
        parked=read_parked(row, state.parked),
        past=row["past"],
        **core_of(state),
    )


def read_done(row: Record) -> Run:
    """Return the run that a row of runs_done holds."""
    state = read_state(row["doc"])
    assert state.trigger is not None, "a run has a trigger"
    entries = read_history(row["past"])
    return Run(
        run_id=row["run_id"],
        contact_id=row["contact_id"],
        automation_id=row["automation_id"],
        version=row["version"],
        trigger=state.trigger,
        created_at=row["created_at"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        updated_at=state.updated_at or row["completed_at"],
        outputs=outputs_in(entries),
        wait_events=wait_events_in(entries),
        status=row["status"],
        reason=row["reason"],
        failure=state.failure,
        past=row["past"],
        **core_of(state),
    )
