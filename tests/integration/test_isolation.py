"""One record's fault costs one record: quarantined with evidence, its neighbours go on (E4, E5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from state.postgres import transaction
from state.postgres.session import Session
from state.postgres.store import PostgresStore
from state.turn import EventRecord, Refused
from tests.integration.doors import EVENTS, Log, open_door
from tests.integration.drawn import Post, post, waiting
from tests.integration.kit import House, publish_version

POISON = [
    b"{poison",
    b'"a string"',
    b"[1, 2]",
    b"\xff\xfe\x00",
    b'{"event": 7, "email": "a@b.io"}',
    b'{"event": "go"}',
    b'{"event": "go", "email": ""}',
    b'{"event": "go", "email": "a@b.io", "payload": {"n": NaN}}',
    b'{"event": "go", "email": "a@b.io", "payload": {"n": "\\u0000"}}',
    b'{"event": "go", "email": "a@b.io", "payload": {"n": "\\ud800"}}',
    b'{"event": "go", "email": "a@b.io", "occurred_at": "yesterday"}',
    b'{"event": "go", "email": "a@b.io", "payload": ' + b'{"a":' * 60 + b"1" + b"}" * 60 + b"}",
    b'{"event": "go", "email": "a@b.io", "payload": {"n": "' + b"x" * 300_000 + b'"}}',
]


async def test_poison_between_good_records_harms_nobody(house: House) -> None:
    """E5, E6: each is in quarantine and on the dead-letter topic: bytes, headers, hash, place."""
    await house.apply(waiting())
    good = [post("go", id=f"go-{n}", to=0, email=f"p{n}@example.com") for n in range(len(POISON))]
    bad = [Post(raw, 0, headers=[("from", b"test")]) for raw in POISON]
    mixed = [each for pair in zip(good, bad, strict=True) for each in pair]
    async with house.worker():
        places = await house.publish(*mixed, Post(None, 0))
        await house.until_count("runs_active", len(good))
        await house.until_applied(places)
        letters = {
            headers(message)["waitline-offset"]: message
            for message in await house.topic(house.dead_letters, len(bad))
        }
    rows = await house.rows(
        'select "offset", reason, raw, sha256, topic, partition from quarantine order by 1'
    )
    assert [row[0] for row in rows] == [place.offset for place in places[1:-1:2]]
    for (offset, reason, raw, sha256, *where), sent in zip(rows, POISON, strict=True):
        assert raw == sent[: 64 * 1024]
        assert sha256 == hashlib.sha256(sent).digest()
        assert where == [house.events, 0]
        letter = letters[str(offset)]
        assert letter.value() == raw
        assert headers(letter) == {
            "from": "test",
            "waitline-reason": reason,
            "waitline-topic": house.events,
            "waitline-partition": "0",
            "waitline-offset": str(offset),
            "waitline-sha256": sha256.hex(),
        }
    assert len(await house.waitline("dead-letters", "list")) > 0


async def test_an_id_that_was_used_for_something_else_is_a_conflict(house: House) -> None:
    """E4: name, explicit instant, identifiers, payload: another body under a known key."""
    await house.apply(waiting())
    at = (await house.store.database_now()).isoformat()
    said: dict[str, Any] = {"id": "e", "email": "ann@example.com", "occurred_at": at}
    original = post("go", to=0, payload={"n": 1}, **said)
    conflicts = [
        post("answer", to=1, payload={"n": 1}, **said),
        post("go", to=1, payload={"n": 2}, **said),
        post("go", to=1, payload={"n": 1}, **said | {"email": "ben@example.com"}),
        post("go", to=1, payload={"n": 1}, **said | {"occurred_at": "2026-01-01T00:00:00Z"}),
    ]
    async with house.worker():
        (winner,) = await house.publish(original)
        await house.until_applied([winner])
        again, *places = await house.publish(original._replace(partition=2), *conflicts)
        await house.until_applied([again, *places])
        letters = await house.topic(house.dead_letters, len(conflicts))
    rows = await house.rows(
        'select "offset", reason, event_id, winner from quarantine order by "offset"'
    )
    assert rows == [(place.offset, "id_conflict", "e", str(winner)) for place in places]
    assert {headers(letter)["waitline-reason"] for letter in letters} == {"id_conflict"}
    twins = await house.rows('select topic, partition, "offset", event_id from duplicates')
    assert twins == [(*again, "e")]
    assert (await house.count("events"), await house.count("runs_active")) == (1, 1)
    assert await house.count("contacts") == 1, "a conflict makes nobody known"


async def test_what_the_database_refuses_for_good_is_cut_out(
    database: str, store: PostgresStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E5: bisected down to the one event, which is quarantined; all others take their effect."""
    refused = {"e-13", "e-14", "e-77"}
    save = transaction.save_events

    async def refusing(session: Session, events: Sequence[EventRecord], now: Any) -> None:
        if refused.intersection(one.event.id for one in events):
            raise Refused("22P05", "unsupported Unicode escape sequence")
        await save(session, events, now)

    monkeypatch.setattr(transaction, "save_events", refusing)
    await publish_version(store, waiting())
    log = Log(await store.database_now())
    sides = [(EVENTS, number) for number in range(3)]
    records = [log.add("go", id=f"e-{n}", to=n % 3, email=f"p{n}@example.com") for n in range(100)]
    async with open_door(database, "one", *sides, folder=tmp_path) as door:
        await door.feed(records)
    async with store.session() as session:
        rows = await session.rows(
            'select event_id, reason, raw, partition, "offset" from quarantine order by event_id'
        )
        assert [tuple(row)[:2] for row in rows] == [
            (event_id, "refused_by_database") for event_id in sorted(refused)
        ]
        for event_id, _, raw, *place in rows:
            assert json.loads(raw)["id"] == event_id
            number = int(event_id.removeprefix("e-"))
            assert place == [number % 3, number // 3]
        runs = await session.rows("select trigger ->> 'id' from runs_active")
        assert {one for (one,) in runs} == {f"e-{n}" for n in range(100)} - refused
        offsets = await session.rows("select next_offset from partitions order by partition")
        assert [one for (one,) in offsets] == [34, 33, 33]
        seen = await session.value("select sum(count) from name_counts")
        assert 100 - len(refused) <= seen <= 100
        gone = await session.value(
            "select count(*) from identifiers where value in"
            " ('p13@example.com', 'p14@example.com', 'p77@example.com')"
        )
        assert gone == 0


async def test_a_timer_that_the_database_refuses_ends_its_own_run_only(
    database: str, store: PostgresStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E5, R2: the run fails with engine_error and says so; the other timers of the sweep fire."""
    await publish_version(store, waiting(timeout="1 second"))
    log = Log(await store.database_now())
    save = transaction.save_runs

    async def refusing(session: Session, changes: Any) -> None:
        for _, after in changes:
            if after.trigger.id == "e-3" and after.status == "completed":
                raise Refused("22000", "invalid")
        await save(session, changes)

    monkeypatch.setattr(transaction, "save_runs", refusing)
    async with open_door(database, "one", (EVENTS, 0), folder=tmp_path) as door:
        await door.feed([log.add("go", id=f"e-{n}", email=f"p{n}@example.com") for n in range(10)])
        async with store.session() as session:
            moved = "update runs_active set due_at = now() - interval '1 hour',"
            moved += " state = jsonb_set(state::jsonb, '{parked,due_at}', to_jsonb(now()))::json"
            await session.run(moved)
            await session.run("update partitions set low = now() + interval '1 hour'")
        await door.wake.sweep()
    async with store.session() as session:
        rows = await session.rows(
            "select doc -> 'trigger' ->> 'id', status, reason, doc -> 'failure' ->> 'message'"
            " from runs_done order by 1"
        )
        assert [tuple(row)[:3] for row in rows] == [
            (f"e-{n}", "failed", "engine_error")
            if n == 3
            else (f"e-{n}", "completed", "completed_no_branch")
            for n in range(10)
        ]
        assert "22000" in rows[3][3]


def headers(message: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers() or ()}
