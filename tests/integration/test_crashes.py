"""Workers that are killed, frozen, added and stopped under load: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest

from tests.integration.doors import waits_in
from tests.integration.drawn import Post, automation, post
from tests.integration.kit import House
from tests.integration.processes import Child, Process
from tests.waiting import until, until_so

KILLS = 20
#: Journeys a second: a worker does several times as many, so each finds it waiting.
RATE = 80

#: A worker's connection that has stored events, or moved runs, and not committed it.
WRITING = """
select activity.pid from pg_stat_activity as activity
join pg_locks as held on held.pid = activity.pid and held.mode = 'RowExclusiveLock'
where application_name like $1 and datname = current_database()
  and held.relation = any(array['events', 'runs_active', 'messages']::regclass[])
"""

#: A worker's connection that waits for somebody's lock.
BLOCKED = """
select pid from pg_stat_activity
where application_name like $1 and wait_event_type = 'Lock' and datname = current_database()
"""


@pytest.mark.timeout(150)
async def test_kill_9_in_the_middle_of_a_batch_20_times(house: House) -> None:
    """E3, F2, S1: under steady load, whatever was under way is done once by who comes next.

    Each worker is a group of its own, as its successor would else wait for the dead one's session;
    the offsets are Postgres's, so nothing else changes.
    """
    await house.apply(automation())
    with house.nursery() as nursery:
        async with steady_load(house, at_least=2000) as load:
            for number in range(KILLS):
                worker = nursery.fork(WAITLINE_GROUP_ID=f"{number}-of-{house.events}")
                await until_in_a_turn(house, worker, turns_before=number % 3)
                os.kill(worker.pid, signal.SIGKILL)
        nursery.fork(WAITLINE_GROUP_ID=f"last-of-{house.events}")
        await assert_each_once(house, load)


@pytest.mark.timeout(90)
async def test_rebalances_and_a_frozen_worker_under_load(house: House) -> None:
    """E3, K7: workers come, go and freeze; one that wakes up too late is fenced, and counted."""
    await house.apply(automation())
    house.environment["WAITLINE_DRAIN_TIMEOUT"] = "4"  # they meet the frozen one's locks
    with house.process() as one, house.process() as other, house.process() as third:
        one.start()
        other.start()
        await until_so(lambda: all_share(house, one, other))
        async with steady_load(house, at_least=600) as load:
            third.start()
            shares = await until_so(lambda: all_share(house, one, other, third))
            number = shares[third.pid][0]
            async with locked_contact(house, "frozen@example.com") as stuck:
                order = post("order.completed", to=number, id=stuck, email="frozen@example.com")
                await house.publish(order)
                await until_so(lambda: house.rows(BLOCKED, named(third)))
                third.send(signal.SIGSTOP)
            await until_so(lambda: taken_over(house, number, third))
            third.send(signal.SIGCONT)
            await until(lambda: third.lines("batch.fenced"))
            await house.publish(post("email.opened", id="thawed", email="frozen@example.com"))
            load.add(stuck, "thawed")
            third.send(signal.SIGTERM)
            assert await third.ended() == 0
            other.send(signal.SIGTERM)
            assert await other.ended() == 0
        await assert_each_once(house, load)
    fenced = [tuple(each) for line in third.lines("batch.fenced") for each in line["partitions"]]
    assert (house.events, number) in fenced


@pytest.mark.timeout(90)
async def test_sigterm_drains_and_loses_nothing_in_flight(house: House) -> None:
    """E3, F3: the batch in flight is finished within 20 s, and the successor is not fenced."""
    await house.apply(automation())
    with house.process() as first, house.process() as second:
        first.start()
        async with steady_load(house, at_least=400) as load:
            await until_so(lambda: house.rows(WRITING, named(first)))
            began = time.monotonic()
            first.send(signal.SIGTERM)
            assert await first.ended(20) == 0
            assert time.monotonic() - began < 20
            assert await house.value(
                "select bool_and(owner is null) from partitions where topic = $1", house.events
            )
            second.start()
        await assert_each_once(house, load)
        assert first.lines("worker.drained")
        for worker in (first, second):
            assert not worker.lines("batch.fenced")
            assert not worker.lines("turn.retried")


async def test_a_second_sigterm_leaves_at_once(narrow_house: House) -> None:
    """E3: a drain that hangs is cut short by a second signal; what was in flight is done later."""
    house = narrow_house
    await house.apply(automation())
    with house.process() as first, house.process(WAITLINE_GROUP_ID="next") as second:
        first.start()
        async with locked_contact(house, "held@example.com") as stuck:
            await house.publish(post("order.completed", id=stuck, email="held@example.com"))
            await until_so(lambda: house.rows(BLOCKED, named(first)))
            first.send(signal.SIGTERM)
            await until(lambda: first.lines("worker.draining"))
            first.send(signal.SIGTERM)
            assert await first.ended() == 1  # a drain, which its stuck batch prevents, ends with 0
        assert await house.count("runs_active") == 0
        second.start()
        await house.run_when(stuck, lambda run: run["activity"] == "waiting")


# --- load -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Load:
    """What was published: each trigger's id with that of its answer."""

    answers: dict[str, str] = field(default_factory=dict)

    def add(self, trigger: str, answer: str) -> None:
        self.answers[trigger] = answer

    def journeys(self, count: int, chance: random.Random) -> tuple[list[Post], list[Post]]:
        """Return triggers and their answers, each in any partition, some of them sent twice."""
        triggers, answers = [], []
        for number in range(len(self.answers), len(self.answers) + count):
            self.add(f"order-{number}", f"open-{number}")
            names = {"email": f"p{number}@example.com", "external_id": f"cust-{number}"}
            order = post("order.completed", id=f"order-{number}", to=chance.randrange(4), **names)
            opened = {"id": f"open-{number}", "external_id": f"cust-{number}"}
            answers.append(post("email.opened", to=chance.randrange(4), **opened))
            triggers.append(order)
            if number % 20 == 0:
                triggers.append(order._replace(partition=chance.randrange(4)))
        return triggers, answers


