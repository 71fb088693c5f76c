"""A database of an older version, with runs under way, brought up to date and worked on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from state.postgres import migrate as migrating
from state.postgres.leaves import ensure_partitions
from state.postgres.migrate import known_migrations, migrate, pending
from tests.integration.command import waitline
from tests.integration.doors import CONTACTS, EVENTS, Door, Log, open_door
from tests.integration.recorded import records_of
from tests.stored import connected, rows

FIRST, *LATER = known_migrations()

DUMP = Path(__file__).parent / "upgrades" / "after_0001.json"

#: How long ago the older version stopped: after some deadlines, before others.
STOPPED = timedelta(minutes=5)

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?=Z|\+00:00)")

#: Tables, each with the file its rows are in: another file after an `alter table` is a rewrite.
FILES = """
select relname, relfilenode from pg_class
where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'schema_migrations'
"""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Old:
    """A database of the first schema, and the run records that its own code showed, by trigger."""

    dsn: str
    records: Mapping[str, Record]


@pytest.fixture
async def old(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> Old:
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "known_migrations", lambda: [FIRST])
        assert await migrate(empty_database) == [FIRST.name]
    now = datetime.now(UTC)
    dump = moved(DUMP.read_text(), now - STOPPED)
    async with connected(empty_database) as connection:
        async with connection.transaction():
            await ensure_partitions(connection, now - STOPPED)
        await load(connection, dump["tables"], dump["sequences"])
    return Old(empty_database, {each["trigger_event"]["id"]: each for each in dump["records"]})


def moved(text: str, to: datetime) -> Any:
    """Move all instants of a dump, so that it was taken at this one."""
    by = to - datetime.fromisoformat(json.loads(text)["taken_at"])

    def later(found: re.Match[str]) -> str:
        at = datetime.fromisoformat(found[0]).replace(tzinfo=UTC) + by
        return f"{at:%Y-%m-%dT%H:%M:%S.%f}"

    return json.loads(INSTANT.sub(later, text))


async def load(
    connection: asyncpg.Connection,
    tables: Mapping[str, Sequence[object]],
    sequences: Mapping[str, int],
) -> None:
    await connection.execute("delete from catalogue")
    for table in sorted(tables, key=lambda name: (name == "versions", name)):
        await connection.execute(
            f"insert into {table} overriding system value"
            f" select * from json_populate_recordset(null::{table}, $1)",
            json.dumps(tables[table]),
        )
    for sequence, last in sequences.items():
        await connection.execute("select setval($1::text::regclass, $2)", sequence, last)


async def written_records(dsn: str) -> dict[str, Record]:
    """Return every run's record by its trigger, as JSON has it."""
    found: dict[str, Record] = json.loads(json.dumps(await records_of(dsn)))
    return found


def assert_holds(now: object, before: object, where: str) -> None:
    """All that was said before is said still; more may be said."""
    if isinstance(before, dict):
        assert isinstance(now, dict), where
        for key, value in before.items():
            assert key in now, f"{where}.{key} is gone"
            assert_holds(now[key], value, f"{where}.{key}")
    elif isinstance(before, list):
        assert isinstance(now, list), where
        assert len(now) == len(before), where
        for number, value in enumerate(before):
            assert_holds(now[number], value, f"{where}[{number}]")
    else:
        assert now == before, where


async def go_on(door: Door, dsn: str) -> Log:
    """Return a log that goes on where the older version stopped reading."""
    log = Log(clock=await door.store.database_now())
    for topic, partition, offset in await rows(
        dsn, "select topic, partition, next_offset from partitions"
    ):
        log.records[topic, partition] = [None] * offset
    return log


async def test_runs_of_the_first_schema_are_shown_as_they_were(old: Old) -> None:
    """R4: two that migrate at once, and again; no record loses what it said."""
    assert await pending(old.dsn) == [each.name for each in LATER]
    async with asyncio.TaskGroup() as group:
        both = [group.create_task(migrate(old.dsn)) for _ in range(2)]
    assert sorted(name for one in both for name in one.result()) == [each.name for each in LATER]
    assert await migrate(old.dsn) == []
    now = await written_records(old.dsn)
    assert now.keys() == old.records.keys()
    for trigger, record in old.records.items():
        assert_holds(now[trigger], record, trigger)


