"""What people ask is answered by indexes too, on tables that were never analysed."""

import json
from collections.abc import Mapping
from typing import Any

import asyncpg
import pytest

from state.postgres import (
    contact_pages,
    merges,
    reading_audit,
    reading_contacts,
    reading_events,
    reading_merges,
    reading_pauses,
    reading_runs,
    reading_stream,
    run_counts,
    run_pages,
    unmerging,
)
from state.postgres.reading import POOL_SETTINGS, SETTINGS
from tests.integration.test_plans import (
    ID,
    NO_ANALYZE,
    ONE_ID,
    call,
    complaints,
    complaints_of_all,
    fill,
    nodes,
    plan,
    prepare,
)

PLACE = "'t', 0, 7"
READ = {
    "newest active": (reading_runs.NEWEST_ACTIVE, f"{ID}, 50", "runs_active_automation"),
    "newest done": (
        reading_runs.NEWEST_DONE,
        f"{ID}, 50, '{{failed}}'",
        "_automation_id_status_created_at_idx",
    ),
    "page of runs, active": (
        run_pages.OLDER,
        f"{ONE_ID}, 21, '2027-01-01', {ONE_ID}, '{{failed}}', true",
        "runs_active_automation",
    ),
    "page of runs, done": (
        run_pages.OLDER,
        f"{ONE_ID}, 21, '2027-01-01', {ONE_ID}, '{{failed}}', true",
        "_automation_id_status_created_at_idx",
    ),
    "count of active": (run_counts.ACTIVE, f"{ONE_ID}, 100", "runs_active_automation"),
    "count of done": (
        run_counts.DONE,
        f"{ONE_ID}, 100, '{{failed}}'",
        "_automation_id_status_created_at_idx",
    ),
    "page cursor": (run_pages.CURSOR, f"{ONE_ID}, {ONE_ID}", "runs_active_run_id_key"),
    "page of contacts": (contact_pages.CONTACTS.older, "21, 40000", "contacts_pkey"),
    "page of members": (
        contact_pages.MEMBERS.older,
        f"21, 40000, {ONE_ID}",
        "segment_members_pkey",
    ),
    "active of contact": (
        reading_runs.ACTIVE_OF_CONTACT,
        f"{ID}, 50, array[7, 99]",
        "runs_active_contact_id",
    ),
    "done of contact": (
        reading_runs.DONE_OF_CONTACT,
        f"{ID}, 50, '{{failed}}', array[7, 99]",
        "_contact_id_idx",
    ),
    "active by id": (reading_runs.ACTIVE_BY_ID, ID, "runs_active_run_id_key"),
    "done by id": (reading_runs.DONE_BY_ID, ID, "_run_id"),
    "active that used": (
        reading_runs.ACTIVE_THAT_USED,
        "array[7, 99], 'text'",
        "runs_active_contact_id",
    ),
    "done that used": (reading_runs.DONE_THAT_USED, "array[7, 99], 'text'", "_contact_id_idx"),
    "actions": (reading_audit.OF_TARGETS, "array['p7', 'p99']", "audit_target"),
    "messages": (reading_runs.MESSAGES, ID, "messages_run_id"),
    "surroundings": (
        reading_runs.SURROUNDINGS,
        f"{ID}, array[7, 99], array['a', 'b']",
        "messages_run_id",
    ),
    "late": (reading_runs.LATE, f"array[7, 99], {ID}", "closed_waits_pkey"),
    "events by key": (reading_events.EVENTS_BY_KEY, f"array[{ONE_ID}]::uuid[]", "_event_key"),
    "duplicates by id": (reading_events.DUPLICATES_BY_ID, "'e'", "duplicates_event_id"),
    "duplicates by place": (reading_events.DUPLICATES_BY_PLACE, PLACE, "duplicates_pkey"),
    "letters by id": (reading_events.LETTERS_BY_ID, "'e'", "quarantine_event_id"),
    "letters by place": (reading_events.LETTERS_BY_PLACE, PLACE, "quarantine_pkey"),
    "newest letters": (
        reading_events.NEWEST_LETTERS,
        "null, 50",
        "quarantine_quarantined_at",
    ),
    "notes by id": (reading_events.NOTES_BY_ID, "'e'", "identity_notes_event_id"),
    "notes by place": (reading_events.NOTES_BY_PLACE, PLACE, "identity_notes_pkey"),
    "going on": (
        reading_pauses.GOING_ON,
        f"{ONE_ID}, '2026-11-22', '{{}}', '{{}}', 5",
        "runs_active_automation_due",
    ),
    "unsent": (reading_pauses.UNSENT, "'a', '2026-11-22'", "outbox_automation_due"),
    "oldest due": (reading_stream.OLDEST_DUE, "", "runs_active_automation_due"),
    "contact": (reading_contacts.CONTACT, "7", "contacts_pkey"),
    "home": (reading_contacts.HOME, "7", "contacts_pkey"),
    "absorbed": (merges.ABSORBED, "array[7, 99]", "contacts_merged_into"),
    "newest merges": (reading_merges.NEWEST, "50", "merges_merged_at"),
    "merges of a person": (reading_merges.OF_PERSON, "array[7, 99], 50", "merges_survivor"),
    "merges of a merged one": (reading_merges.OF_PERSON, "array[7, 99], 50", "merges_merged"),
    "merge records": (unmerging.RECORDS, f"array[{ONE_ID}]::uuid[]", "merges_pkey"),
}


