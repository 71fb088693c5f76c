"""Runs ended by operators on a real Postgres, beside what moves them: F4, O4, R2, S4."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from handlers.ending import Cancel
from state.effect import Effect
from stream.clock import SystemClock
from stream.expiry import Expiry
from stream.relay import Relay, RelayLimits
from stream.senders.sender import Accepted, Outcome
from tests.integration.command import operate
from tests.integration.doors import EVENTS, PLAIN, Door, Log, open_door
from tests.integration.drawn import automation, post, waiting
from tests.integration.kit import House, publish_version
from tests.integration.recorded import record_of
from tests.stored import rows

EVENT = (EVENTS, 0)


class HeldSender:
    """A provider that takes its time: it answers when the test lets it."""

    honours_keys = True

    def __init__(self) -> None:
        self.asked: asyncio.Event = asyncio.Event()
        self.may_answer: asyncio.Event = asyncio.Event()
        self.sent: list[str] = []

    async def send(self, effect: Effect) -> Outcome:
        self.asked.set()
        await self.may_answer.wait()
        self.sent.append(effect.key)
        return Accepted("p-1")


@asynccontextmanager
async def opened(
    database: str, folder: Path, *documents: dict[str, Any]
) -> AsyncIterator[tuple[Door, Log]]:
    """Open a door with these automations, and a log whose records come after their enabling."""
    async with open_door(database, "one", EVENT, folder=folder) as door:
        await publish_version(door.store, *documents)
        yield door, Log()


async def run_ids(database: str) -> list[UUID]:
    return [one for (one,) in await rows(database, "select run_id from runs_active")]


async def audited(database: str) -> list[tuple[Any, ...]]:
    sql = "select what, target, before ->> 'activity', after ->> 'why' from audit order by id"
    return [row for row in await rows(database, sql) if row[0] == "run.cancel"]


async def test_a_run_is_cancelled_as_an_operator_would(database: str, tmp_path: Path) -> None:
    """S4, O4: dry run first, then once and for all; the second time it says what became of it."""
    async with opened(database, tmp_path, waiting()) as (door, log):
        await door.feed([log.add("go", id="e1", email="ann@example.com")])
        (run_id,) = await run_ids(database)
        cancel = ("runs", "cancel", str(run_id), "--why", "a test order")
        told = await operate(database, *cancel, "--dry-run")
        assert (told.code, told.out) == (0, f'{run_id}: would be cancelled, waiting at "wait"\n')
        assert (await run_ids(database), await audited(database)) == ([run_id], [])
        told = await operate(database, *cancel)
        assert (told.code, told.out) == (0, f"{run_id}: cancelled\n")
        again = await operate(database, *cancel)
        done = "had finished already: cancelled (cancelled_operator)"
        assert (again.code, again.out) == (1, f"{run_id}: {done}\n")
        await door.feed([log.add("answer", id="e2", email="ann@example.com")])
        shown = await operate(database, "runs", "show", str(run_id))
    assert "an operator cancelled it" in shown.out
    assert "a test order" in shown.out
    found = await record_of(database, run_id)
    assert (found["status"], found["ended_reason"]) == ("cancelled", "cancelled_operator")
    (action,) = found["actions"]
    assert (action["what"], action["before"]["step_key"]) == ("run.cancel", "wait")
    assert found["waits"][0]["status"] == "cancelled"
    assert await audited(database) == [("run.cancel", str(run_id), "waiting", "a test order")]


async def test_what_is_not_there_is_not_cancelled(database: str) -> None:
    """S4: exit code 1, and the reason."""
    unknown = str(UUID(int=7))
    told = await operate(database, "runs", "cancel", unknown)
    assert (told.code, told.out.split(":")[1]) == (1, " there is no such run")
    told = await operate(database, "runs", "cancel", "--automation", "Nobody")
    assert (told.code, 'there is no automation "Nobody"' in told.err) == (1, True)


async def test_a_message_that_waits_is_not_sent_after_its_run_was_cancelled(
    database: str, tmp_path: Path
) -> None:
    """F3, F4: the relay finds nothing to send, and the run shows why."""
    async with opened(database, tmp_path, automation()) as (door, log):
        await door.feed([log.add("order.completed", id="e1", email="ann@example.com")])
        (run_id,) = await run_ids(database)
        assert (await operate(database, "runs", "cancel", str(run_id))).code == 0
        await door.settle()
    assert os.listdir(tmp_path) == []
    found = await record_of(database, run_id)
    (message,) = found["messages"]
    assert (message["status"], message["error"]["code"]) == ("skipped", "cancelled_operator")
    assert [(one["key"], one["status"]) for one in found["steps"]] == [
        ("start", "completed"),
        ("receipt", "skipped"),
    ]
    told = await operate(database, "runs", "show", str(run_id))
    assert "cancelled_operator: its run ended" in told.out


async def test_a_cancel_that_loses_to_a_send_in_flight_says_so(
    database: str, tmp_path: Path
) -> None:
    """F4: the provider has the message already; it is shown as sent after the cancel."""
    sender = HeldSender()
    async with opened(database, tmp_path, automation()) as (door, log):
        senders = {"email": sender, "push": sender}
        relay = Relay(
            door.store, door.processor, senders, SystemClock(), door.counters, RelayLimits()
        )
        await door.feed([log.add("order.completed", id="e1", email="ann@example.com")])
        (run_id,) = await run_ids(database)
        sweep = asyncio.create_task(relay.sweep())
        await sender.asked.wait()
        told = await operate(database, "runs", "cancel", str(run_id))
        assert (told.code, "may still go out" in told.out) == (0, True)
        (under_way,) = (await record_of(database, run_id))["messages"]
        assert (under_way["status"], under_way["sent_after_cancel"]) == ("sending", False)
        sender.may_answer.set()
        assert await sweep == 1
        await door.settle()
    found = await record_of(database, run_id)
    assert (found["status"], len(sender.sent)) == ("cancelled", 1)
    (message,) = found["messages"]
    assert (message["status"], message["sent_after_cancel"]) == ("sent", True)
    assert found["steps"][-1]["status"] == "completed"
    told = await operate(database, "runs", "show", str(run_id))
    assert "sent after the run had ended" in told.out


@pytest.mark.parametrize("rounds", [40])
async def test_a_cancel_that_races_with_a_resume_has_one_outcome(
    database: str, tmp_path: Path, rounds: int
) -> None:
    """W5, S4: two workers at once; either the answer ends the wait, or the cancel the run."""
    async with (
        opened(database, tmp_path, waiting()) as (door, log),
        open_door(database, "two", folder=tmp_path) as desk,
    ):
        people = [f"p{number}@example.com" for number in range(rounds)]
        await door.feed([log.add("go", id=one, email=one) for one in people])
        runs = await rows(database, "select contact_id, run_id from runs_active")
        answers = [log.add("answer", id=f"a-{one}", email=one) for one in people]
        cancels = [Cancel(*each, who="test") for each in runs]
        async with asyncio.TaskGroup() as group:
            group.create_task(_one_by_one(desk, cancels))
            for answer in answers:
                await door.feed([answer])
    ended = await rows(database, "select run_id, reason from runs_done")
    assert len(ended) == len({run_id for run_id, _ in ended}) == rounds
    assert await run_ids(database) == []
    reasons = [reason for _, reason in ended]
    assert set(reasons) <= {"completed_no_branch", "cancelled_operator"}
    assert len(await audited(database)) == reasons.count("cancelled_operator")
    for run_id, reason in ended:
        (wait,) = (await record_of(database, run_id))["waits"]
        expected = "received" if reason == "completed_no_branch" else "cancelled"
        assert wait["status"] == expected


async def _one_by_one(desk: Door, cancels: list[Cancel]) -> None:
    for each in cancels:
        await desk.processor.apply_commands("cancels", [each])


async def test_all_runs_of_an_automation_are_cancelled_beside_a_worker(
    database: str, tmp_path: Path
) -> None:
    """S4, O4: 3,000 runs while a worker resumes some and starts more; others are left alone."""
    count = 3000
    async with opened(database, tmp_path, waiting(), waiting("Other", start="other")) as (
        door,
        log,
    ):
        people = [f"p{number}@example.com" for number in range(count)]
        await door.feed([log.add("go", id=one, email=one) for one in people])
        await door.feed([log.add("other", id="other", email="p0@example.com")])
        cancel = ("runs", "cancel", "--automation", "Waiting")
        dry = await operate(database, *cancel, "--dry-run")
        assert dry.out.splitlines() == [
            f'"Waiting": {count} active runs would be cancelled',
            f"  waiting: {count}",
        ]
        refused = await operate(database, *cancel)
        assert (refused.code, "add --yes" in refused.err) == (2, True)
        working = asyncio.create_task(_work(door, log, people))
        told = await operate(database, *cancel, "--yes", "--why", "the wrong list")
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        assert told.code == 0, told.err
        started = await rows(
            database, "select count(*) from runs_active where trigger ->> 'id' like 'late-%'"
        )
        counted = dict(await rows(database, "select reason, count(*) from runs_done group by 1"))
        assert sum(counted.values()) + started[0][0] >= count
        assert set(counted) <= {"cancelled_operator", "completed_no_branch"}
        of_first = "select count(*) from runs_active where trigger ->> 'id' like 'p%'"
        assert await rows(database, of_first) == [(0,)]
        assert len(await audited(database)) == counted["cancelled_operator"]
        left = await rows(
            database, "select count(*) from runs_active where trigger ->> 'name' = 'other'"
        )
        assert left == [(1,)]
        again = await operate(database, *cancel, "--yes")
        assert again.code == 0
        if not started[0][0]:
            assert again.out == '"Waiting" has no active runs\n'


async def _work(door: Door, log: Log, people: list[str]) -> None:
    """Answer some and start others, batch after batch, until cancelled between two of them."""
    for number, person in enumerate(reversed(people)):
        answer = log.add("answer", id=f"answer-{number}", email=person)
        start = log.add("go", id=f"late-{number}", email=f"late{number}@example.com")
        await asyncio.shield(door.feed([answer, start]))


async def test_an_automation_is_deleted_with_its_runs(database: str, tmp_path: Path) -> None:
    """S4, R2: a plain delete lets runs go on; the same command ends them later too."""
    async with opened(database, tmp_path, waiting()) as (door, log):
        people = [f"p{number}@example.com" for number in range(3)]
        await door.feed([log.add("go", id=one, email=one) for one in people])
        delete = ("automations", "delete", "Waiting")
        told = await operate(database, *delete, "--yes")
        assert (told.code, told.out) == (0, '"Waiting" is deleted\n')
        assert len(await run_ids(database)) == 3
        await door.feed([log.add("answer", id="a", email="p0@example.com")])
        assert len(await run_ids(database)) == 2
        gone = await operate(database, *delete, "--yes")
        assert (gone.code, "there is no automation" in gone.err) == (1, True)
        dry = await operate(database, *delete, "--cancel-runs", "--dry-run")
        assert dry.out.splitlines() == [
            '"Waiting" was deleted before, and still has runs',
            "2 active runs will end with it",
            "  waiting: 2",
        ]
        told = await operate(database, *delete, "--cancel-runs", "--yes")
        assert (told.code, told.out.splitlines()[-1]) == (0, "2 runs cancelled")
    reasons = await rows(database, "select reason, count(*) from runs_done group by 1 order by 1")
    assert reasons == [("cancelled_automation_deleted", 2), ("completed_no_branch", 1)]


async def test_an_automation_and_its_runs_are_deleted_at_once(
    database: str, tmp_path: Path
) -> None:
    """S4, R2, O4: what would end is said first."""
    async with opened(database, tmp_path, waiting()) as (door, log):
        await door.feed([log.add("go", id="e1", email="ann@example.com")])
        delete = ("automations", "delete", "Waiting", "--cancel-runs")
        dry = await operate(database, *delete, "--dry-run")
        assert dry.out.splitlines()[:2] == [
            '"Waiting" is to be deleted',
            "1 active run will end with it",
        ]
        assert len(await run_ids(database)) == 1
        assert (await operate(database, *delete, "--yes")).code == 0
    assert await rows(database, "select reason from runs_done") == [
        ("cancelled_automation_deleted",)
    ]
    whats = [what for (what,) in await rows(database, "select what from audit order by id")]
    assert whats[-2:] == ["automation.delete", "run.cancel"]


async def test_old_runs_expire(database: str, tmp_path: Path) -> None:
    """R2: found by the housekeeping, ended through the door, with their messages."""
    async with opened(database, tmp_path, automation(), waiting()) as (door, log):
        await door.feed(
            [
                log.add("order.completed", id="old", email="ann@example.com"),
                log.add("go", id="old too", email="bob@example.com"),
                log.add("go", id="young", email="eve@example.com"),
            ]
        )
        await rows(
            database,
            "update runs_active set created_at = now() - interval '400 days' "
            "where trigger ->> 'id' like 'old%'",
        )
        expiry = Expiry(door.store, door.processor, PLAIN.run_age_max)
        assert (await expiry.sweep(), await expiry.sweep()) == (2, 0)
        await door.settle()
    reasons = await rows(database, "select reason, status, count(*) from runs_done group by 1, 2")
    assert reasons == [("expired", "cancelled", 2)]
    assert len(await run_ids(database)) == 1
    skipped = await rows(database, "select status, error ->> 'code' from messages")
    assert skipped == [("skipped", "expired")]


async def test_a_worker_ends_runs_that_are_too_old(house: House) -> None:
    """R2: the housekeeping of a worker looks for them, by WAITLINE_RUN_AGE_MAX."""
    await house.apply(waiting())
    async with house.worker():
        await house.publish(post("go", id="go", email="ann@example.com"))
        await house.run_when("go", lambda run: run["activity"] == "waiting")
    async with house.worker(WAITLINE_RUN_AGE_MAX="0.01"):
        done = await house.run_when("go", lambda run: run["status"] == "cancelled")
    assert done["ended_reason"] == "expired"
    assert done["waits"][0]["status"] == "cancelled"


async def test_a_goal_that_is_reached_is_kept_as_such(database: str, tmp_path: Path) -> None:
    """R2, S3: in the table of finished runs, whose check knows every reason."""
    document = waiting() | {"exit": [{"event": "bought", "goal": True}]}
    async with opened(database, tmp_path, document) as (door, log):
        await door.feed([log.add("go", id="e1", email="ann@example.com")])
        await door.feed([log.add("bought", id="e2", email="ann@example.com")])
    assert await rows(database, "select status, reason from runs_done") == [
        ("completed", "exited_goal")
    ]


@pytest.mark.parametrize("way", ["cancel", "release"])
async def test_a_reason_that_cannot_be_stored_ends_no_run(
    database: str, tmp_path: Path, way: str
) -> None:
    """O4, E5: such as one typed in another encoding than UTF-8; the operator is told."""
    async with opened(database, tmp_path, waiting()) as (door, log):
        await door.feed([log.add("go", id="go", email="ann@example.com")])
        held = "update runs_active set is_held = true, due_at = created_at"
        await rows(database, held)
        (run_id,) = await run_ids(database)
        told = await operate(database, "runs", way, str(run_id), "--why", "tr\udce8s tard")
    assert (told.code, "give text as UTF-8" in told.err) == (2, True), told
    assert await run_ids(database) == [run_id]
    assert await rows(database, "select target from audit where what ~ '^(run|timer)'") == []


async def test_what_a_freeze_has_moved_is_not_said_to_have_fired(
    database: str, tmp_path: Path
) -> None:
    """W4, T3: lag held it when an automation was frozen; by now it is due in an hour."""
    async with opened(database, tmp_path, waiting()) as (door, log):
        await door.feed([log.add("go", id="go", email="ann@example.com")])
        await rows(
            database,
            "update runs_active set is_held = true, due_at = clock_timestamp(), "
            "deadline = clock_timestamp()",
        )
        await rows(
            database,
            "update automations set freezes = (select json_build_array(json_build_array("
            "created_at - interval '1 minute', created_at + interval '1 hour')) from runs_active)",
        )
        (run_id,) = await run_ids(database)
        ways = (("--dry-run",), ("--why", "partition 3 was deleted"))
        told = [await operate(database, "runs", "release", str(run_id), *each) for each in ways]
    assert {(one.code, one.out) for one in told} == {
        (1, f"{run_id}: is not held, it stays as it is\n")
    }
    assert await run_ids(database) == [run_id]
