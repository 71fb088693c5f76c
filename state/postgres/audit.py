"""The operators' log: who did what, when, with what stood before and after (rule O4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from state.postgres.codec import columns_of, optional_json
from state.postgres.session import Session
from state.turn import Audited

RECORD = """
insert into audit (at, who, what, target, before, after) values ($1, $2, $3, $4, $5, $6)
"""

RECORD_ALL = """
insert into audit (at, who, what, target, before, after)
select $1, who, what, target, before, after
from unnest($2::text[], $3::text[], $4::text[], $5::json[], $6::json[])
  with ordinality as done (who, what, target, before, after, place)
order by place
"""


class Action(NamedTuple):
    """What an operator does: `who` is a person or a program, `at` the instant of the action."""

    who: str
    at: datetime


async def record(
    session: Session,
    action: Action,
    what: str,
    target: str,
    change: tuple[Mapping[str, object] | None, Mapping[str, object] | None],
) -> None:
    """Write down one action in the transaction that does it; `change` is before and after."""
    before, after = change
    await session.run(
        RECORD, action.at, action.who, what, target, optional_json(before), optional_json(after)
    )


async def save_audited(session: Session, audited: Sequence[Audited], now: datetime) -> None:
    """Write down what operators did through the door, in its order."""
    if audited:
        rows = [
            (one.who, one.what, one.target, optional_json(one.before), optional_json(one.after))
            for one in audited
        ]
        await session.run(RECORD_ALL, now, *columns_of(rows))