@pytest.mark.parametrize("settings", [SETTINGS, POOL_SETTINGS], ids=["command", "server"])
async def test_reading_uses_indexes_on_tables_never_analysed(
    database: str, settings: Mapping[str, str]
) -> None:
    connection = await asyncpg.connect(database)
    try:
        for (statement,) in await connection.fetch(NO_ANALYZE):
            await connection.execute(statement)
        await fill(connection, 1, 50_000)
        await tell(connection, settings)
        await prepare(connection, [sql for sql, _, _ in READ.values()])
        wrong = await complaints_of_all(connection, READ)
    finally:
        await connection.close()
    assert wrong == {}, "\n".join(f"{name}: {bad}" for name, bad in wrong.items())


async def test_an_event_is_found_by_its_place_through_the_ranges_of_offsets(
    database: str,
) -> None:
    connection = await asyncpg.connect(database)
    try:
        await fill(connection, 1, 50_000)
        await connection.execute("set enable_seqscan = off")
        await prepare(connection, [reading_events.EVENTS_BY_PLACE])
        found = await plan(connection, call(0, PLACE))
    finally:
        await connection.close()
    used = {node.get("Index Name") for node in found if node["Node Type"] == "Bitmap Index Scan"}
    assert used
    assert all(str(name).endswith("_offset_idx") for name in used)


#: How many rows a page asks for, and how many runs one turn makes at one instant: a page reads on
#: to the end of an instant's runs, to put them in order.
LIMIT, OF_A_TURN = 21, 50

#: A long list of one automation: every twentieth failed, ten were cancelled, some are active, and
#: those that are done lie in three leaves.
LONG = f"""
insert into runs_done (run_id, automation_id, contact_id, created_at, started_at, completed_at,
  version, status, reason, doc, past)
select ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, {ONE_ID}, n, at, at,
  now() + n % 3 * interval '31 days', 1, status,
  case status when 'failed' then 'failed_step' when 'cancelled' then 'cancelled_operator'
    else 'completed_end' end, '{{{{}}}}', ''
from generate_series({{first}}::bigint, {{last}}) as n
cross join lateral (
  select date_trunc('day', now()) + n / {OF_A_TURN} * interval '1 millisecond' as at,
    case when n % 6000 = 0 then 'cancelled' when n % 20 = 1 then 'failed' else 'completed' end
      as status
) as made;
insert into runs_active (run_id, automation_id, contact_id, created_at, version, holds_for_lag,
  is_held, activity, step_key, state, trigger, past)
select ('00000000-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, {ONE_ID}, n,
  date_trunc('day', now()) + n / {OF_A_TURN} * interval '1 millisecond', 1, false, false, 'waiting',
  'w', '{{{{}}}}', '{{{{}}}}', ''
from generate_series({{first}}::bigint, {{last}}) as n where n % 3 = 0
"""

#: Where a page begins: at either end of the list, and in its middle.
PLACES = {
    "end": "'infinity'",
    "middle": "date_trunc('day', now()) + 600 * interval '1 millisecond'",
    "begin": "'-infinity'",
}
STATUSES = ("{failed}", "{cancelled}", "{completed}", "{failed,cancelled}",
            "{completed,failed,cancelled}")  # fmt: skip


async def tell(connection: asyncpg.Connection, settings: Mapping[str, str]) -> None:
    """Set what connections that read are told, but for what would keep a test from writing."""
    for name, value in settings.items():
        await connection.execute(f"select set_config('{name}', '{value}', false)")
    await connection.execute("set default_transaction_read_only = off")


def page_calls() -> dict[str, tuple[int, str]]:
    """Return a call of each statement by which pages of runs are read, in every way."""
    calls = {}
    for number in range(2):
        for place, at in PLACES.items():
            arguments = f"{ONE_ID}, {LIMIT}, {at}, {ONE_ID}"
            for ended in ("{}", *STATUSES):
                for active in ("true", "false"):
                    named = f"{number} from {place}, {ended}, active: {active}"
                    calls[named] = (number, f"{arguments}, '{ended}', {active}")
    return calls


def reads(top: dict[str, Any]) -> int:
    """Return how many rows the scans of a plan have read."""
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes(top)
        if node["Node Type"].endswith("Scan") and "Relation Name" in node
    )


async def page_costs(connection: asyncpg.Connection) -> dict[str, tuple[int, int]]:
    """Return how many rows and buffers each page has read that is dearer than it may be.

    Each status and each leaf is a walk of its own, which reads what one page needs at most, and
    what is left of an instant.
    """
    dear = {}
    for name, (number, arguments) in page_calls().items():
        _, _, asked = arguments.partition("{")
        ended, _, active = asked.partition("}")
        walks = 3 * len([status for status in ended.split(",") if status]) + ("true" in active)
        said = await connection.fetchval(
            f"explain (analyze, buffers, timing off, format json) {call(number, arguments)}"
        )
        top = json.loads(said)[0]["Plan"]
        rows, buffers = reads(top), top["Shared Hit Blocks"] + top["Shared Read Blocks"]
        most = walks * (LIMIT + 2 * OF_A_TURN)
        if rows > most or buffers > most + 20 * walks or complaints(list(nodes(top)), ""):
            dear[name] = (rows, buffers)
    return dear


@pytest.mark.parametrize("is_grown", [False, True], ids=["cold", "grown"])
async def test_a_page_of_runs_reads_about_what_it_returns(
    connection: asyncpg.Connection, *, is_grown: bool
) -> None:
    """Of any status, anywhere in the list; also by plans made while the tables were tiny."""
    for (statement,) in await connection.fetch(NO_ANALYZE):
        await connection.execute(statement)
    await tell(connection, POOL_SETTINGS)
    await prepare(connection, [run_pages.OLDER, run_pages.NEWER])
    if is_grown:
        await connection.execute(LONG.format(first=1, last=3))
        await connection.execute("analyze")
        for number, arguments in page_calls().values():
            await connection.execute(call(number, arguments))
    await connection.execute(LONG.format(first=10, last=60_000))
    assert await page_costs(connection) == {}