@asynccontextmanager
async def steady_load(house: House, *, at_least: int) -> AsyncIterator[Load]:
    """Publish journeys at a steady rate while the body runs, and until there are so many."""
    load, enough = Load(), asyncio.Event()

    async def publish() -> None:
        chance, late = random.Random(1), []
        while not enough.is_set() or len(load.answers) < at_least:
            if enough.is_set():  # nothing is to happen to anybody any more
                rest = at_least - len(load.answers)
                triggers, answers = load.journeys(rest, chance)
            else:
                triggers, answers = load.journeys(RATE // 10, chance)
            await house.publish(*triggers, *late)
            late = answers
            await asyncio.sleep(0.1)
        await house.publish(*late)

    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        try:
            yield load
        finally:
            enough.set()


async def assert_each_once(house: House, load: Load) -> None:
    """Wait until all is done; nothing may be missing, and nothing may be there twice."""
    await house.until_count("runs_done", len(load.answers), 60)
    assert await house.count("runs_active") == 0
    assert await house.count("outbox") == 0
    done = await house.rows("select doc -> 'trigger' ->> 'id', status, reason, past from runs_done")
    assert {trigger for trigger, *_ in done} == set(load.answers)
    for trigger, status, reason, past in done:
        assert (status, reason) == ("completed", "completed_end")
        (wait,) = waits_in(past)
        assert wait["status"] == "received"
        assert wait["resumed_by_event"]["id"] == load.answers[trigger]
    messages = await house.rows(
        "select message_id::text, step_key, status, count(*) over (partition by run_id, step_key)"
        " from messages"
    )
    assert len(messages) == 2 * len(load.answers)
    assert {(step, status, times) for _, step, status, times in messages} == {
        ("receipt", "sent", 1),
        ("thanks", "sent", 1),
    }
    suffix = {"receipt": "eml", "thanks": "json"}
    assert set(house.files()) == {f"{key}.{suffix[step]}" for key, step, *_ in messages}
    stored = await house.rows("select event_id, count(*) from events group by event_id")
    assert dict(stored) == dict.fromkeys([*load.answers, *load.answers.values()], 1)


# --- workers --------------------------------------------------------------------------------------


async def until_in_a_turn(house: House, worker: Child, *, turns_before: int) -> None:
    """Wait until a worker that has taken some turns is in the middle of another."""
    await until(lambda: len(worker.lines("events.turn")) >= turns_before)
    await until_so(lambda: house.rows(WRITING, named(worker)))


def named(worker: Process | Child) -> str:
    """Return the pattern of the names that a worker's connections have."""
    return f"waitline %:{worker.pid}:%"


async def all_share(house: House, *workers: Process) -> dict[int, list[int]] | None:
    """Return which partitions of the events topic each worker reads, once each has some."""
    rows = await house.rows(
        "select owner, partition from partitions where topic = $1 and resumed_since is not null",
        house.events,
    )
    shares = {
        worker.pid: [number for owner, number in rows if f":{worker.pid}:" in owner]
        for worker in workers
    }
    return shares if len(rows) == 4 and all(shares.values()) else None


async def taken_over(house: House, number: int, worker: Process) -> bool:
    """Say whether another has the partition; what it reads may still wait for the frozen one."""
    owner = await house.value(
        "select owner from partitions where topic = $1 and partition = $2", house.events, number
    )
    return owner is not None and f":{worker.pid}:" not in owner


@asynccontextmanager
async def locked_contact(house: House, email: str) -> AsyncIterator[str]:
    """Make a person known and hold their lock; return an id for an event that must wait for it."""
    (known,) = await house.publish(post("email.opened", to=0, id=f"known-{email}", email=email))
    await house.until_applied([known])
    contact = await house.value("select contact_id from identifiers where value = $1", email)
    await house.connection.execute("delete from events where event_id = $1", f"known-{email}")
    holder = await asyncpg.connect(house.database)
    try:
        async with holder.transaction():
            await holder.execute("select from contacts where contact_id = $1 for update", contact)
            yield f"order-of-{email}"
    finally:
        await holder.close()
