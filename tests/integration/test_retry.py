"""Failed runs tried again on a real Postgres: R3, R4, F2, O4."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from handlers.retry import Retry
from state.effect import Effect
from state.postgres.housekeeping import retire_versions
from state.postgres.store import PostgresStore
from stream.clock import SystemClock
from stream.relay import Relay, RelayLimits
from stream.senders.sender import Accepted, Declined, NotNow, Outcome
from tests.integration.command import operate
from tests.integration.doors import EVENTS, Door, Log, open_door
from tests.integration.drawn import automation
from tests.integration.kit import publish_version
from tests.integration.recorded import record_of
from tests.stored import connected, rows, until_blocked

EVENT = (EVENTS, 0)


class Provider:
    """Answers each attempt as the test says, then accepts; it remembers keys."""

    honours_keys = True

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.attempts: list[str] = []
        self.sent: list[str] = []

    async def send(self, effect: Effect) -> Outcome:
        self.attempts.append(effect.key)
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted("p")
        if isinstance(outcome, Accepted):
            self.sent.append(effect.key)
        return outcome


@asynccontextmanager
async def opened(
    database: str, folder: Path, provider: Provider, *documents: dict[str, Any]
) -> AsyncIterator[tuple[Door, Log, Relay]]:
    async with open_door(database, "one", EVENT, folder=folder) as door:
        await publish_version(door.store, *documents)
        senders = {"email": provider, "push": provider}
        limits = RelayLimits(attempts_max=1)
        clock = SystemClock()
        relay = Relay(door.store, door.processor, senders, clock, door.counters, limits)
        yield door, Log(), relay


def quick(name: str = "Quick") -> dict[str, Any]:
    """Return order.completed -> e-mail -> e-mail -> push."""
    drawn = automation(name)
    drawn["steps"] = [step for step in drawn["steps"] if step["key"] != "opened"]
    keys = ["start", "receipt", "nudge", "thanks"]
    return drawn | {"connections": [{"from": a, "to": b} for a, b in pairwise(keys)]}


async def failed_run(database: str) -> UUID:
    ((run_id,),) = await rows(database, "select run_id from runs_done where status = 'failed'")
    assert isinstance(run_id, UUID)
    return run_id


async def swept(relay: Relay) -> None:
    while await relay.sweep():
        pass


def statuses(found: dict[str, Any], what: str) -> list[tuple[str, str]]:
    key = "key" if what == "steps" else "step_key"
    return [(one[key], one["status"]) for one in found[what]]


async def test_who_has_fulfilled_an_exit_rule_since_gets_nothing_from_a_retry(
    database: str, tmp_path: Path
) -> None:
    """S3, R3, R4: the event came while no run was there to end; the command says so."""
    provider = Provider(Accepted("p-1"), NotNow("http_503", "the provider is down"))
    drawn = quick() | {"exit": [{"event": "order.refunded"}]}
    async with opened(database, tmp_path, provider, drawn) as (door, log, relay):
        await door.feed([log.add("order.completed", id="e1", email="ann@example.com")])
        await swept(relay)
        await door.feed([log.add("order.refunded", id="e2", email="ann@example.com")])
        old_id = await failed_run(database)
        told = await operate(database, "runs", "retry", str(old_id))
        assert (told.code, "which an exit rule ended at once" in told.out) == (0, True)
        await swept(relay)
    assert len(provider.attempts) == 2
    new_id = (await record_of(database, old_id))["retried_as"]
    new = await record_of(database, UUID(new_id))
    assert (new["ended_reason"], new["ended_by"]["id"]) == ("exited_before_start", "e2")


async def test_a_send_that_failed_is_sent_by_a_retry_under_the_same_key(
    database: str, tmp_path: Path
) -> None:
    """R3, R4, F2, O4: a provider that was down; what was done is shown, and is not done again."""
    provider = Provider(Accepted("p-1"), NotNow("http_503", "the provider is down"))
    async with opened(database, tmp_path, provider, quick()) as (door, log, relay):
        await door.feed([log.add("order.completed", id="e1", email="ann@example.com")])
        await swept(relay)
        old_id = await failed_run(database)
        old = await record_of(database, old_id)
        retry = ("runs", "retry", str(old_id))
        dry = await operate(database, *retry, "--dry-run")
        assert dry.code == 0
        assert "would be retried as" in dry.out
        assert 'from step "nudge"' in dry.out
        assert await rows(database, "select count(*) from runs_active") == [(0,)]
        told = await operate(database, *retry, "--why", "the provider is up again")
        assert told.code == 0
        ((new_id,),) = await rows(database, "select run_id from runs_active")
        assert str(new_id) in told.out
        assert str(new_id) in dry.out
        await swept(relay)
    new = await record_of(database, new_id)
    assert (new["status"], new["retried_from"]) == ("completed", str(old_id))
    every = [("start", "completed"), ("receipt", "completed"), ("nudge", "completed")]
    assert statuses(new, "steps") == [*every, ("thanks", "completed")]
    assert new["steps"][:2] == old["steps"][:2]
    sent = [("receipt", "sent"), ("nudge", "sent"), ("thanks", "sent")]
    assert statuses(new, "messages") == sent
    assert new["trigger_event"] == old["trigger_event"]
    after = await record_of(database, old_id)
    assert after["retried_as"] == str(new_id)
    assert statuses(after, "messages") == [("receipt", "sent"), ("nudge", "failed")]
    assert {one["id"] for one in after["messages"]} == {one["id"] for one in old["messages"]}
    unmoved = ("status", "ended_reason", "error", "steps", "waits", "completed_at")
    assert [after[key] for key in unmoved] == [old[key] for key in unmoved]
    keys = [key.rpartition(":")[2] for key in provider.attempts]
    assert keys == ["receipt", "nudge", "nudge", "thanks"]
    assert len(set(provider.attempts)) == 3
    assert len(set(provider.sent)) == len(provider.sent) == 3
    sql = "select what, target, after ->> 'retried_as', after ->> 'why' from audit order by id desc"
    assert (await rows(database, sql))[0] == (
        "run.retry",
        str(old_id),
        str(new_id),
        "the provider is up again",
    )
    people = await operate(database, "runs", "show", str(old_id))
    assert re.search(rf"retried as +{new_id}", people.out)


async def test_a_retry_is_refused_with_the_reason(database: str, tmp_path: Path) -> None:
    """R3: a run is retried once; what completed or does not exist is not retried at all."""
    provider = Provider(Declined("refused", "no such mailbox"))
    async with opened(database, tmp_path, provider, quick()) as (door, log, relay):
        await door.feed([log.add("order.completed", id="e1", email="ann@example.com")])
        await swept(relay)
        old_id = str(await failed_run(database))
        assert (await operate(database, "runs", "retry", old_id)).code == 0
        ((new_id,),) = await rows(database, "select run_id from runs_active")
        again = await operate(database, "runs", "retry", old_id)
        assert (again.code, f"retried already, as {new_id}" in again.out) == (1, True)
        live = await operate(database, "runs", "retry", str(new_id))
        assert (live.code, "no such run that has ended" in live.out) == (1, True)
        await swept(relay)
        done = await operate(database, "runs", "retry", str(new_id), "--dry-run")
        assert (done.code, "completed (completed_end)" in done.out) == (1, True)


async def test_two_operators_at_once_make_one_retry(database: str, tmp_path: Path) -> None:
    """R3: the contact's lock decides, and its id is derived from the cause."""
    provider = Provider(Declined("refused", "no such mailbox"))
    async with (
        opened(database, tmp_path, provider, quick()) as (door, log, relay),
        open_door(database, "two", folder=tmp_path) as desk,
    ):
        await door.feed([log.add("order.completed", id="e1", email="ann@example.com")])
        await swept(relay)
        ((contact_id, run_id),) = await rows(database, "select contact_id, run_id from runs_done")
        command = Retry(contact_id, run_id, "test")
        tallies = await asyncio.gather(
            door.processor.apply_commands("retries", [command]),
            desk.processor.apply_commands("retries", [command]),
        )
        assert sum(tally["runs_retried"] for tally in tallies) == 1
    assert await rows(database, "select count(*) from runs_active") == [(1,)]


