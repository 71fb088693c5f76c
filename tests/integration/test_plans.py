"""Hot statements probe their indexes, whatever the statistics say (performance.md, trap 1)."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import pytest

from state.postgres import (
    audiences,
    closed_waits,
    closing,
    contacts,
    due,
    enrolments,
    events,
    expiry,
    merges,
    offsets,
    outbox,
    outgoing,
    runs,
    suppressions,
    survey,
)
from tests.explained import nodes
from tests.stored import connected

#: Each statement with arguments, as SQL, that find something, and the index it must
#: use, if only one will do. The
#: queries on tables of 50,000 rows; `partitions` never has more than a few hundred.
ID = "array['00000000-0000-0000-0000-000000000007', '00000000-0000-0000-0000-000000000099']::uuid[]"
ONE_ID = "'00000000-0000-0000-0000-000000000007'"
CONTACTS = "array[7, 99, 40000]"
SHARED = "'2 seconds', '{t}', 4, array[0, 1, 3], '0 seconds'"
HASH = "sha256('p7')"
HOT: dict[str, tuple[str, str, str]] = {
    "resolve": (contacts.OWNERS, "array[2, 2], array['p7', 'p99']", "identifiers_pkey"),
    "known contacts": (contacts.KNOWN_CONTACTS, CONTACTS, "contacts_pkey"),
    "lock": (contacts.LOCK_CONTACTS, CONTACTS, "contacts_pkey"),
    "links": (contacts.LINKS, CONTACTS, "identifiers_contact_id"),
    "forget identifiers": (contacts.FORGET_IDENTIFIERS, CONTACTS, "identifiers_contact_id"),
    "forget contacts": (contacts.FORGET_CONTACTS, CONTACTS, "contacts_pkey"),
    "release": (
        contacts.RELEASE,
        f"array[2, 2], array['p7', 'p99'], {CONTACTS}",
        "identifiers_pkey",
    ),
    "survey": (
        survey.SURVEY,
        f"{CONTACTS}, {ID}, array['t'], array[7], '1', array[{HASH}]",
        "closed_waits_pkey",
    ),
    "absorbed": (merges.ABSORBED, CONTACTS, "contacts_merged_into"),
    "survivors": (merges.SURVIVORS, CONTACTS, "contacts_pkey"),
    "runs by contact": (runs.RUNS_OF_CONTACTS, CONTACTS, "runs_active_contact_id"),
    "leave": (runs.LEAVE, f"{ID}, array[7, 99]", ""),
    "due": (due.DUE, f"100, '1', false, {SHARED}", "runs_active_due"),
    "due, held too": (due.DUE, f"100, '1', true, {SHARED}", "runs_active_due"),
    "due, some paused": (due.DUE, f"100, '1', true, {SHARED}", "_automation_due"),
    "next due": (due.NEXT_DUE_IN, "", "runs_active_due"),
    "next due, some paused": (due.NEXT_DUE_IN, "", "runs_active_automation_due"),
    "expired": (expiry.EXPIRED, "'400 days', 500", "runs_active_automation"),
    "closed waits": (closed_waits.LOAD, CONTACTS, "closed_waits_pkey"),
    "late": (
        closed_waits.SET_LATE,
        f"array[7, 99], {ID}, array['w', 'w'], array['{{}}', '{{}}']::json[]",
        "closed_waits_pkey",
    ),
    "enrolments": (enrolments.LOAD, CONTACTS, "enrolments_pkey"),
    "seen": (events.SEEN, ID, "_event_key"),
    "look-back": (
        events.LOOK_BACK,
        "array[7, 99], array['n', 'n'], array['2026-01-01', '2026-01-01']::timestamptz[]",
        "_contact_id_name_v_idx",
    ),
    "standings": (
        suppressions.STANDINGS,
        f"{ID}, array[7, 99], array['p7', null], array[{HASH}, null]",
        "suppressions_pkey",
    ),
    "recipients": (suppressions.RECIPIENTS, ID, "messages_pkey"),
    "remove members": (
        audiences.REMOVE_MEMBERS,
        f"{ID}, array[7, 99]",
        "segment_members_pkey",
    ),
    "forget choices": (
        audiences.FORGET_CHOICES,
        "array['p7', 'p99'], array[7, 99]",
        "topic_choices_pkey",
    ),
    "claim effects": (outbox.CLAIM, "100, 'one', '1 minute'", "outbox_due_at"),
    "claim, some paused": (outbox.CLAIM, "100, 'one', '1 minute'", "outbox_automation_due"),
    "postpone": (outbox.POSTPONE, f"{ONE_ID}, 'one', '1 minute', '{{}}'", "outbox_pkey"),
    "settle": (
        outbox.SETTLE,
        f"{ID}, array[7, 99], array['sent', 'sent'], array[1, 1], array['', ''], "
        "array['{}', '{}']::json[], '2026-11-22'",
        "outbox_pkey",
    ),
    "set aside": (outbox.SET_ASIDE, f"{ID}, {ID}", "messages_pkey"),
    "withdraw": (outbox.WITHDRAW, f"{ID}, array['x', 'x'], '2026-11-22'", "outbox_pkey"),
    "message events": (
        outbox.MESSAGE_EVENTS,
        f"{ID}, array[7, 99], array['', '']",
        "messages_pkey",
    ),
    "effect events": (outbox.EFFECT_EVENTS, f"{ID}, array[7, 99], array['', '']", "outbox_pkey"),
    "outgoing": (outgoing.TAKE, "'receipts', 100, '1 minute'", "kafka_outbox_topic"),
    "outgoing done": (outgoing.DONE, f"'receipts', {CONTACTS}", "kafka_outbox_topic"),
    "fence": (
        closing.CLOSE,
        "'w/l', 1, '2026-11-22', array['n'], array['t'], array[0], array[1], "
        "array['2026-11-22']::timestamptz[], array['2026-11-22']::timestamptz[], array[7], "
        "array['k']::bytea[], array['v']::bytea[], "
        "array['t', 't'], array[7, 99], array[0, 0], array[0, 0], array[1, 1], "
        "array[null, null]::timestamptz[], '1'",
        "partitions_pkey",
    ),
    "touch": (
        offsets.TOUCH,
        "array['t', 't'], array[7, 99], array[0, 0], array[null, null]::timestamptz[], "
        "array[true, true], array[null, null]::bigint[], '1'",
        "partitions_pkey",
    ),
}

#: Read whole: it has a row for each lane of each worker.
SMALL = "turn_marks"

NO_ANALYZE = """
select format('alter table %s set (autovacuum_enabled = false)', oid::regclass) from pg_class
where relkind = 'r' and relnamespace = 'public'::regnamespace
"""

FILL = """
create or replace function pg_temp.id(n bigint) returns uuid immutable language sql
  as $$ select ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
