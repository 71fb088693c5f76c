"""The mark each turn leaves: whether it landed, and the clock that never runs backwards (D3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from state.postgres.session import Session

#: Marks of lanes that nobody has used for so long are swept.
KEPT = timedelta(days=7)

#: The row stands before the lane's first turn, so that `LANDED` always has one to wait for.
OPEN_LANE = """
insert into turn_marks as mark (lane, turn, last_now) values ($1, 0, statement_timestamp())
on conflict (lane) do update set turn = mark.turn
returning turn
"""

CLOCK = "select clock_timestamp()"

#: Every earlier transaction left its mark, and those that changed the contacts we hold locked have
#: committed it: no contact's last instant lies above this one.
NOW = "select greatest(clock_timestamp(), (select max(last_now) from turn_marks))"

MARK = """
insert into turn_marks as mark (lane, turn, last_now) values ($1, $2, $3)
on conflict (lane) do update set
  turn = excluded.turn, last_now = greatest(mark.last_now, excluded.last_now)
"""

#: The lock waits for a commit that is still under way on the connection that was lost.
LANDED = "select turn from turn_marks where lane = $1 for share"

SWEEP = """
delete from turn_marks
where last_now < $1 and last_now < (select max(last_now) from turn_marks)
"""


class Mark(NamedTuple):
    """A turn that took place: its lane, its number there, its instant."""

    lane: str
    turn: int
    now: datetime


async def open_lane(session: Session, lane: str) -> int:
    """Return the last turn of a lane that landed; 0 if it is new."""
    turn: int = await session.value(OPEN_LANE, lane)
    return turn


async def database_now(session: Session) -> datetime:
    """Return the database's clock."""
    now: datetime = await session.value(CLOCK)
    return now


async def read_now(session: Session) -> datetime:
    """Return the turn's one instant: the database's clock, never below any turn before (D3)."""
    now: datetime = await session.value(NOW)
    return now


async def has_landed(session: Session, lane: str, turn: int) -> bool:
    """Tell whether this turn was the lane's last one."""
    landed: int | None = await session.value(LANDED, lane)
    return landed == turn


async def sweep_marks(session: Session, now: datetime) -> None:
    """Delete the marks of lanes long silent, but never the newest."""
    await session.run(SWEEP, now - KEPT)
