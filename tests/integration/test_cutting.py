"""How the stream is cut into batches changes nothing in the final state (D1), on real Postgres."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from deploy.local.databases import Databases
from state.contact import contact_uuid
from state.event import Decoded
from state.postgres.store import PostgresStore
from stream.consuming.batches import Partition
from tests.integration.doors import CONTACTS, EVENTS, Log, chunks, open_door
from tests.integration.drawn import automation, waiting
from tests.integration.kit import publish_version

CUTS = (1, 2, 7, 1000)
PEOPLE = 25
SIDES: list[Partition] = [(EVENTS, 0), (EVENTS, 1), (CONTACTS, 0)]

EXIT = {"event": "refunded", "filter": {"field": "event.n", "operator": "eq", "value": 1}}
SAME_ORDER = {"field": "event.n", "operator": "eq", "value": {"var": "trigger.n"}}

AUTOMATIONS = [
    automation("Mails", timeout="1 hour"),
    waiting("Every", deliver="oldest") | {"exit": [EXIT]},
    waiting("Once", filter_rule=SAME_ORDER) | {"reentry": "once"},
    waiting("Keyed", since="previous_step") | {"reentry": "key:event.n"},
    waiting("Profile", event_name="contact.updated"),
]

#: What depends on when it was done, or on which numbers and ids the database gave.
INSTANTS = (
    *("created_at", "started_at", "completed_at", "processed_at", "linked_at", "settled_at"),
    *("due_at", "deadline", "quarantined_at", "noted_at", "dropped_at", "ordinal", "past"),
    *("updated_at", "at", "entered_at", "opened_at", "closed_at", "automation_id", "run_id"),
    *(
        "merged_at",
        "merge_id",
        "effect_id",
        "message_id",
        "claimed_by",
        "provider_id",
        "key",
        "email_id",
        "push_id",
    ),
)
TABLES = (
    *("contacts", "identifiers", "events", "duplicates", "identity_notes", "quarantine"),
    *(
        "merges",
        "name_counts",
        "runs_active",
        "runs_done",
        "closed_waits",
        "enrolments",
        "messages",
    ),
)


async def test_batches_of_1_2_7_and_1000_end_in_the_same_state(
    database: str, postgres: Databases, tmp_path: Path
) -> None:
    """D1, W2, S2, S3, I2, I3, E4: live or found by look-back, in one turn or in many: the same."""
    store = await PostgresStore.open(database, worker_id="setup")
    await publish_version(store, *AUTOMATIONS)
    await store.close()
    log = Log()
    tell(log)
    published, stream, states = urlsplit(database).path.strip("/"), log.in_order(), []
    for size in CUTS:
        name = f"{published}_cut_{size}"
        copy = await postgres.create(name, template=published)
        try:
            states.append(await final_state(copy, stream, size, tmp_path / str(size)))
        finally:
            await postgres.drop(name)
    first = states[0]
    reasons = Counter(run["reason"] for run in first["runs_done"])
    assert min(reasons[each] for each in ("completed_no_branch", "exited_rule")) > 10
    exited = {run["run_id"] for run in first["runs_done"] if run["reason"] == "exited_rule"}
    decided = [run for merge in first["merges"] for run in merge["undo"]["decided_runs"]]
    assert exited.intersection(decided), "no merge has exited a run"
    assert all(first[table] for table in TABLES if table != "closed_waits")
    for size, state in zip(CUTS, states, strict=True):
        for table in TABLES:
            mine, theirs = (Counter(map(json.dumps, one[table])) for one in (state, first))
            other = [*(mine - theirs)][:3] + ["instead of", *(theirs - mine)][:4]
            assert mine == theirs, "\n".join([f"{table}, cut by {size}:", *other])


async def final_state(
    database: str, stream: list[Decoded], size: int, folder: Path
) -> Mapping[str, Any]:
    """Apply a stream in batches of this size, then send everything; return what is stored."""
    async with open_door(database, "one", *SIDES, folder=folder) as door:
        for batch in chunks(stream, size):
            await door.feed(batch)
        await door.settle()
    connection = await asyncpg.connect(database)
    try:
        return await normalised(connection)
    finally:
        await connection.close()


def tell(log: Log) -> None:
    """Tell a stream in which everything happens to everybody, in an order of chance."""
    chance = random.Random(7)
    for number in range(PEOPLE * 24):
        person = chance.randrange(PEOPLE)
        names = {"email": f"p{person}@example.com", "external_id": f"cust-{person}"}
        some = dict(chance.sample(list(names.items()), chance.choice([1, 1, 2])))
        some |= {"anonymous_id": f"cookie-{person}"} if chance.random() < 0.1 else {}
        ago = timedelta(milliseconds=chance.choice([0, 0, 0, 3, 20]))
        said = {"occurred_at": (log.clock - ago).isoformat(), "payload": {"n": number % 3}}
        event = chance.choice(
            ["go", "go", "answer", "answer", "order.completed", "email.opened", "refunded", "noise"]
        )
        to = chance.randrange(2)
        match chance.randrange(14):
            case 0:
                log.raw(b"{poison", to=to)
            case 1:
                log.add(event, to=to, id=f"twin-{number % 9}", email="twin@example.com")
            case 2:
                changes = {"first_name": f"Ann {number}", "properties": {"n": number}}
                log.add("contact.updated", topic=CONTACTS, **said | {"payload": changes}, **some)
            case 3:
                changes = {"email": f"new-{number}-p{person}@example.com"}
                log.add("contact.updated", topic=CONTACTS, **said | {"payload": changes}, **names)
            case _:
                log.add(event, to=to, id=f"e{number}", **said, **some)


async def normalised(connection: asyncpg.Connection) -> dict[str, list[dict[str, Any]]]:
    """Return all tables with people named by their identifiers and runs by their triggers."""
    people = await connection.fetch("select contact_id, kind, value from identifiers order by 2, 3")
    names: dict[str, str] = {}
    for contact_id, kind, value in people:
        for form in (str(contact_id), str(contact_uuid(contact_id))):
            names.setdefault(form, f"{kind}:{value}")
    merged = await connection.fetch("select contact_id, merged_into from contacts")
    for contact_id, survivor in merged:
        for form in (str(contact_id), str(contact_uuid(contact_id))):
            names.setdefault(form, names.get(str(survivor), "nobody"))
    automations = await connection.fetch("select automation_id::text, name from automations")
    names |= dict(automations)
    triggers = await connection.fetch(
        "select run_id::text, automation_id::text, trigger ->> 'id' from runs_active union all"
        " select run_id::text, automation_id::text, doc -> 'trigger' ->> 'id' from runs_done"
    )
    names |= {run_id: f"{names[key]} of {event}" for run_id, key, event in triggers}
    found = {}
    for table in TABLES:
        rows = await connection.fetch(f"select to_jsonb(t)::text from {table} t")
        shown = [plain(json.loads(row), names) for (row,) in rows]
        found[table] = shown
    return found


def plain(value: Any, names: Mapping[str, str]) -> Any:
    """Return a value without what the cut may change: instants of processing, and numbers."""
    if isinstance(value, dict):
        kept = {key: plain(part, names) for key, part in value.items() if key not in INSTANTS}
        for key in ("contact_id", "merged_into", "survivor", "merged", "automation_id", "run_id"):
            if key in value:
                kept[key] = names.get(str(value[key]), "nobody")
        if "past" in value:
            kept["past"] = plain(json.loads(f"[{value['past']}]"), names)
        return kept
    if isinstance(value, list):
        return [plain(part, names) for part in value]
    if isinstance(value, str):
        return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", lambda id_: names.get(id_[0], "id"), value)
    return value