async def test_runs_of_the_first_schema_go_on(old: Old, tmp_path: Path) -> None:
    """E3, F2, W3, W4, T2: waits, delays and sends under way end as if nothing had been."""
    await migrate(old.dsn)
    places = (EVENTS, 0), (CONTACTS, 0)
    async with open_door(old.dsn, "new", *places, folder=tmp_path) as door:
        log = await go_on(door, old.dsn)
        await door.feed(
            [
                log.add("email.opened", id="ann-open", external_id="cust-1"),
                log.add("contact.updated", topic=CONTACTS, id="c-3", email="bob@example.com"),
                log.add("answer", id="frank-answer", email="frank@example.com"),
                log.add("order.refunded", id="eve-refund", email="eve@example.com"),
                log.add("order.completed", id="new-order", email="dora@example.com"),
            ],
            low=log.clock,
        )
        assert await door.wake.sweep() == 3
        await door.settle()
        await door.feed([log.add("email.opened", id="bob-open", email="bob@example.com")])
        await door.settle()
    now = await written_records(old.dsn)
    ended = {trigger: (run["activity"], run["ended_reason"]) for trigger, run in now.items()}
    assert ended == {
        "ann-order": (None, "completed_end"),
        "bob-order": (None, "completed_end"),
        "cid-order": ("waiting", None),
        "new-order": ("waiting", None),
        "dora-order": (None, "completed_end"),
        "eve-sleep": (None, "exited_rule"),
        "fay-hurry": (None, "completed_no_branch"),
        "frank-hurry": (None, "completed_no_branch"),
        "gina-order": (None, "failed_step"),
        "lea-flash": (None, "completed_no_branch"),
        "ned-nap": (None, "completed_end"),
        "rae-order": (None, "exited_rule"),
        "x": (None, "failed_step"),  # it belongs to who has no address
    }
    (wait,) = now["frank-hurry"]["waits"]
    assert (wait["status"], wait["outcome_branch"]) == ("timed_out", "timeout")
    (wait,) = now["ann-order"]["waits"]
    assert wait["resumed_by_event"]["id"] == "ann-open"
    assert await rows(old.dsn, "select count(*) from outbox") == [(0,)]
    attempts = await rows(old.dsn, "select attempts from messages where recipient like 'cid@%'")
    assert attempts == [(2,)]


async def test_people_of_the_first_schema_may_turn_out_to_be_one(old: Old, tmp_path: Path) -> None:
    """I3: a merge of two who were known before merges were."""
    await migrate(old.dsn)
    async with open_door(old.dsn, "new", (EVENTS, 0), (CONTACTS, 0), folder=tmp_path) as door:
        log = await go_on(door, old.dsn)
        link = {"email": "bob@example.com", "anonymous_id": "a-1"}
        await door.feed([log.add("hurry", id="link", **link)])
        await door.settle()
    numbers = "select distinct contact_id from identifiers where value = any($1)"
    assert len(await rows(old.dsn, numbers, ["bob@example.com", "fay@example.com", "a-1"])) == 1
    now = await written_records(old.dsn)
    assert now["bob-order"]["contact_id"] == now["link"]["contact_id"]


async def test_every_reading_command_reads_what_the_first_schema_held(old: Old) -> None:
    """O3: old traces are explained, old lists are listed."""
    await migrate(old.dsn)
    environment = {"DATABASE_URL": old.dsn, "WAITLINE_TOPICS_EVENTS": EVENTS} | {
        "WAITLINE_TOPICS_CONTACTS": CONTACTS
    }

    async def read(*arguments: str) -> Any:
        return (await waitline(environment, *arguments, "--json")).document

    assert len(await read("runs", "list")) == len(old.records)
    assert len(await read("waits")) == 2
    assert (await read("explain", "bob-order"))["verdict"] == "started"
    assert (await read("explain", "rae-refund"))["verdict"] == "exited"
    assert (await read("explain", "lea-answer"))["waits"][0]["verdict"] == "after_deadline"
    ann = await read("contacts", "show", "email:ann@example.com")
    assert (ann["profile"]["first_name"], ann["profile"]["properties"]) == ("Ann", {"vip": True})
    assert len(await read("automations", "list")) == 6
    assert {each["name"] for each in await read("events", "names")} >= {"nothing", "nap"}


async def test_an_older_version_will_not_touch_a_newer_database(database: str) -> None:
    """It says which version to run, as worker, at migrating and at reading; nothing is changed."""
    async with connected(database) as connection:
        await connection.execute("insert into schema_migrations values ('9999_x.sql', '', now())")
    for command in (["migrate"], ["run"], ["run", "--workers", "2"]):
        said = await waitline({"DATABASE_URL": database}, *command)
        assert said.code == 1, command
        assert "9999_x.sql" in said.err
        assert "newer Waitline" in said.err


async def test_templates_of_the_first_schema_are_published(old: Old) -> None:
    """F1: what a file applied is found by its alias, and has the texts that it had."""
    async with connected(old.dsn) as connection:
        await connection.execute(
            "insert into templates values ('hi', 'email', '{\"subject\": \"Hi\"}', now())"
        )
    await migrate(old.dsn)
    (found,) = await rows(
        old.dsn,
        "select alias, name, draft ->> 'subject', definition ->> 'subject',"
        " published_version_id = version_id, published_at = updated_at from templates",
    )
    assert found == ("hi", "hi", "Hi", "Hi", True, True)


async def test_a_later_migration_rewrites_no_table(
    old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rewrite holds up every worker for as long as copying the table takes."""
    files = dict(await rows(old.dsn, FILES))
    for number, migration in enumerate(LATER):
        known = [FIRST, *LATER[: number + 1]]
        monkeypatch.setattr(migrating, "known_migrations", lambda known=known: known)
        assert await migrate(old.dsn) == [migration.name]
        now = dict(await rows(old.dsn, FILES))
        rewritten = [table for table in files.keys() & now.keys() if files[table] != now[table]]
        assert rewritten == [], migration.name
        files = now
