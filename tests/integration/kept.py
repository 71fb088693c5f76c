"""A past to keep or to drop: leaves of earlier weeks and months, with events and runs in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from state.effect import Answer
from state.postgres.closed_waits import save_closed_waits
from state.postgres.events import save_events
from state.postgres.leaves import MAKE_LEAF, Leaf
from state.postgres.outbox import save_effects, settle
from state.postgres.runs import save_runs
from state.postgres.store import PostgresStore
from state.retention import LeafVerdict, Periods
from state.run import LateMatch, Run
from state.turn import ClosedWait, LateFound, RunChange
from stream.retention import Doer, Retention
from tests.stored import AUTOMATION, effect, email, event, new_contact, record, run, save, waiting

#: As short as the topics allow, so that waits still look back into what is old enough.
SHORT = Periods(timedelta(days=14), timedelta(days=400), timedelta(days=90))

OPERATOR = Doer("ann", is_operator=True)
WORKER = Doer("worker", is_operator=False)

SLACK = timedelta(seconds=5)


def retention(periods: Periods = SHORT) -> Retention:
    return Retention(periods, SLACK)


def week_of(at: datetime) -> datetime:
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


async def make_week(connection: asyncpg.Connection, at: datetime) -> Leaf:
    """Make the leaf of events that `at` falls into, as it was made then."""
    lower = week_of(at)
    upper = lower + timedelta(days=7)
    return await _make(
        connection, Leaf("events", "event_key", f"events_{lower:%Y%m%d}", lower, upper)
    )


async def make_month(connection: asyncpg.Connection, at: datetime) -> Leaf:
    """Make the leaf of finished runs that `at` falls into."""
    lower = week_of(at).replace(day=1)
    upper = (lower + timedelta(days=31)).replace(day=1)
    return await _make(
        connection, Leaf("runs_done", "run_id", f"runs_done_{lower:%Y%m}", lower, upper)
    )


async def _make(connection: asyncpg.Connection, leaf: Leaf) -> Leaf:
    await connection.execute(
        MAKE_LEAF.format(
            parent=leaf.parent, key=leaf.key, leaf=leaf.name,
            lower=leaf.lower.isoformat(), upper=leaf.upper.isoformat(),
        )
    )  # fmt: skip
    return leaf


async def happened(
    store: PostgresStore, number: int, contact_id: int, processed_at: datetime, v: datetime
) -> None:
    """Store an event as if it had been processed at an instant."""
    async with store.session() as session:
        await save_events(session, [record(event(number, at=v), contact_id, v)], processed_at)


def counting_from(
    started_from: datetime,
    number: int,
    contact_id: int,
    automation_id: UUID,
    *,
    step_key: str = "opened",
    floor: datetime | None = None,
) -> Run:
    """Return a run whose trigger has this V, in a wait whose floor is the slack below it."""
    live = run(number, contact_id, automation_id=automation_id, version=1)
    return replace(
        live,
        trigger=replace(live.trigger, v=started_from),
        parked=waiting(step_key=step_key, floor=floor or started_from),
    )


async def parked(
    store: PostgresStore, number: int, automation_id: UUID, started_from: datetime, **where: Any
) -> Run:
    """Park such a run."""
    contact_id = await new_contact(store, email(number))
    live = counting_from(started_from, number, contact_id, automation_id, **where)
    await save(store, [contact_id], runs=[RunChange(None, live)])
    return live


async def finished(store: PostgresStore, number: int, contact_id: int, at: datetime) -> Run:
    """Store a run as if it had ended at an instant, with a message and a late match of its own."""
    sent = replace(effect(number, contact_id, at), created_at=at)
    done = run(number, contact_id, parked=None).end("completed_end", at)
    answer = Answer(sent.effect_id, done.run_id, contact_id, "sent", 1)
    closed = ClosedWait(
        contact_id, done.run_id, AUTOMATION, 3, "opened", at, at, at, frozenset(), {}, {}
    )
    late = LateFound(contact_id, done.run_id, "opened", LateMatch("evt", "late_arrival", 1.0))
    async with store.session() as session:
        await save_runs(session, [RunChange(None, done)])
        await save_effects(session, [sent])
        await settle(session, [answer], at)
        await save_closed_waits(session, [closed], [late])
    return done


async def verdicts(store: PostgresStore, periods: Periods = SHORT) -> dict[str, LeafVerdict]:
    """Return what retention says of each leaf that is old enough to be spoken of."""
    async with store.session() as session:
        survey = await retention(periods).survey(session)
    return {one.leaf.name: one for one in survey.leaves if one.verdict != "young"}
