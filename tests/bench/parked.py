"""Parked runs in any number: one that the engine made, again and again, with all that it needs."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from state.postgres.contacts import BLOCK
from tests.bench.house import House, Record
from tests.bench.journeys import ANSWER, PLAIN, START, record

#: What a parked run consists of.
TABLES = ("contacts", "identifiers", "events", "runs_active")

#: Who the copies are: 'person1w' and so on, who stand among all other persons in an index of text.
#: Their numbers come from the engine's own sequence, and so are given to nobody else.
COPIES = f"""
create temp table copies as
with numbers as (
  select row_number() over () as n, first + place as contact_id
  from (select nextval('contacts_contact_id_seq') as first
    from generate_series(1, ceil($1::integer / {BLOCK}.0)::integer)) as block
  cross join generate_series(0, {BLOCK - 1}) as place
)
select contact_id, gen_random_uuid() as run_id, gen_random_uuid() as event_key, n || 'w' as name,
  n * interval '1 millisecond' as later, real.event_key as real_key
from numbers cross join (select event_key from events) as real where n <= $1
"""

COLUMNS = """
select quote_ident(attname) as name, format_type(atttypid, null) as kind from pg_attribute
where attrelid = $1::regclass and attnum > 0 and not attisdropped
"""

#: What a copy has of its own. The timeouts follow each other by a millisecond.
OWN = {
    "contact_id": "copy.contact_id",
    "run_id": "copy.run_id",
    "event_key": "copy.event_key",
    "due_at": "real.due_at + copy.later",
    "deadline": "real.deadline + copy.later",
}

#: The names of a copy, wherever texts and documents say them.
RENAMED = f"""
replace(replace(replace(real.{{name}}::text, 'person0@', 'person' || copy.name || '@'),
  '{START}-0', '{START}-' || copy.name), copy.real_key::text, copy.event_key::text)::{{kind}}
"""

COPY = """
insert into {table} ({columns})
select {values} from copies as copy
cross join (select * from {table}) as real
"""


async def park(made: House, number: int) -> None:
    """Have the engine park the run of person 0 in an empty database, then add so many copies.

    The first copy is answered: one whose parts did not fit together would not go on.
    """
    await _applied(made, record(PLAIN, START, 0))
    await made.connection.execute("set jit = off")
    await made.connection.execute(COPIES.replace("$1", str(number)))
    for table in TABLES:
        await made.connection.execute(_copy(table, await made.connection.fetch(COLUMNS, table)))
    key, value = record(PLAIN, ANSWER, 0)
    await _applied(made, (key, value.replace(b"person0@", b"person1w@")))
    answered = await made.connection.fetchval("select doc::text from runs_done")
    assert "person1w@" in answered, f"what was answered is no copy: {answered}"


async def _applied(made: House, record: Record) -> None:
    before = await made.applied()
    made.publish([record])
    with made.workers(1):
        await made.until_applied(before + 1)


def _copy(table: str, columns: Sequence[asyncpg.Record]) -> str:
    return COPY.format(
        table=table,
        columns=", ".join(column["name"] for column in columns),
        values=", ".join(_value(**column) for column in columns),
    )


def _value(name: str, kind: str) -> str:
    if name in OWN:
        return OWN[name]
    return RENAMED.format(name=name, kind=kind) if kind in ("text", "json") else f"real.{name}"
