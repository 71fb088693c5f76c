"""Arms, delivery, re-entry and early exits on real Postgres, however the stream is cut."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from handlers.admit import ACTIVE_RUNS_MAX
from state.postgres.store import PostgresStore
from tests.integration.doors import EVENTS, Door, Log, chunks, history, open_door
from tests.integration.drawn import waiting
from tests.integration.kit import publish_version
from tests.stored import rows

CUTS = [1, 2, 7, 1000]

REFUND = {"event": "refund", "filter": {"field": "event.n", "operator": "eq",
                                        "value": {"var": "trigger.n"}}}  # fmt: skip


#: How many receipts there are of runs that never began.
RECEIPTS = """
select count(*) from kafka_outbox, unnest("values") as value
where convert_from(value, 'UTF8') like '%"exited_before_start"%'
"""


class Told(NamedTuple):
    """What is left of a run: how it ended, and its waits."""

    status: str
    reason: str | None
    waits: list[dict[str, Any]]
    steps: int


class Stage:
    """A door, and a log to feed it from; instants count from `start`, minutes ago."""

    def __init__(self, door: Door, database: str) -> None:
        self.door = door
        self.database = database
        self.log = Log()
        self.start = datetime.now(UTC)
        self.fed = 0

    def ago(self, **span: float) -> str:
        return (self.start - timedelta(**span)).isoformat()

    def say(self, event: str, who: str, id_: str, minutes: float = 0, **payload: object) -> None:
        """Append an event that happened so many minutes ago."""
        said = {"email": f"{who}@x.io", "id": id_, "occurred_at": self.ago(minutes=minutes)}
        self.log.add(event, **said, payload=payload)

    async def feed(self, size: int) -> None:
        """Apply all that was said since the last feed, cut into batches of this size."""
        records = self.log.records[EVENTS, 0]
        for batch in chunks(records[self.fed :], size):
            await self.door.feed(batch)
        self.fed = len(records)

    async def runs(self) -> dict[str, Told]:
        """Return what became of each run, by automation and the id of its trigger."""
        found = await rows(
            self.database,
            "select name, trigger ->> 'id', 'running', null, past from runs_active"
            " join automations using (automation_id) union all"
            " select name, doc -> 'trigger' ->> 'id', status, reason, past from runs_done"
            " join automations using (automation_id)",
        )
        told = {}
        for name, trigger, status, reason, past in found:
            entries = history(past)
            waits = [entry["wait"] for entry in entries if "wait" in entry]
            steps = sum("step" in entry for entry in entries)
            told[f"{name}/{trigger}"] = Told(status, reason, waits, steps)
        return told

    async def verdicts(self, event_id: str) -> list[str]:
        """Return what was found of an event, in order."""
        ((found,),) = await rows(
            self.database, "select findings::text from events where event_id = $1", event_id
        )
        return [one["verdict"] for one in json.loads(found or "[]")]

    async def time_out(self) -> None:
        """Let every open wait be over: its deadline was ten minutes ago."""
        async with self.door.store.session() as session:
            await session.run(
                "update runs_active set deadline = now() - interval '10 minutes',"
                " due_at = now() - interval '10 minutes'"
            )
            await session.run("update partitions set low = now() + interval '1 hour'")
        await self.door.wake.sweep()


@asynccontextmanager
async def staged(database: str, folder: Path, *documents: dict[str, Any]) -> AsyncIterator[Stage]:
    """Publish automations as if two days ago, and open a door onto the database."""
    store = await PostgresStore.open(database, worker_id="setup")
    await publish_version(store, *documents)
    async with store.session() as session:
        await session.run("update automations set enabled_at = now() - interval '2 days'")
        await session.run("update interests set since = now() - interval '2 days'")
        await session.run("update catalogue set revision = revision + 1")
    await store.close()
    async with open_door(database, "one", (EVENTS, 0), folder=folder) as door:
        yield Stage(door, database)


def armed(name: str, start: str, **config: object) -> dict[str, Any]:
    """Return an automation that waits for several events."""
    document = waiting(name, start)
    document["steps"][1]["config"] = {"timeout": "1 hour", **config}
    return document


def met(wait: dict[str, Any]) -> list[str | None]:
    return [None if arm["met_by"] is None else arm["met_by"]["id"] for arm in wait["arms"]]


def branch(told: Told) -> str | None:
    (wait,) = told.waits
    return wait["outcome_branch"]


@pytest.mark.parametrize("size", CUTS)
async def test_one_event_is_delivered_by_the_order_of_parking(
    database: str, tmp_path: Path, size: int
) -> None:
    """W6, D1: all, oldest or newest of the waits of one (automation, step), cut as you like."""
    documents = [waiting(name, deliver=name) for name in ("all", "oldest", "newest")]
    async with staged(database, tmp_path, *documents) as stage:
        for number in range(3):
            stage.say("go", "ann", f"go{number}", 60 - number)
        stage.say("answer", "ann", "first", 10)
        stage.say("go", "bob", "other", 60)
        stage.say("answer", "ann", "second", 9)
        await stage.feed(size)
        runs = await stage.runs()
        taken = {key: told.waits[0]["resumed_by_event"]["id"] for key, told in runs.items()
                 if told.waits}  # fmt: skip
    assert taken == {
        **{f"all/go{number}": "first" for number in range(3)},
        "oldest/go0": "first",
        "oldest/go1": "second",
        "newest/go2": "first",
        "newest/go1": "second",
    }


@pytest.mark.parametrize("size", CUTS)
async def test_arms_are_met_alike_live_and_by_look_back(
    database: str, tmp_path: Path, size: int
) -> None:
    """W7, W2, D1: what is met is remembered from turn to turn, and shown on the run."""
    any_of = [{"event_name": "paid", "branch": "paid"}, {"event_name": "sent", "branch": "sent"}]
    all_of = [{"event_name": "paid"}, {"event_name": "sent"}, {"event_name": "paid"}]
    documents = armed("Any", "go", any_of=any_of), armed("All", "go", all_of=all_of)
    async with staged(database, tmp_path, *documents) as stage:
        for who in ("ann", "bob", "eve"):
            stage.say("go", who, f"{who}-seen", 90)
        stage.say("paid", "ann", "a1", 30)
        stage.say("sent", "ann", "a2", 29)
        stage.say("paid", "ann", "a3", 28)
        stage.say("paid", "bob", "b1", 20)
        stage.say("sent", "bob", "b2", 21)
        # Its trigger comes last: all of it is found by look-back, the oldest V first.
        stage.say("paid", "eve", "e1", 40)
        stage.say("sent", "eve", "e2", 44)
        stage.say("paid", "eve", "e3", 42)
        stage.say("go", "eve", "eve-late", 45)
        await stage.feed(size)
        runs = await stage.runs()
        assert branch(runs["Any/ann-seen"]) == "paid"
        assert met(runs["All/ann-seen"].waits[0]) == ["a1", "a2", "a3"]
        assert branch(runs["Any/bob-seen"]) == "paid"
        assert branch(runs["Any/eve-late"]) == "sent"
        assert met(runs["Any/eve-late"].waits[0]) == [None, "e2"]
        late = runs["All/eve-late"].waits[0]
        assert met(late) == ["e3", "e2", "e1"]
        assert late["resumed_by_event"]["id"] == "e1"
        assert runs["All/bob-seen"].status == "running"
        assert sorted(await stage.verdicts("b2")) == ["arm_met"]
        assert await stage.verdicts("a3") == ["resumed"]
        # What was met is stored with the open wait, and the arm still lacking closes it.
        stage.say("paid", "bob", "b3", 1)
        await stage.feed(size)
        assert met((await stage.runs())["All/bob-seen"].waits[0]) == ["b1", "b2", "b3"]


@pytest.mark.parametrize("size", [1, 1000])
async def test_the_first_late_event_of_a_wait_is_kept_with_it(
    database: str, tmp_path: Path, size: int
) -> None:
    """W5, W7: both verdicts, the first event only, of an arm that was lacking; nothing reopens."""
    both = armed("Both", "pair", all_of=[{"event_name": "paid"}, {"event_name": "sent"}])
    async with staged(database, tmp_path, waiting("One"), both) as stage:
        for who in ("ann", "bob", "eve"):
            stage.say("go", who, f"{who}-go", 60)
        stage.say("pair", "ann", "pair", 60)
        stage.say("paid", "ann", "paid", 50)
        await stage.feed(size)
        await stage.time_out()
        before = await stage.runs()
        assert {told.waits[0]["status"] for told in before.values()} == {"timed_out"}
        stage.say("answer", "ann", "in-time", 30)
        stage.say("answer", "ann", "second", 40)
        stage.say("answer", "bob", "too-late", 5)
        stage.say("answer", "eve", "before", 61)
        stage.say("paid", "ann", "paid-again", 30)
        stage.say("sent", "ann", "sent", 30)
        await stage.feed(size)
        assert await stage.runs() == before
        late = await rows(database, "select late ->> 'event_id', late ->> 'verdict' from"
                                    " closed_waits where late is not null")  # fmt: skip
    assert sorted(late) == [
        ("in-time", "late_arrival"),
        ("sent", "late_arrival"),
        ("too-late", "after_deadline"),
    ]


def tell_starts(stage: Stage) -> dict[str, str]:
    """Say triggers for every policy; return the verdict that each must have."""
    stage.say("once", "ann", "once-1", 60)
    stage.say("once", "ann", "once-2", 50)
    stage.say("active", "ann", "active-1", 60)
    stage.say("active", "ann", "active-2", 59)
    stage.say("answer", "ann", "ends-it", 50)
    stage.say("active", "ann", "active-3", 40)
    for minutes, number in ((600, 1), (541, 2), (540, 3), (700, 4), (480, 5)):
        stage.say("after", "ann", f"after-{number}", minutes)
    for number, key in enumerate([1, 1.0, "1", True, None, [1], 1.5], start=1):
        stage.say("key", "ann", f"key-{number}", 60 - number, k=key)
    for number in range(ACTIVE_RUNS_MAX + 1):
        stage.say("many", "ann", f"many-{number}", 60)
    return {
        "once-1": "started",
        "once-2": "once",
        "active-1": "started",
        "active-2": "one_active",
        "active-3": "started",
        "after-1": "started",
        "after-2": "reentry_too_soon",
        "after-3": "started",
        "after-4": "reentry_too_soon",
        "after-5": "started",
        "key-1": "started",
        "key-2": "key_active",
        "key-3": "started",
        "key-4": "started",
        "key-5": "key_absent",
        "key-6": "key_absent",
        "key-7": "started",
        **{f"many-{number}": "started" for number in range(ACTIVE_RUNS_MAX)},
        f"many-{ACTIVE_RUNS_MAX}": "capped",
    }


def policies() -> Iterable[dict[str, Any]]:
    """Yield an automation for each policy; each waits for something of its own."""
    for start, policy in {
        "once": "once",
        "active": "one_active",
        "after": "after:1 hour",
        "key": "key:trigger.k",
        "many": "always",
    }.items():
        event_name = "answer" if start == "active" else f"{start}-end"
        yield waiting(start.title(), start, event_name=event_name) | {"reentry": policy}


@pytest.mark.parametrize("size", CUTS)
async def test_every_policy_of_re_entry_refuses_for_its_own_reason(
    database: str, tmp_path: Path, size: int
) -> None:
    """S2, D1: once, one_active, after, key and the cap; each refusal is recorded."""
    async with staged(database, tmp_path, *policies()) as stage:
        expected = tell_starts(stage)
        await stage.feed(size)
        found = {}
        for event_id in expected:
            (found[event_id],) = await stage.verdicts(event_id)
        runs = await stage.runs()
    assert found == expected
    started = {event_id for event_id, verdict in expected.items() if verdict == "started"}
    assert {key.split("/")[1] for key in runs} == started


@pytest.mark.parametrize("size", CUTS)
async def test_an_exit_that_overtook_its_trigger_ends_the_run_before_it_begins(
    database: str, tmp_path: Path, size: int
) -> None:
    """S3, S2, D1: recorded without a step, no entry for `once`; filters and V decide."""
    document = waiting("Shop", "order", event_name="done") | {"exit": [REFUND], "reentry": "once"}
    async with staged(database, tmp_path, document) as stage:
        stage.say("refund", "ann", "refund", 50, n=1)
        stage.say("order", "ann", "ann-1", 60, n=1)
        stage.say("order", "ann", "ann-2", 40, n=1)
        stage.say("refund", "bob", "bobs", 50, n=2)
        stage.say("order", "bob", "bob-1", 60, n=1)
        stage.say("refund", "bob", "bobs-too", 20, n=1)
        stage.say("refund", "eve", "eves", 61, n=1)
        stage.say("order", "eve", "eve-1", 60, n=1)
        await stage.feed(size)
        runs = await stage.runs()
        assert await stage.verdicts("ann-1") == ["exited_before_start"]
        assert await stage.verdicts("ann-2") == ["started"]
        (receipts,) = await rows(database, RECEIPTS)
        (entered,) = await rows(database, "select count(*) from enrolments")
    assert {key: told.reason for key, told in runs.items()} == {
        "Shop/ann-1": "exited_before_start",
        "Shop/ann-2": None,
        "Shop/bob-1": "exited_rule",
        "Shop/eve-1": None,
    }
    assert runs["Shop/ann-1"] == Told("cancelled", "exited_before_start", [], 0)
    assert receipts == (1,)
    assert entered == (3,)


async def test_once_remembers_who_entered_while_nobody_had_to(
    database: str, tmp_path: Path
) -> None:
    """S2, S3: over all versions, as far as runs are kept; not those that never began."""
    document = waiting("Shop", "order", event_name="done") | {"exit": [REFUND]}
    async with staged(database, tmp_path, document) as stage:
        stage.say("order", "ann", "ann-1", 60, n=1)
        stage.say("refund", "ann", "refund", 50, n=1)
        stage.say("refund", "bob", "bobs", 50, n=1)
        stage.say("order", "bob", "bob-1", 60, n=1)
        await stage.feed(7)
        await publish_version(stage.door.store, document | {"reentry": "once"})
        for who in ("ann", "bob"):
            stage.say("order", who, f"{who}-2", 1, n=2)
        await stage.feed(7)
        assert await stage.verdicts("ann-2") == ["once"]
        assert await stage.verdicts("bob-2") == ["started"]
