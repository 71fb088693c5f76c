"""The operators' log: who did what, when, with what stood before and after (rule O4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from state.postgres.codec import optional_json
from state.postgres.session import Session

RECORD = """
insert into audit (at, who, what, target, before, after) values ($1, $2, $3, $4, $5, $6)
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
