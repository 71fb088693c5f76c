"""The memory of re-entry: when a contact last entered an automation (rule S2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from state.postgres.codec import columns_of
from state.postgres.session import Session
from state.turn import Enrolment

LOAD = """
select contact_id, automation_id, last_v from enrolments where contact_id = any($1::bigint[])
"""

SAVE = """
insert into enrolments (contact_id, automation_id, last_v)
select * from unnest($1::bigint[], $2::uuid[], $3::timestamptz[])
on conflict (contact_id, automation_id) do update set last_v = excluded.last_v
"""


async def load_enrolments(
    session: Session, contact_ids: Collection[int]
) -> dict[tuple[int, UUID], Enrolment]:
    """Return the enrolments of these contacts in all automations."""
    rows = await session.rows(LOAD, list(contact_ids))
    return {(contact, automation): Enrolment(last_v) for contact, automation, last_v in rows}


async def save_enrolments(
    session: Session, enrolments: Mapping[tuple[int, UUID], Enrolment]
) -> None:
    """Write enrolments, new ones and those of another trigger."""
    if enrolments:
        rows = [(*key, enrolment.last_v) for key, enrolment in enrolments.items()]
        await session.run(SAVE, *columns_of(rows))
