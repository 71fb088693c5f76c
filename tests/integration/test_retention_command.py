"""`waitline retention` as an operator uses it: a look first, then the deed."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg
import pytest

from state.postgres.leaves import Leaf
from state.postgres.store import PostgresStore
from tests.integration.command import Said, waitline
from tests.integration.drawn import automation
from tests.integration.kept import finished, happened, make_month, make_week, parked
from tests.integration.kit import publish_version
from tests.integration.test_forgetting import QUARANTINE
from tests.stored import connected, email, new_contact

#: The shortest that the topics' seven days allow.
DAYS = {"WAITLINE_RETENTION_EVENTS": "14 days"}


async def retention(database: str, *options: str, **settings: str) -> Said:
    return await waitline({"DATABASE_URL": database} | DAYS | settings, "retention", *options)


async def the_past(
    store: PostgresStore, connection: asyncpg.Connection, now: datetime
) -> tuple[Leaf, Leaf, Leaf]:
    """Make a week that a run holds, one that nobody does, and a month of finished runs."""
    contact_id = await new_contact(store, email(900))
    held = await make_week(connection, now - timedelta(days=22))
    free = await make_week(connection, now - timedelta(days=50))
    month = await make_month(connection, now - timedelta(days=450))
    for number, leaf in enumerate((held, free)):
        await happened(store, number, contact_id, leaf.lower, leaf.lower)
    await finished(store, 7, contact_id, month.lower)
    await connection.execute(QUARANTINE, now, 6)
    return held, free, month


async def test_an_operator_looks_first_and_is_told_what_holds_what(
    store: PostgresStore, database: str
) -> None:
    """O5, O4: the dry run changes nothing and says what the deed then does."""
    (applied,) = await publish_version(store, automation())
    now = await store.database_now()
    async with connected(database) as connection:
        held, free, month = await the_past(store, connection, now)
        earlier = held.lower - timedelta(hours=1)
        live = await parked(store, 1, applied.automation_id, earlier)
        await parked(store, 2, applied.automation_id, held.lower, step_key="receipt")
        kept = "select (select count(*) from events), (select count(*) from quarantine)"

        dry = await retention(database, "--dry-run")
        assert dry.code == 0, dry.err
        told = {line.split()[0]: line for line in dry.out.splitlines()}
        assert told[free.name].split()[-1] == told[month.name].split()[-1] == "drop"
        assert f"held by run {live.run_id}" in told[held.name]
        assert 'automation "Receipt and follow-up", step "opened", looks back to' in told[held.name]
        assert told[held.name].endswith("and 1 other")
        assert "quarantine: 3 rows from before" in dry.out
        assert "would be deleted" in dry.out
        assert "nothing was changed" in dry.out
        assert tuple(await connection.fetchrow(kept)) == (2, 6)
        assert await connection.fetchval("select count(*) from audit where what ~ 'retention'") == 0

        done = await retention(database)
        assert done.code == 0, done.err
        assert "dropped" in done.out
        assert "dropping" in done.err
        assert tuple(await connection.fetchrow(kept)) == (1, 3)
        audited = await connection.fetch(
            "select what, target from audit where what ~ 'retention' order by id"
        )
        assert [tuple(row) for row in audited] == [
            ("retention.drop", free.name),
            ("retention.drop", month.name),
            ("retention.forget", "quarantine"),
        ]
        again = await retention(database)
        assert "nothing is over" in again.out


async def test_programs_read_the_same(store: PostgresStore, database: str) -> None:
    """O5: one JSON object, nothing else."""
    (applied,) = await publish_version(store, automation())
    now = await store.database_now()
    async with connected(database) as connection:
        held, free, month = await the_past(store, connection, now)
    live = await parked(store, 1, applied.automation_id, held.lower)
    said = (await retention(database, "--dry-run", "--json")).document
    leaves = {leaf["name"]: leaf for leaf in said["leaves"]}
    assert said["dry_run"] is True
    assert said["unfinished"] == []
    assert [leaves[one.name]["verdict"] for one in (held, free, month)] == ["held", "drop", "drop"]
    assert leaves[held.name]["held_by"] | {"looks_back_to": ""} == {
        "run_id": str(live.run_id),
        "automation": "Receipt and follow-up",
        "step_key": "opened",
        "looks_back_to": "",
        "others": 0,
    }
    assert {row["table"]: row["count"] for row in said["rows"]}["quarantine"] == 3
    assert sum(leaf["verdict"] == "young" for leaf in said["leaves"]) >= 8
    done = (await retention(database, "--json")).document
    assert done["dry_run"] is False
    left = {
        leaf["name"]
        for leaf in (await retention(database, "--dry-run", "--json")).document["leaves"]
    }
    assert left == set(leaves) - {free.name, month.name}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("WAITLINE_RETENTION_EVENTS", "13 days", "expected at least 14 days"),
        ("WAITLINE_RETENTION_RUNS", "13 days", "expected at least 14 days"),
        ("WAITLINE_RETENTION_QUARANTINE", "6 days", "expected at least WAITLINE_TOPIC_RETENTION"),
    ],
)
async def test_what_the_topics_can_bring_back_must_not_be_forgotten(
    database: str, variable: str, value: str, said: str
) -> None:
    """O5, E4: refused before anything is looked at, by a worker as well."""
    for command in (("retention", "--dry-run"), ("run",)):
        refused = await waitline({"DATABASE_URL": database, variable: value}, *command)
        assert refused.code == 2
        assert variable in refused.err
        assert said in refused.err


async def test_who_is_in_the_way_is_not_waited_for(store: PostgresStore, database: str) -> None:
    """O5: and the operator is told to try again."""
    now = await store.database_now()
    async with connected(database) as connection:
        _, free, _ = await the_past(store, connection, now)
        async with connection.transaction():
            await connection.execute("select count(*) from events")
            busy = await retention(database)
    assert busy.code == 1
    assert "was busy" in busy.err
    assert "try again" in busy.err
    assert (await retention(database)).code == 0
    async with connected(database) as connection:
        assert await connection.fetchval("select to_regclass($1)", free.name) is None
