"""Timeouts are held while the answer may still lie unread in Kafka (W4), on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import confluent_kafka

from state.event import Coordinates
from state.moment import moment_text
from stream.service import Worker
from tests.integration.command import waitline
from tests.integration.drawn import post, waiting
from tests.integration.kit import House
from tests.integration.told import is_done, is_waiting
from tests.waiting import until, until_so

PEOPLE = 200


def is_held(run: dict[str, Any]) -> bool:
    return bool(run["waits"] and run["waits"][0]["held_for_lag"])


async def outcomes(house: House) -> dict[str, int]:
    """Return how many waits ended in which way."""
    rows = await house.rows(
        "select case when past like '%\"status\":\"timed_out\"%' then 'timed_out'"
        " when past like '%\"status\":\"received\"%' then 'received' else 'open' end, count(*)"
        " from runs_done group by 1"
    )
    return dict(rows)


async def test_answers_in_the_backlog_of_a_stopped_consumer_beat_their_timeouts(
    house: House,
) -> None:
    """W4, W3: while no worker ran, deadlines passed; who had answered in time gets no timeout."""
    await house.apply(waiting(timeout="8 seconds"))
    async with house.worker():
        await house.publish(
            *(post("go", id=f"go-{n}", email=f"p{n}@example.com") for n in range(PEOPLE))
        )
        await house.until_count("runs_active", PEOPLE)
    assert await house.count("runs_done") == 0, "parked, answered and stopped before any deadline"
    noise = [post("noise", email="x@example.com") for _ in range(2000)]
    answers = [post("answer", id=f"a-{n}", email=f"p{n}@example.com") for n in range(PEOPLE // 2)]
    await house.publish(*noise, *answers)
    first = await house.value("select min(deadline) from runs_active")
    said_by = await house.store.database_now()
    assert said_by < first, "this machine is too slow for the test's deadline"
    await house.until_passed(await house.value("select max(deadline) from runs_active"))
    async with house.worker(WAITLINE_BATCH_MAX=100) as worker:
        await house.until_count("runs_done", PEOPLE)
        assert worker.counters.value("timers_fired_under_lag") == 0
    assert await outcomes(house) == {"received": PEOPLE // 2, "timed_out": PEOPLE // 2}


async def test_a_partition_that_another_member_holds_holds_all_timeouts(house: House) -> None:
    """W4: owned by somebody who does not consume it, it hides an answer; released, it is read."""
    await house.apply(waiting(timeout="1 second"))
    async with house.worker():
        async with squatter(house) as number:
            parked = [post("go", id=f"go-{n}", email=f"p{n}@example.com") for n in range(2)]
            free = (number + 1) % 4
            await house.publish(*(one._replace(partition=free) for one in parked))
            waits = [await house.run_when(f"go-{n}", is_waiting) for n in range(2)]
            answer = post("answer", id="hidden", to=number, email="p0@example.com")
            await house.publish(answer)
            for n in range(2):
                await house.run_when(f"go-{n}", is_held)
            deadline = datetime.fromisoformat(waits[1]["waits"][0]["deadline"])
            await house.until_passed(deadline + timedelta(seconds=2))
            assert await house.count("runs_done") == 0
            (first, _) = await house.waitline("waits")
            assert first["held_for_lag"]
        answered = await house.run_when("go-0", is_done)
        silent = await house.run_when("go-1", is_done)
    assert answered["waits"][0]["status"] == "received"
    assert answered["waits"][0]["resumed_by_event"]["id"] == "hidden"
    assert answered["waits"][0]["held_for_lag"]
    assert silent["waits"][0]["status"] == "timed_out"
    assert not silent["waits"][0]["fired_under_lag"]


async def test_a_partition_nobody_ever_consumed_holds_all_timeouts(narrow_house: House) -> None:
    """W4: an input partition without a `low` may hold anything; the cap does not count for it."""
    house = narrow_house
    await house.apply(waiting(timeout="1 second"))
    await house.connection.execute(
        "insert into partitions (topic, partition, stream_epoch) values ($1, 99, '1')", house.events
    )
    async with house.worker(WAITLINE_TIMEOUT_CAP="1"):
        await house.publish(post("go", id="go", email="ann@example.com"))
        held = await house.run_when("go", is_held)
        deadline = datetime.fromisoformat(held["waits"][0]["deadline"])
        await house.until_passed(deadline + timedelta(seconds=3))
        assert not is_done(await house.run("go") or {})
        await house.connection.execute("delete from partitions where partition = 99")
        done = await house.run_when("go", is_done)
    assert done["waits"][0]["status"] == "timed_out"
    assert not done["waits"][0]["fired_under_lag"]


async def test_an_operators_word_fires_a_held_timeout_and_is_kept(narrow_house: House) -> None:
    """W4: an audited release; a dry run changes nothing, and what is not held stays."""
    house = narrow_house
    await house.apply(waiting(timeout="1 second"))
    await house.connection.execute(
        "insert into partitions (topic, partition, stream_epoch) values ($1, 99, '1')", house.events
    )
    async with house.worker():
        await house.publish(post("go", id="go", email="ann@example.com"))
        held = await house.run_when("go", is_held)
        release = ("runs", "release", held["id"], "--why", "partition 99 was deleted")
        told = await waitline(house.environment, *release, "--dry-run")
        assert told.out == f"{held['id']}: would fire\n"
        assert await house.value("select count(*) from audit where what = 'timer.release'") == 0
        told = await waitline(house.environment, *release)
        assert (told.code, told.out) == (0, f"{held['id']}: fired\n")
        done = await house.run_when("go", is_done)
        again = await waitline(house.environment, *release)
    assert again.out == f"{held['id']}: there is no such running run\n"
    (wait,) = done["waits"]
    assert (wait["status"], wait["fired_under_lag"]) == ("timed_out", True)
    ((who, target, why),) = await house.rows(
        "select who, target, after->>'why' from audit where what = 'timer.release'"
    )
    assert who.startswith("cli:")
    assert (target, why) == (held["id"], "partition 99 was deleted")


async def test_a_timeout_fires_as_soon_as_every_low_has_passed_it_and_never_early(
    house: House,
) -> None:
    """W4, T2, D3: not before the deadline by the database's clock, nor before every low."""
    await house.apply(waiting(timeout="1 second"))
    async with house.worker():
        for n in range(20):
            await house.publish(post("go", id=f"go-{n}", email=f"p{n}@example.com"))
            await asyncio.sleep(0.05)  # deadlines that do not all fall together
        await house.until_count("runs_done", 20)
        lows = await house.rows("select low from partitions")
    for n in range(20):
        run = await house.run(f"go-{n}")
        assert run is not None
        (wait,) = run["waits"]
        assert wait["status"] == "timed_out"
        assert wait["closed_at"] >= wait["deadline"]
        assert min(lows)[0] >= datetime.fromisoformat(wait["deadline"])


