"""Runs parked and done: what is stored is what is loaded (R1, R2, R3, W4, W5, S2)."""

import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from state.postgres.runs import read_done
from state.postgres.store import PostgresStore
from state.run import Failure, LateMatch, Parked, Run, Sending, Sleeping
from state.share import EVERYBODYS, Share
from state.turn import ClosedWait, Enrolment, LateFound, LockRequest
from tests.stored import (
    AT,
    AUTOMATION,
    connected,
    email,
    look,
    new_contact,
    rows,
    run,
    save,
    uuid,
    waiting,
)

FULL: dict[str, Any] = {
    "occurrence": 2,
    "business_key": "o-1",
    "outputs": {"start": {"total": 30.5, "nothing": None}, "receipt": {"list": [1, "é", {"a": 1}]}},
    "wait_events": {"opened": {"link": "https://example.com/?a=1"}},
    "used": frozenset({uuid("a"), uuid("b")}),
    "steps_done": 4,
    "past": '{"step": {"key": "start"}}',
    "updated_at": AT + timedelta(microseconds=1),
}
#: A history that tells of all outputs and payloads which FULL holds: of a finished run no others
#: are kept.
PAST = json.dumps(
    [
        *({"step": {"key": key, "output": said}} for key, said in FULL["outputs"].items()),
        {
            "step": {
                "key": "answer",
                "type": "wait_for_event",
                "output": {"event": "opened", "payload": FULL["wait_events"]["opened"]},
            }
        },
    ]
)[1:-1]
PARKED = [
    waiting(),
    waiting(
        input={"timeout": "30 minutes"},
        is_held=True,
        is_truncated=True,
        late=LateMatch("evt_9", "after_deadline", 1.25),
    ),
    waiting(deadline=None, due_at=None),
    Sleeping("pause", AT, AT + timedelta(days=1), holds_for_lag=False),
    Sleeping("pause", AT, AT, True, is_past_due=True, input={"for": "1 day"}, is_held=True),
    waiting(output={"deadline": "2026-10-25T11:00:00Z", "time_zone": "Europe/Berlin"}),
    Sleeping("pause", AT, AT + timedelta(days=1), False, output={"time_zone": "UTC"}),
    Sending("receipt", AT, uuid("effect")),
    Sending("receipt", AT, uuid("effect"), output={"email_id": "x"}, input={"to": "y"}),
]


@pytest.mark.parametrize("fields", [{}, FULL], ids=["bare", "full"])
@pytest.mark.parametrize("parked", PARKED, ids=repr)
async def test_a_parked_run_is_loaded_as_it_was_stored(
    store: PostgresStore, parked: Any, fields: dict[str, Any]
) -> None:
    contact_id = await new_contact(store, email(1))
    stored = run(1, contact_id, parked=parked, **fields)
    await save(store, [contact_id], runs=[(None, stored)])
    (loaded,) = (await look(store, LockRequest([contact_id]))).runs[contact_id]
    assert loaded == stored


async def test_a_run_that_parks_anew_takes_its_history_along(store: PostgresStore) -> None:
    contact_id = await new_contact(store, email(1))
    first = run(1, contact_id, fresh=({"step": {"key": "start"}}, {"step": {"key": "a"}}))
    await save(store, [contact_id], runs=[(None, first)])
    (loaded,) = (await look(store, LockRequest([contact_id]))).runs[contact_id]
    assert loaded.past == '{"step":{"key":"start"}},{"step":{"key":"a"}}'
    moved = replace(loaded, parked=PARKED[3]).noting({"wait": {"at": AT}})
    await save(store, [contact_id], runs=[(loaded, moved)])
    (again,) = (await look(store, LockRequest([contact_id]))).runs[contact_id]
    assert again.past == loaded.past + ',{"wait":{"at":"2026-11-22T10:00:00.123456Z"}}'
    assert again.parked == PARKED[3]


@pytest.mark.parametrize("was_parked", [True, False])
async def test_a_run_that_ended_is_kept_whole_and_no_longer_active(
    store: PostgresStore, database: str, was_parked: bool
) -> None:
    contact_id = await new_contact(store, email(1))
    answer = {"event": "opened", "payload": FULL["wait_events"]["opened"]}
    told = {"past": PAST, "outputs": FULL["outputs"] | {"answer": answer}}
    parked = run(1, contact_id, **FULL | told)
    if was_parked:
        await save(store, [contact_id], runs=[(None, parked)])
    now = await store.database_now()
    ended = parked.end("failed_step", now, Failure("receipt", "gone", "There is no address."))
    await save(store, [contact_id], runs=[(parked if was_parked else None, ended)])
    assert (await look(store, LockRequest([contact_id]))).runs == {}
    async with connected(database) as connection:
        assert read_done(await connection.fetchrow("select * from runs_done")) == ended


async def test_a_run_cannot_move_twice(store: PostgresStore) -> None:
    """R3: a finished run never moves; the store says so loudly."""
    contact_id = await new_contact(store, email(1))
    parked = run(1, contact_id)
    ended = parked.end("completed_end", await store.database_now())
    await save(store, [contact_id], runs=[(None, parked)])
    await save(store, [contact_id], runs=[(parked, ended)])
    for after in (ended, replace(parked, steps_done=9)):
        with pytest.raises(AssertionError, match="moved twice"):
            await save(store, [contact_id], runs=[(parked, after)])