create or replace temp view n as select n from generate_series({first}, {last}) as n;
insert into contacts (contact_id, created_at, merged_into)
  select n, now(), case when n % 5 = 0 then n / 5 end from n;
insert into identifiers (contact_id, linked_at, kind, value, linked_by)
  select n, now(), 2, 'p' || n, 'e' from n;
insert into events select pg_temp.id(n), pg_temp.id(n), n, now(), now(), now(),
  now() + n % 4 * interval '1 week', n, 0, false, 't', 'n', 's', 'e' || n, 'email', 'x', 'y',
  '[]', '{{}}' from n;
insert into automations (automation_id, name, is_enabled, current_version, created_at, updated_at)
  select pg_temp.id(n), n, false, 1, now(), now() from n where n <= 10;
insert into runs_active select pg_temp.id(n), pg_temp.id(n % 10), n, now(),
  now() + (n - 500) * interval '1 second', now(), 1, true, n % 4 = 0, 'waiting', 'w',
  '{{}}', '{{}}', '' from n;
insert into closed_waits select n, pg_temp.id(n), pg_temp.id(1), now(), now(), now(), 1, 'w',
  '{{}}', '{{}}', '{{}}' from n;
insert into enrolments select n, pg_temp.id(1), now() from n;
insert into outbox (effect_id, run_id, contact_id, created_at, due_at, channel, key, step_key,
  recipient, message) select pg_temp.id(n), pg_temp.id(n), n, now(),
  now() + (n - 500) * interval '1 second', 'email', pg_temp.id(n % 10) || ':' || n, 's', 'x', '{{}}'
  from n;
