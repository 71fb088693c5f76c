"""Waits that timed out, kept for a day in case their event comes late (rule W5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from state.postgres.codec import columns_of, json_text, parsed
from state.postgres.session import Session
from state.turn import ClosedWait, LateFound

#: How long a wait that timed out looks out for its late event.
KEPT = timedelta(hours=24)

#: Rows are forgotten this much later, so that no turn still holds one that it loaded.
MARGIN = timedelta(hours=1)

LOAD = """
select held.* from unnest($1::bigint[]) as wanted (contact_id)
cross join lateral (
  select contact_id, run_id, automation_id, version, step_key, floor, deadline, closed_at, used,
    trigger_payload, outputs, met
  from closed_waits
  where contact_id = wanted.contact_id and late is null
  offset 0
) as held
order by closed_at, run_id, step_key
"""

COLUMNS = (
    "contact_id", "run_id", "automation_id", "floor", "deadline", "closed_at", "version",
    "step_key", "used", "trigger_payload", "outputs", "met",
)  # fmt: skip

#: An update by way of ON CONFLICT, as in contacts.py.
SET_LATE = """
insert into closed_waits (contact_id, run_id, automation_id, floor, deadline, closed_at, version,
  step_key, used, trigger_payload, outputs, late)
select held.*, found.late
from unnest($1::bigint[], $2::uuid[], $3::text[], $4::json[])
  as found (contact_id, run_id, step_key, late)
cross join lateral (
  select contact_id, run_id, automation_id, floor, deadline, closed_at, version,
    step_key, used, trigger_payload, outputs
  from closed_waits
  where contact_id = found.contact_id and run_id = found.run_id and step_key = found.step_key
    and late is null
  offset 0
) as held
on conflict (contact_id, run_id, step_key) do update set late = excluded.late
"""

FORGET = """
delete from closed_waits where ctid = any(array(
  select ctid from closed_waits where closed_at < $1 and late is null limit $2))
"""


async def load_closed_waits(
    session: Session, contact_ids: Collection[int], now: datetime
) -> dict[int, list[ClosedWait]]:
    """Return the waits of each contact that still look out for a late event."""
    waits: dict[int, list[ClosedWait]] = defaultdict(list)
    for row in await session.rows(LOAD, list(contact_ids)):
        if row["closed_at"] <= now - KEPT:  # its day is over; housekeeping has not come by yet
            continue
        waits[row["contact_id"]].append(
            ClosedWait(
                contact_id=row["contact_id"],
                run_id=row["run_id"],
                automation_id=row["automation_id"],
                version=row["version"],
                step_key=row["step_key"],
                floor=row["floor"],
                deadline=row["deadline"],
                closed_at=row["closed_at"],
                used=frozenset(row["used"]),
                trigger_payload=parsed(row["trigger_payload"]),
                outputs=parsed(row["outputs"]),
                met=frozenset(row["met"]),
            )
        )
    return waits


async def save_closed_waits(
    session: Session, waits: Sequence[ClosedWait], late: Sequence[LateFound]
) -> None:
    """Keep the waits that timed out, then the late events found, for these and earlier ones."""
    if waits:
        await session.copy("closed_waits", COLUMNS, [_row(one) for one in waits])
    if late:
        rows = [
            (one.contact_id, one.run_id, one.step_key, json_text(one.match._asdict()))
            for one in late
        ]
        found = await session.run(SET_LATE, *columns_of(rows))
        assert found == len(late), "a wait has one late event, the first"


def _row(wait: ClosedWait) -> tuple[object, ...]:
    return (
        wait.contact_id, wait.run_id, wait.automation_id, wait.floor, wait.deadline,
        wait.closed_at, wait.version, wait.step_key, sorted(wait.used),
        json_text(wait.trigger_payload), json_text(wait.outputs), sorted(wait.met),
    )  # fmt: skip


async def forget_closed_waits(session: Session, now: datetime, limit: int) -> int:
    """Delete some waits whose day is over and that found nothing; return how many."""
    return await session.run(FORGET, now - KEPT - MARGIN, limit)