async def timers(store: PostgresStore, **by_name: Any) -> dict[str, Run]:
    """Store one run for each parked state, all of one contact."""
    contact_id = await new_contact(store, email(1))
    made = {name: run(n, contact_id, parked=one) for n, (name, one) in enumerate(by_name.items())}
    await save(store, [contact_id], runs=[(None, one) for one in made.values()])
    return made


async def test_timers_are_due_by_the_databases_clock_the_oldest_first(
    store: PostgresStore,
) -> None:
    """T2: never early, and the soonest says when to look again."""
    assert await store.next_due_in() is None
    now = await store.database_now()
    made = await timers(
        store,
        late=Sleeping("pause", AT, now - timedelta(seconds=2), False),
        later=waiting(due_at=now - timedelta(seconds=3)),
        ahead=Sleeping("pause", AT, now + timedelta(minutes=1), False),
        never=waiting(deadline=None, due_at=None),
    )
    order = [(made[name].contact_id, made[name].run_id) for name in ("later", "late")]
    assert await store.due(10) == order
    assert await store.due(1) == order[:1]
    next_due_in = await store.next_due_in()
    assert next_due_in is not None
    assert -60 < next_due_in <= -3


async def test_due_timers_are_shared_by_their_contacts(store: PostgresStore) -> None:
    """T2: what is not in a worker's share it takes only when it is late by as much as it says."""
    now = await store.database_now()
    past = [now - timedelta(seconds=late) for late in range(20, 10, -1)]
    parked: list[Parked] = [Sleeping("pause", AT, due_at, False) for due_at in past[:4]]
    parked += [waiting(due_at=due_at, is_held=True) for due_at in past[4:]]
    people = [await new_contact(store, email(n)) for n in range(len(parked))]
    pairs = enumerate(zip(people, parked, strict=True))
    made = [run(n, contact_id, parked=one) for n, (contact_id, one) in pairs]
    await save(store, people, runs=[(None, one) for one in made])

    async def due(share: Share) -> list[int]:
        return [contact for contact, _ in await store.due(100, include_held=True, share=share)]

    assert await due(EVERYBODYS) == people
    shares = [Share(3, (0, 2)), Share(3, (1,)), Share(1, ())]
    assert [await due(share) for share in shares] == [
        [one for one in people if share.has(one)] for share in shares
    ]
    assert await due(Share(1, (0,), timedelta(seconds=14.5))) == people[:6]


async def test_held_timers_come_again_when_every_partition_was_consumed_up_to_them(
    store: PostgresStore, database: str
) -> None:
    """W4: held once, they are left alone while they would be held again."""
    now = await store.database_now()
    due_at = now - timedelta(seconds=10)
    made = await timers(store, held=waiting(due_at=due_at, is_held=True))
    found = [(made["held"].contact_id, made["held"].run_id)]
    assert await store.due(10) == []
    assert await store.due(10, include_held=True) == found
    await store.register_partitions([("t", 0), ("t", 1)])
    await rows(database, "update partitions set low = $1 where partition = 0", now)
    assert await store.due(10) == []
    await rows(database, "update partitions set low = $1", due_at - timedelta(microseconds=1))
    assert await store.due(10) == []
    await rows(database, "update partitions set low = $1", due_at)
    assert await store.due(10) == found


async def test_a_wait_that_timed_out_looks_out_for_one_late_event_for_a_day(
    store: PostgresStore, database: str
) -> None:
    """W5, storage side: found once, in this turn or a later one; forgotten after a day if not."""
    contact_id = await new_contact(store, email(1))
    now = await store.database_now()
    waits = [
        ClosedWait(
            contact_id, uuid("run", n), AUTOMATION, 3, "opened", AT, AT, now - age,
            frozenset({uuid("used")}), {"order_id": "o-1"}, {"receipt": {"email_id": "x"}},
        )
        for n, age in enumerate((timedelta(0), timedelta(hours=23), timedelta(hours=26)))
    ]  # fmt: skip
    match = LateMatch("evt_9", "late_arrival", -3.5)
    first, second, _ = (LateFound(contact_id, one.run_id, "opened", match) for one in waits)
    await save(store, [contact_id], closed_waits=waits, late=[first])
    loaded = (await look(store, LockRequest([contact_id]))).closed_waits
    assert loaded == {contact_id: [waits[1]]}
    await save(store, [contact_id], late=[second])
    assert (await look(store, LockRequest([contact_id]))).closed_waits == {}
    with pytest.raises(AssertionError, match="the first"):
        await save(store, [contact_id], late=[second])
    await store.keep_house(now)
    kept = await rows(
        database, "select run_id, late->>'event_id' from closed_waits order by closed_at"
    )
    assert kept == [(waits[1].run_id, "evt_9"), (waits[0].run_id, "evt_9")]


async def test_enrolments_are_remembered_by_contact_and_automation(store: PostgresStore) -> None:
    """S2: the memory of re-entry outlives the run, over all versions."""
    one, two = await new_contact(store, email(1)), await new_contact(store, email(2))
    entered = {(one, AUTOMATION): Enrolment(AT), (two, uuid("other")): Enrolment(AT)}
    await save(store, [one, two], enrolments=entered)
    again = {(one, AUTOMATION): Enrolment(AT + timedelta(days=1))}
    await save(store, [one], enrolments=again)
    assert (await look(store, LockRequest([one, two]))).enrolments == entered | again
    assert (await look(store, LockRequest([one]))).enrolments == again