async def test_a_run_of_a_version_that_was_retired_is_retried(
    database: str, tmp_path: Path
) -> None:
    """R3, E7: its automation is deleted, its version retired, and its names are forgotten."""
    provider = Provider(Declined("refused", "no such mailbox"))
    async with opened(database, tmp_path, provider, automation()) as (door, log, relay):
        await door.feed([log.add("order.completed", id="e1", email="ann@example.com")])
        await swept(relay)
        old_id = str(await failed_run(database))
        deleted = await operate(database, "automations", "delete", "Receipt and follow-up", "--yes")
        assert deleted.code == 0
        now = await door.store.database_now()
        async with door.store.session() as session:
            assert not await retire_versions(session, now)
        assert await rows(database, "select count(*) from versions where retired_at is null") == [
            (0,)
        ]
        assert await rows(database, "select count(*) from interests") == [(0,)]
        told = await operate(database, "runs", "retry", old_id)
        assert (told.code, told.err) == (0, "")
        await swept(relay)
        ((activity,),) = await rows(database, "select activity from runs_active")
        assert activity == "waiting"
        log.clock = datetime.now(UTC)  # its name is of interest again only now (E7)
        await door.feed([log.add("email.opened", id="o1", email="ann@example.com")])
        await swept(relay)
    reasons = await rows(database, "select reason from runs_done order by completed_at")
    assert reasons == [("failed_step",), ("completed_end",)]


async def test_a_version_that_a_retry_is_about_to_live_in_is_not_retired(
    database: str, store: PostgresStore, tmp_path: Path
) -> None:
    """R3, E7, W2: housekeeping saw nothing live in it while the retry's turn was under way."""
    provider = Provider(Declined("refused", "no such mailbox"))
    async with opened(database, tmp_path, provider, automation()) as (door, log, relay):
        await door.feed([log.add("order.completed", id="e1", email="ann@example.com")])
        await swept(relay)
        await publish_version(store, quick("Receipt and follow-up"))
        ((contact_id, run_id),) = await rows(database, "select contact_id, run_id from runs_done")
        async with (
            connected(database) as connection,
            asyncio.TaskGroup() as group,
            connection.transaction(),
        ):
            await connection.execute("select from contacts for update")
            retry = [Retry(contact_id, run_id, "ann")]
            group.create_task(door.processor.apply_commands("retries", retry))
            await until_blocked(database)
            group.create_task(store.keep_house(await store.database_now()))
            await until_blocked(database, 2)
        await swept(relay)
        await door.feed([log.add("email.opened", id="o1", email="ann@example.com")])
        await swept(relay)
    reasons = await rows(database, "select reason from runs_done order by completed_at")
    assert reasons == [("failed_step",), ("completed_end",)]