insert into messages select pg_temp.id(n), pg_temp.id(n), n, now(), now(), 1, 'email', 'sent', 's',
  'x' from n;
insert into kafka_outbox (created_at, topic, keys, "values")
  select now(), 'receipts', '{{}}', '{{}}' from n;
insert into segment_members select pg_temp.id(n), n, now(), 'e' from n;
insert into topic_choices select n, now(), true, 'p' || n, 'e' from n;
insert into suppressions select sha256(('p' || n)::bytea), n, now(), 'email', 'bounced', 'e' from n;
insert into merges select pg_temp.id(n), n, n + 1, now(), n, 0, 't', '1', 'e' from n;
insert into partitions (topic, partition, stream_epoch) select 't', n, '1' from n;
insert into audit (at, who, what, target) select now(), 'w', 'cancel_run', 'p' || n from n;
"""


@pytest.fixture
async def cold(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A worker's connection to tables that nobody ever analyses."""
    async with connected(database) as connection:
        for (statement,) in await connection.fetch(NO_ANALYZE):
            await connection.execute(statement)
        yield connection


async def plan(connection: asyncpg.Connection, call: str) -> list[dict[str, Any]]:
    """Return every node of a statement's plan."""
    (explained,) = json.loads(await connection.fetchval(f"explain (format json) {call}"))
    return list(nodes(explained["Plan"]))


def complaints(found: list[dict[str, Any]], index: str) -> list[str]:
    """Return what is wrong with a plan: tables read whole, indexes read whole, the wrong index."""
    read = [node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"]
    wrong = [f"Seq Scan on {table}" for table in read if table != SMALL]
    scans = [node for node in found if node.get("Index Name")]
    # An index may be read from its head where a limit, or min(), stops that soon.
    stops = any(node["Node Type"] == "Limit" for node in found)
    wrong += [
        f"the whole of {node['Index Name']}"
        for node in scans
        if "Index Cond" not in node and not stops
    ]
    if index and not any(node["Index Name"].endswith(index) for node in scans):
        wrong.append(f"{index} is not used, but {[node['Index Name'] for node in scans]}")
    return wrong


async def complaints_of_all(
    connection: asyncpg.Connection, statements: Mapping[str, tuple[str, str, str]]
) -> dict[str, list[str]]:
    """Return what is wrong with the plans of statements that were prepared in this order."""
    return {
        name: wrong
        for number, (name, (_, arguments, index)) in enumerate(statements.items())
        if (wrong := complaints(await plan(connection, call(number, arguments)), index))
    }


async def fill(connection: asyncpg.Connection, first: int, last: int) -> None:
    await connection.execute(FILL.format(first=first, last=last))


async def prepare(connection: asyncpg.Connection, sqls: list[str]) -> None:
    for number, sql in enumerate(sqls):
        await connection.execute(f"prepare s{number} as {sql}")


def call(number: int, arguments: str) -> str:
    return f"execute s{number}({arguments})" if arguments else f"execute s{number}"


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan", "auto"])
async def test_hot_statements_use_their_indexes_on_tables_never_analysed(
    cold: asyncpg.Connection, plans: str
) -> None:
    await fill(cold, 1, 50_000)
    await prepare(cold, [sql for sql, _, _ in HOT.values()])
    await cold.execute(f"set plan_cache_mode = {plans}")
    wrong = await complaints_of_all(cold, HOT)
    assert wrong == {}, "\n".join(f"{name}: {bad}" for name, bad in wrong.items())


async def test_hot_statements_use_their_indexes_with_plans_cached_while_the_tables_were_tiny(
    cold: asyncpg.Connection,
) -> None:
    await fill(cold, 1, 3)
    await cold.execute("analyze")
    await prepare(cold, [sql for sql, _, _ in HOT.values()])
    await cold.execute("set plan_cache_mode = force_generic_plan")
    for number, (_, arguments, _) in enumerate(HOT.values()):
        await cold.execute(call(number, arguments))
    await fill(cold, 4, 50_000)
    wrong = await complaints_of_all(cold, HOT)
    assert wrong == {}, "\n".join(f"{name}: {bad}" for name, bad in wrong.items())
