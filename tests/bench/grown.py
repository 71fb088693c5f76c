"""Runs of one automation in any number: some that the engine made, again and again.

Most are completed, a fiftieth failed, a thirtieth wait, fifty in a million were cancelled: those
that a filter finds last.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec import Struct

from state.postgres.leaves import ensure_partitions
from tests.bench.house import House
from tests.bench.journeys import ANSWER, automation
from tests.bench.line import Line, post
from tests.bench.served import Served

#: The automation, and what starts it: nothing but what is made here.
NAME, STARTS = "Listed", "listed.started"
LISTED = automation(NAME, STARTS)

#: How long ago the first of them was created, and how many one turn makes, at one instant.
DAYS, OF_A_TURN = 60, 50

COUNTED = """
select (select count(*) from runs_active where automation_id = $1)
  + (select count(*) from runs_done where automation_id = $1)
"""

#: What each run is, by its number: the state of one of the real ones, and when it came.
NUMBERED = f"""
create temp table numbered as
select n, gen_random_uuid() as run_id, 1000000000000 + n as contact_id,
  now() - interval '{DAYS} days' * (1 - (n / {OF_A_TURN} * {OF_A_TURN})::float / $1::bigint) as at,
  case when n % 20000 = 7 then 'cancelled' when n % 50 = 1 then 'failed'
    when n % 30 = 2 then 'running' else 'completed' end as status
from generate_series(1, $1::bigint) as n
"""

DONE = """
insert into runs_done (run_id, automation_id, contact_id, created_at, started_at, completed_at,
  version, status, reason, doc, past)
select own.run_id, automation_id, own.contact_id, own.at, own.at, own.at + interval '1 second',
  version, status, reason, doc, past
from numbered as own join runs_done as real using (status)
where real.automation_id = $1
order by n
"""

ACTIVE = """
insert into runs_active (run_id, automation_id, contact_id, created_at, due_at, deadline, version,
  holds_for_lag, is_held, activity, step_key, state, trigger, past, looks_back_to)
select own.run_id, automation_id, own.contact_id, own.at, now() + interval '1 day',
  now() + interval '1 day', version, holds_for_lag, is_held, activity, step_key, state, trigger,
  past, looks_back_to
from numbered as own cross join runs_active as real
where real.automation_id = $1 and own.status = 'running'
order by n
"""

SAMPLE = """
(select run_id from numbered where status = 'completed' order by random() limit 1000)
union all (select run_id from numbered where status = 'failed' order by random() limit 100)
union all (select run_id from numbered where status = 'running' order by random() limit 100)
union all (select run_id from numbered where status = 'cancelled' order by random() limit 10)
"""


class Listed(Struct, frozen=True):
    """The automation, and some of its runs, of each status."""

    automation_id: UUID
    run_ids: list[UUID]


async def grow(made: House, server: Served, number: int) -> Listed:
    """Have the engine make a run of each status, in an empty database, then add so many copies."""
    automation_id = UUID(
        str(
            await made.connection.fetchval(
                "select automation_id from automations where name = $1", NAME
            )
        )
    )
    await _make_real(made, server, automation_id)
    for days in range(0, DAYS + 31, 28):
        async with made.connection.transaction():
            await ensure_partitions(made.connection, datetime.now(UTC) - timedelta(days=days))
    await made.connection.execute("set jit = off")
    await made.connection.execute(NUMBERED.replace("$1", str(number)))
    for copy in (DONE, ACTIVE):
        await made.connection.execute(copy, automation_id)
    there = await made.value(COUNTED, automation_id)
    assert there == number + 4, f"there are {there:.0f} runs"
    sample = [run_id for (run_id,) in await made.connection.fetch(SAMPLE)]
    await made.connection.execute("vacuum (analyze)")
    return Listed(automation_id, sample)


async def _make_real(made: House, server: Served, automation_id: UUID) -> None:
    """Make a run that fails, one that waits, one that is completed, and one that is cancelled."""
    people = [{"email": f"real{n}@example.com"} for n in range(4)]
    started = [{"event": STARTS, "payload": {"n": n} if n else {}} for n in range(4)]
    events = [one | who for one, who in zip(started, people, strict=True)]
    with made.workers(1):
        await _published(made, events)
        await _published(made, [{"event": ANSWER, "payload": {}} | people[2]])
    run_id = await made.connection.fetchval(
        "select run_id from runs_active order by created_at desc, run_id limit 1"
    )
    line = await Line.open(server.port)
    path = f"/automations/{automation_id}/runs/{run_id}/cancel"
    answer = await line.ask(post(path, server.key))
    line.close()
    assert answer.status == 200, answer


async def _published(made: House, events: list[dict[str, object]]) -> None:
    before = await made.applied()
    made.publish((str(one["email"]).encode(), json.dumps(one).encode()) for one in events)
    await made.until_applied(before + len(events))
