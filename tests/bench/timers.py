"""How late timers fire when many are due every second; that none is early, and none lost.

How it is prepared: workers start and park all runs, as ever, each with a timer of an hour. Then
SQL moves `due_at` (and a wait's deadline by as much), in an order that has nothing to do with that
in which the rows lie, so that the timers are due at an even pace from some seconds ahead on. The
same workers fire them. Nothing else that is stored changes.

Half of the runs sleep in a delay and half wait for an event that does not come, each alternately
due. They differ in what may hold them: a delay fires as soon as it is due (rule T2), a timeout only
once all partitions are known to have been read up to it (rule W4), which idle workers ask Kafka
for again and again. Its grace lies before `due_at`; so it is no part of the lateness.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal, percentiles
from tests.bench.house import LOOK_SECONDS, House, Record, house
from tests.bench.journeys import PLAIN, record
from tests.bench.machine import Meter

SECONDS = 60
PER_SECOND = 2_000

#: What starts a run that sleeps, what starts one that waits, and what never comes.
SLEEP, WAIT, NEVER = "slept", "waited", "answered"

#: How long the moving of the timers may take, in seconds: at least, and more for every so many.
LEAD_SECONDS, MOVED_PER_SECOND = 3, 12_000

#: How long a timer that is due may still fire before it counts as lost, in seconds.
PATIENCE_SECONDS = 30

#: Sleeping and waiting runs in turn, each at the place that its id has among its like.
MOVE = """
with placed as (
  select run_id, $1::timestamptz + $2::interval * (
    2 * row_number() over (partition by activity order by run_id) - (activity = 'delayed')::int
  ) as at from runs_active
)
update runs_active as run set due_at = at, deadline = deadline + (at - due_at)
from placed where placed.run_id = run.run_id
"""

KEEP = "create table timers as select run_id, activity, due_at from runs_active"

FIRED = """
select activity, due_at, completed_at, pg_xact_commit_timestamp(done.xmin) as committed_at
from timers join runs_done as done using (run_id)
"""


async def measure(stack: LocalStack, seconds: int = SECONDS) -> list[Figure]:
    """Let two workers fire what is due, with no event under way."""
    timers = seconds * PER_SECOND
    async with house(stack, [_sleeper(), _waiter()]) as made:
        made.publish(_triggers(timers))
        with made.workers(2) as process:
            await made.until_applied(timers)
            begins = await _moved(made, timers)
            await _until(made, begins)
            meter = Meter(made.groups(process))
            await _until(made, begins + timedelta(seconds=seconds))
            spent = meter.read()
            await _until_all_fired(made)
        fired = await made.connection.fetch(FIRED)
    early = sum(each["completed_at"] < each["due_at"] for each in fired)
    return [
        *_lateness("all", fired, Goal("at most", 250)),
        *_lateness("delays", [each for each in fired if each["activity"] == "delayed"]),
        *_lateness("timeouts", [each for each in fired if each["activity"] == "waiting"]),
        Figure("early", "timers", [early], Goal("at most", 0)),
        Figure("lost", "timers", [timers - len(fired)], Goal("at most", 0)),
        *(
            Figure(f"CPU, {who}", "ms a timer", [1_000 * cpu / timers])
            for who, cpu in spent.cpu.items()
        ),
    ]


def _sleeper() -> Any:
    return _automation("Sleeper", SLEEP, "delay", {"duration": "1 hour"}, "default")


def _waiter() -> Any:
    waits = {"event_name": NEVER, "timeout": "1 hour"}
    return _automation("Waiter", WAIT, "wait_for_event", waits, "timeout")


def _automation(name: str, start: str, kind: str, config: dict[str, object], way: str) -> Any:
    """Return an automation that parks its runs, and has one more step behind."""
    always = {"field": "trigger.n", "operator": "gte", "value": 0}
    steps = [
        {"key": "start", "type": "trigger", "config": {"event_name": start}},
        {"key": "parked", "type": kind, "config": config},
        {"key": "after", "type": "condition", "config": always},
    ]
    ways = [{"from": "start", "to": "parked"}, {"from": "parked", "to": "after", "type": way}]
    return {"name": name, "steps": steps, "connections": ways}


def _triggers(timers: int) -> Iterator[Record]:
    for number in range(timers):
        yield record(PLAIN, (SLEEP, WAIT)[number % 2], number)


async def _moved(made: House, timers: int) -> datetime:
    """Spread the timers from an instant ahead on; return it."""
    lead = timedelta(seconds=LEAD_SECONDS + timers / MOVED_PER_SECOND)
    begins: datetime = await made.connection.fetchval("select clock_timestamp()") + lead
    await made.connection.execute(MOVE, begins, timedelta(seconds=1 / PER_SECOND))
    await made.connection.execute(KEEP)
    assert await made.connection.fetchval("select clock_timestamp()") < begins, "too slow a machine"
    return begins


async def _until(made: House, instant: datetime) -> None:
    now: datetime = await made.connection.fetchval("select clock_timestamp()")
    await asyncio.sleep(max(0.0, (instant - now).total_seconds()))


async def _until_all_fired(made: House) -> None:
    """Wait until no timer is left, or those that are count as lost."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            sql = "select count(*) from runs_active"
            while await made.value(sql):  # noqa: ASYNC110 - only Postgres knows
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        pass


def _lateness(who: str, fired: list[asyncpg.Record], goal: Goal | None = None) -> list[Figure]:
    """Return from when a timer was due to the commit of its run's next state, in percentiles."""
    late = [1_000 * (each["committed_at"] - each["due_at"]).total_seconds() for each in fired]
    return [
        *percentiles(who, "ms late", late, p99=goal),
        Figure(f"{who}, longest", "ms late", [max(late)]),
    ]
