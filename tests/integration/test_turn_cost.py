"""The number of statements of a turn does not depend on how much it does (house.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest

from state.event import Decoded
from state.postgres.store import PostgresStore
from tests.integration.doors import EVENTS, Door, Log, counting, open_door
from tests.integration.drawn import automation, waiting
from tests.integration.kit import publish_version

FEW, MANY = 10, 1000


def joining() -> dict[str, object]:
    """Return an automation whose steps change who belongs where, and emit it."""
    topic = {"topic_id": "news", "subscription": "opt_out", "emit": True}
    return {
        "name": "Joining",
        "steps": [
            {"key": "start", "type": "trigger", "config": {"event_name": "join"}},
            {"key": "a", "type": "add_to_segment", "config": {"segment_id": "VIP", "emit": True}},
            {"key": "t", "type": "set_topic_subscription", "config": topic},
        ],
        "connections": [{"from": "start", "to": "a"}, {"from": "a", "to": "t"}],
        "segments": ["VIP"],
        "topics": {"news": None},
    }


Story = Callable[[Log, int], Decoded]


@pytest.fixture
async def door(database: str, store: PostgresStore, tmp_path: Path) -> AsyncIterator[Door]:
    await publish_version(store, automation(), waiting(), joining())
    async with open_door(database, "one", (EVENTS, 0), folder=tmp_path) as opened:
        yield opened


async def cost(door: Door, records: Iterable[Decoded]) -> int:
    """Return how many statements a batch of these records takes."""
    async with counting(door.store) as counts:
        await door.feed(records)
    (count,) = counts
    return count


async def costs(door: Door, log: Log, *stories: Story) -> list[int]:
    """Return what batches of few and of many cost, of the last of these stories.

    Each story is told of every person before the next one; those before the last are not counted.
    """
    found = []
    for first, size in ((0, 1), (1, FEW), (10_000, MANY)):
        for told, story in enumerate(stories, 1):
            records = [story(log, number) for number in range(first, first + size)]
            if told < len(stories):
                await door.feed(records)
            else:
                found.append(await cost(door, records))
    return found[1:]  # the first turn also reads the catalogue


def event(name: str) -> Story:
    return lambda log, number: log.add(name, email=f"p{number}@example.com", payload={"n": number})


def said_twice(name: str) -> Story:
    return lambda log, number: log.add(name, id=f"{number}", email=f"p{number}@example.com")


def joins(log: Log, number: int) -> Decoded:
    """Start a run that joins a segment, leaves a topic and says so."""
    return log.add("join", email=f"p{number}@example.com")


def complains(log: Log, number: int) -> Decoded:
    return log.add("email.complained", email=f"p{number}@example.com")


def changed(log: Log, number: int) -> Decoded:
    return log.add("order.completed", email=f"p{number}@example.com", external_id=f"cust-{number}")


@pytest.mark.parametrize(
    "stories",
    [
        pytest.param([event("go")], id="new people who start to wait"),
        pytest.param([event("answer"), event("go")], id="known people who look back"),
        pytest.param([event("go"), event("answer")], id="answers"),
        pytest.param([event("order.completed")], id="messages"),
        pytest.param([event("go"), changed], id="new names of known people"),
        pytest.param([said_twice("go"), said_twice("go")], id="duplicates"),
        pytest.param([event("noise")], id="names of no interest"),
        pytest.param([joins], id="segments, topics and events of steps"),
        pytest.param([complains], id="suppressions"),
        pytest.param([lambda log, _: log.raw(b"{poison")], id="poison"),
    ],
)
async def test_a_thousand_records_take_as_many_statements_as_ten(
    door: Door, stories: list[Story]
) -> None:
    """E3, W2, F2: set-based statements only; a turn's cost in round trips is constant."""
    few, many = await costs(door, Log(), *stories)
    assert few == many
    assert many < 40


async def test_a_mixed_batch_costs_no_more_than_its_kinds(door: Door) -> None:
    """E3: all of it in one turn: new people, answers, refusals, poison, tombstones."""
    log = Log()
    stories: list[Story] = [
        event("go"),
        event("answer"),
        changed,
        event("noise"),
        lambda log, _: log.raw(b"{poison"),
        said_twice("go"),
    ]
    await door.feed([story(log, -1) for story in stories])
    few = await cost(door, [story(log, n) for n in range(FEW) for story in stories])
    many = await cost(door, [story(log, n + 100) for n in range(MANY // 2) for story in stories])
    assert few == many
    assert many < 40


async def test_timers_and_answers_take_as_many_statements_however_many(
    door: Door, store: PostgresStore
) -> None:
    """T2, F3: a sweep of a thousand timers, and of a thousand settled sends, is one turn each."""
    await publish_version(store, waiting("Brief", "brief", timeout="1 second"))
    log, fired, settled = Log(), [], []
    for first, size in ((0, 1), (1, FEW), (10_000, MANY)):
        people = range(first, first + size)
        await door.feed([event("brief")(log, number) for number in people])
        await door.feed([event("order.completed")(log, number) for number in people])
        async with store.session() as session:
            moved = "update runs_active set due_at = now() - interval '1 hour',"
            moved += " state = jsonb_set(state::jsonb, '{parked,due_at}', to_jsonb(now()))::json"
            await session.run(f"{moved} where due_at < now() + interval '1 minute'")
            await session.run("update partitions set low = now() + interval '1 hour'")
        async with counting(door.store) as counts:
            assert await door.wake.sweep() == size
        fired += counts
        door.relay._limits = door.relay._limits.__class__(concurrency=MANY)
        async with counting(door.store) as counts:
            assert await door.relay.sweep() == size
        settled += counts
    assert fired[1] == fired[2] < 40
    assert settled[1] == settled[2] < 40