async def test_an_owned_partition_that_stands_still_lets_timeouts_fire_after_the_cap(
    house: House,
) -> None:
    """W4: all owned and resumed, one does not advance: after the cap it fires, and says so."""
    await house.apply(waiting(timeout="1 second"))
    async with house.worker(WAITLINE_TIMEOUT_CAP="3") as worker:
        await house.until_applied(
            await house.publish(*(post("noise", to=n, email="x@example.com") for n in range(4)))
        )
        await until_so(lambda: all_low(house))
        stand_still(worker, (house.events, 3))
        await house.publish(post("go", id="go", to=0, email="ann@example.com"))
        held = await house.run_when("go", is_held)
        done = await house.run_when("go", is_done)
        assert worker.counters.value("timers_fired_under_lag") == 1
    (wait,) = done["waits"]
    assert (wait["status"], wait["fired_under_lag"], wait["held_for_lag"]) == (
        *("timed_out", True, True),
    )
    deadline = datetime.fromisoformat(held["waits"][0]["deadline"])
    assert wait["closed_at"] >= moment_text(deadline + timedelta(seconds=3))


async def test_a_batch_that_cannot_be_stored_holds_timeouts_of_everybody(house: House) -> None:
    """W4: the answer is read but waits for a lock; somebody else's timeout waits with it."""
    await house.apply(waiting(timeout="1 second"))
    async with house.worker():
        await house.publish(*(post("go", id=f"go-{n}", email=f"p{n}@example.com") for n in (0, 1)))
        parked = [await house.run_when(f"go-{n}", is_waiting) for n in (0, 1)]
        contact = await house.value(
            "select contact_id from identifiers where value = 'p0@example.com'"
        )
        holder = await asyncpg.connect(house.database)
        try:
            async with holder.transaction():
                await holder.execute(
                    "select from contacts where contact_id = $1 for update", contact
                )
                (place,) = await house.publish(post("answer", id="a", email="p0@example.com"))
                deadline = datetime.fromisoformat(parked[1]["waits"][0]["deadline"])
                await house.until_passed(deadline + timedelta(seconds=1))
                assert await house.count("runs_done") == 0
        finally:
            await holder.close()
        answered = await house.run_when("go-0", is_done)
        silent = await house.run_when("go-1", is_done)
    assert isinstance(place, Coordinates)
    assert answered["waits"][0]["status"] == "received"
    assert silent["waits"][0]["status"] == "timed_out"


# --- standstills ----------------------------------------------------------------------------------


def stand_still(worker: Worker, partition: tuple[str, int]) -> None:
    """Let a worker go on owning a partition without ever hearing where it ends."""
    membership = worker._consumer._membership
    assert membership is not None
    ask = membership._client.ends

    async def ends(partitions: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        found = dict(await ask(partitions))
        return found | ({partition: 1 << 40} if partition in found else {})

    membership._client.ends = ends


async def all_low(house: House) -> bool:
    return bool(await house.value("select bool_and(low is not null) from partitions"))


@asynccontextmanager
async def squatter(house: House) -> AsyncIterator[int]:
    """Join the worker's group by another client that owns partitions and reads nothing of them."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": house.kafka,
            "group.id": house.environment["WAITLINE_GROUP_ID"],
            "partition.assignment.strategy": "roundrobin",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 300,
            "log_level": 0,
        }
    )
    mine: list[int] = []

    def assigned(_: object, partitions: list[confluent_kafka.TopicPartition]) -> None:
        consumer.assign(partitions)
        consumer.pause(partitions)
        mine[:] = [one.partition for one in partitions if one.topic == house.events]

    consumer.subscribe([house.events, house.contacts], on_assign=assigned)
    stopping = asyncio.Event()

    async def attend() -> None:
        while not stopping.is_set():
            await asyncio.to_thread(consumer.poll, 0.1)

    async with asyncio.TaskGroup() as group:
        group.create_task(attend())
        try:
            await until(lambda: 0 < len(mine) < 4)

            async def has_rest() -> bool:
                owned = await house.value(
                    "select count(*) from partitions where topic = $1 and owner is not null"
                    " and resumed_since is not null",
                    house.events,
                )
                return bool(owned == 4 - len(mine))

            await until_so(has_rest)
            yield mine[0]
        finally:
            stopping.set()
    await asyncio.to_thread(consumer.close)
