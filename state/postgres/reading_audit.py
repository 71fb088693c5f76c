"""The operators' log, read for people (rule O4)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct

from state.postgres.codec import parsed
from state.postgres.session import Record, Session
from state.reading import ActionRow

#: Newest first, along the end of the primary key.
NEWEST = """
select id, at, who, what, target, before, after from audit
where ($1::bigint is null or id < $1)
  and ($2::text is null or starts_with(what, $2))
  and ($3::text is null or target = $3)
  and ($4::text is null or who = $4)
  and ($5::timestamptz is null or at >= $5)
order by id desc limit $6
"""

#: `offset 0` keeps the planner from walking along everybody's actions, where it may not sort.
OF_TARGETS = """
select * from (
  select id, at, who, what, target, before, after from audit
  where target = any($1::text[])
  offset 0
) as found
order by id
"""


class WantedActions(Struct, frozen=True):
    """Which actions a list shows: `what` is a prefix, `before` the id where the last page ended."""

    before: int | None = None
    what: str | None = None
    target: str | None = None
    who: str | None = None
    since: datetime | None = None
    limit: int = 50


async def list_actions(session: Session, wanted: WantedActions) -> list[ActionRow]:
    """Return what operators did, the newest first."""
    rows = await session.rows(
        NEWEST,
        wanted.before,
        wanted.what,
        wanted.target,
        wanted.who,
        wanted.since,
        wanted.limit,
    )
    return [_action(row) for row in rows]


async def actions_on(session: Session, targets: Collection[str]) -> list[ActionRow]:
    """Return what operators did with these, the oldest first."""
    return [_action(row) for row in await session.rows(OF_TARGETS, list(targets))]


def _action(row: Record) -> ActionRow:
    action = ActionRow(*row)
    return action._replace(before=parsed(row["before"]), after=parsed(row["after"]))
