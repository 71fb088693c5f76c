"""T3 in the tables: what paused automations keep is not due, not claimed, and counted right."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from state.event import Coordinates
from state.pausing import Freeze, Mode, Pausing, with_freezes
from state.postgres.automations import (
    StillPaused,
    UnknownAutomation,
    delete_automation,
    get_automation,
)
from state.postgres.pauses import find_paused, pausings_of, set_pause
from state.postgres.reading_pauses import going_on, standing
from state.postgres.store import PostgresStore
from state.run import ArmMet, HeldStart, KeptAnswer, Parked, Run, Sending, Sleeping, Waiting
from state.turn import LockRequest
from tests.integration.doors import EVENTS, Log, open_door
from tests.integration.drawn import waiting as automation
from tests.integration.kit import publish_version
from tests.stored import (
    AT,
    TOPIC,
    connected,
    effect,
    email,
    look,
    new_contact,
    rows,
    run,
    save,
    until_blocked,
    uuid,
    waiting,
)
from tests.waiting import until_so

NUMBERS = itertools.count(1)
LEASE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

MET = ArmMet(0, uuid("kept"), "evt_9", "answer", AT, Coordinates(TOPIC, 0, 9), {"n": 1})
ANSWER = KeptAnswer("failed", "bounced", "no such address", None, AT)


async def paused(store: PostgresStore, name: str, mode: Mode | None) -> Pausing:
    async with store.session() as session:
        return (await set_pause(session, name, mode, "me")).automation.pausing


async def two(store: PostgresStore) -> tuple[UUID, UUID]:
    """Publish two automations; return their ids."""
    a, b = await publish_version(store, automation("A"), automation("B", start="other"))
    return a.automation_id, b.automation_id


async def parked(store: PostgresStore, of: UUID, *each: Parked) -> list[Run]:
    """Store runs of an automation, each of a contact of its own, in the order given."""
    made = []
    for one in each:
        n = next(NUMBERS)
        contact_id = await new_contact(store, email(n))
        made.append(run(n, contact_id, parked=one, automation_id=of, version=1))
        await save(store, [contact_id], runs=[(None, made[-1])])
    return made


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        HeldStart("start", AT, AT, holds_for_lag=True, is_held=True),
        waiting(due_at=AT, met=(MET,), kept_at=AT),
        waiting(frozen=timedelta(hours=9, microseconds=1)),
        Sleeping("pause", AT, AT, holds_for_lag=False, frozen=timedelta(microseconds=1)),
        Sending("mail", AT, uuid("effect"), {"to": "ann"}, None, kept=ANSWER),
    ],
)
async def test_what_a_pause_leaves_on_a_run_is_stored(store: PostgresStore, state: Parked) -> None:
    """T3, R4: and read again as it was."""
    of, _ = await two(store)
    (made,) = await parked(store, of, state)
    snapshot = await look(store, LockRequest(contact_ids=[made.contact_id]))
    assert [one.parked for one in snapshot.runs[made.contact_id]] == [state]


# --- what is due ----------------------------------------------------------------------------------


async def test_nothing_of_a_paused_automation_is_due(store: PostgresStore) -> None:
    """T3: neither now nor next, so that no sweep spins; others are due as ever."""
    a, b = await two(store)
    now = await store.database_now()
    (ours,) = await parked(store, a, Sleeping("pause", AT, now - HOUR, holds_for_lag=False))
    (theirs,) = await parked(store, b, Sleeping("pause", AT, now + HOUR, holds_for_lag=False))
    assert await store.due(10) == [(ours.contact_id, ours.run_id)]
    for mode in ("hold", "freeze"):
        await paused(store, "A", mode)
        assert await store.due(10) == []
        due_in = await store.next_due_in()
        assert due_in is not None
        assert due_in > 3000
    await paused(store, "B", "hold")
    assert await store.next_due_in() is None
    await paused(store, "A", None)
    assert await store.due(10) == [(ours.contact_id, ours.run_id)]
    assert theirs.run_id not in dict(map(reversed, await store.due(10, include_held=True)))


async def test_timers_of_others_are_due_in_order_while_one_is_paused(store: PostgresStore) -> None:
    """T3, W4: held for lag or not, the oldest first, up to the limit."""
    _, b = await two(store)
    c = (await publish_version(store, automation("C", start="third")))[0].automation_id
    now = await store.database_now()

    def ago(minutes: int, **more: Any) -> Sleeping:
        at = now - timedelta(minutes=minutes)
        return Sleeping("pause", AT, at, **({"holds_for_lag": False} | more))

    one, four = await parked(store, b, ago(1), ago(4))
    two_, three = await parked(store, c, ago(2), ago(3, holds_for_lag=True, is_held=True))
    await paused(store, "A", "hold")
    order = [each.run_id for each in (four, three, two_, one)]
    assert [run_id for _, run_id in await store.due(10, include_held=True)] == order
    assert [run_id for _, run_id in await store.due(2, include_held=True)] == order[:2]
    assert three.run_id not in [run_id for _, run_id in await store.due(10)]


async def test_effects_of_a_paused_automation_are_not_claimed(store: PostgresStore) -> None:
    """T3, F2: they wait where they are; those of others go out, the oldest first."""
    a, b = await two(store)
    contact_id = await new_contact(store, email(1))
    made = []
    for number, of in enumerate((a, a, b, b)):
        one = effect(number, contact_id, AT - timedelta(minutes=number))
        key = f"{of}:{one.key.partition(':')[2]}"
        made.append(type(one)(**{n: getattr(one, n) for n in one.__slots__} | {"key": key}))
    await save(store, [contact_id], effects=made)
    await paused(store, "A", "hold")
    first = await store.claim_effects(1, LEASE)
    assert [one.effect for one in first] == [made[3]]
    assert [one.effect for one in await store.claim_effects(9, LEASE)] == [made[2]]
    assert await store.claim_effects(9, LEASE) == []
    async with store.session() as session:
        now = AT + timedelta(hours=1)
        stands = await standing(session, a, now)
        assert (stands.unsent, stands.due, stands.under_way) == (2, 2, 0)
        early = AT - timedelta(seconds=90)
        assert (await standing(session, a, early)).due == 0
        # Those of the other were claimed: no pause calls them back.
        assert (await standing(session, b, now))[1:] == (0, 0, 2)
    await paused(store, "A", None)
    assert [one.effect for one in await store.claim_effects(9, LEASE)] == [made[1], made[0]]


async def test_what_a_freeze_has_moved_is_parked_anew_once_and_goes_on_sweeping(
    database: str, tmp_path: Path
) -> None:
    """T3: a sweep that only moves is progress, so that those behind it wait no longer for it."""
    where = "select run_id, due_at from runs_active order by run_id"
    async with open_door(database, "one", (EVENTS, 0), folder=tmp_path) as door:
        await publish_version(door.store, automation("A", timeout="3 seconds"))
        log = Log(clock=await door.store.database_now())
        await door.feed(log.add("go", email=f"p{number}@x.io") for number in range(3))
        await paused(door.store, "A", "freeze")
        drawn = await rows(database, where)

        async def is_over() -> bool:
            return await door.store.database_now() > max(due_at for _, due_at in drawn)

        await until_so(is_over)
        await rows(database, "update partitions set low = now() + interval '1 hour'")
        assert await door.wake.sweep() == 0
        assert await rows(database, where) == drawn
        pausing = await paused(door.store, "A", None)
        assert await door.wake.sweep() == 3
        (since, until), *_ = pausing.freezes
        moved = [(run_id, due_at + (until - since)) for run_id, due_at in drawn]
        assert await rows(database, where) == moved


# --- the command's side ---------------------------------------------------------------------------


async def test_a_pause_is_audited_and_outlives_other_changes(
    store: PostgresStore, database: str
) -> None:
    """T3, O4, S4: enabling, stopping and publishing leave it as it is; deleting is refused."""
    await two(store)
    frozen = await paused(store, "A", "freeze")
    assert await paused(store, "A", "freeze") == frozen
    await publish_version(store, automation("A", timeout="2 hours") | {"status": "disabled"})
    async with store.session() as session:
        row, version = await get_automation(session, "A")
        assert (row.pause, row.paused_at, row.is_enabled) == ("freeze", frozen.since, False)
        assert version.number == 2
    with pytest.raises(StillPaused):
        async with store.session() as session:
            await delete_automation(session, "A", "me")
    held = await paused(store, "A", "hold")
    assert held.freezes == (Freeze(frozen.since, held.since),)
    released = await paused(store, "A", None)
    assert (released.mode, released.since, released.freezes) == (None, None, held.freezes)
    said = await rows(database, "select what, before ->> 'pause', after ->> 'pause' from audit")
    assert [one for one in said if one[0] != "automation.apply"] == [
        ("automation.freeze", None, "freeze"),
        ("automation.hold", "freeze", "hold"),
        ("automation.release", "hold", None),
    ]


async def test_runs_of_a_deleted_automation_are_paused_by_its_name_or_id(
    store: PostgresStore,
) -> None:
    """T3: its runs go on, so they can be stopped from going on; a namesake comes first."""
    a, _ = await two(store)
    async with store.session() as session:
        await delete_automation(session, "A", "me")
    assert (await paused(store, "A", "hold")).mode == "hold"
    again = (await publish_version(store, automation("A")))[0].automation_id
    async with store.session() as session:
        found = await find_paused(session, "A")
        assert found is not None
        assert (found.automation_id, found.pausing.mode) == (again, None)
        assert (await pausings_of(session, [a]))[a].mode == "hold"
    assert (await paused(store, str(a), None)).mode is None
    with pytest.raises(UnknownAutomation):
        await paused(store, "Nobody", "hold")


async def test_a_pause_waits_for_turns_under_way(store: PostgresStore, database: str) -> None:
    """T3, D3: it begins after everything that a turn before it has parked."""
    await two(store)
    async with connected(database) as turn, asyncio.TaskGroup() as group, turn.transaction():
        await turn.execute("select pg_advisory_xact_lock_shared($1)", 0x7761_6974_0002)
        ahead = await turn.fetchval("select clock_timestamp() + interval '1 hour'")
        await turn.execute("insert into turn_marks values ('other', 1, $1)", ahead)
        pause = group.create_task(paused(store, "A", "hold"))
        await until_blocked(database)
    assert pause.result().since >= ahead


# --- what a release would do ----------------------------------------------------------------------


async def test_what_would_go_on_is_counted_by_what_it_waits_for(store: PostgresStore) -> None:
    """T3: starts, kept matches and answers always; timers if they are over after all freezes."""
    of, other = await two(store)
    now = await store.database_now()
    over, ahead = now - HOUR, now + HOUR
    everything: list[Parked] = [
        HeldStart("start", AT, over, holds_for_lag=False),
        waiting(deadline=ahead, due_at=over, met=(MET,), kept_at=over),
        Sending("mail", AT, uuid("one"), kept=replace(ANSWER, at=over)),
        Sending("mail", AT, uuid("two")),
        waiting(deadline=over, due_at=over),
        waiting(deadline=ahead, due_at=ahead),
        waiting(deadline=None, due_at=None),
        Sleeping("pause", AT, over, holds_for_lag=True),
        Sleeping("pause", AT, ahead, holds_for_lag=True),
    ]
    made = await parked(store, of, *everything)
    await parked(store, other, *everything)
    await paused(store, "A", "hold")
    async with store.session() as session:
        found = await find_paused(session, "A")
        assert found is not None
        groups = await going_on(session, found, now)
        stands = await standing(session, of, now)
    told = {one.kind: (one.step_key, one.how, one.number, one.examples) for one in groups}
    assert told == {
        "starts": ("start", None, 1, [made[0].run_id]),
        "matches": ("opened", "0", 1, [made[1].run_id]),
        "answers": ("mail", "failed", 1, [made[2].run_id]),
        "timeouts": ("opened", None, 1, [made[4].run_id]),
        "delays": ("pause", None, 1, [made[7].run_id]),
    }
    assert stands.runs == {"held": 1, "waiting": 4, "sending": 2, "delayed": 2}


async def test_the_preview_reckons_with_freezes_as_the_turns_do(
    store: PostgresStore, database: str
) -> None:
    """T3: whatever freezes there were, and whatever of them the stored instants hold already."""
    of, _ = await two(store)
    now = await store.database_now()

    def ago(minutes: float) -> datetime:
        return now - timedelta(minutes=minutes)

    spans = [(600, 540), (300, 290), (200, 110), (100, 90.000001)]
    freezes = tuple(Freeze(ago(since), ago(until)) for since, until in spans)
    states: list[Parked] = []
    for entered in (700, 590, 400, 250, 95):
        for due in (601, 310, 205, 150, 61, 30, 0.0001):
            at = ago(due)
            states.append(Sleeping("pause", ago(entered), at, holds_for_lag=False))
            states.append(waiting(entered_at=ago(entered), deadline=at, due_at=at))
    made = await parked(store, of, *states)
    for number, one in enumerate(made[::3]):
        until = Pausing(freezes=freezes[: number % 5])
        moved = with_freezes(one, until, None)
        if moved is not one:
            await save(store, [one.contact_id], runs=[(one, moved)])
    await paused(store, "A", "freeze")
    for mode, since in ((None, None), ("hold", ago(80)), ("freeze", ago(80))):
        pausing = Pausing(mode, since, freezes)  # type: ignore[arg-type]  # the modes
        expected = {
            one.run_id
            for one in made
            if isinstance(state := with_freezes(one, pausing, now).parked, Waiting | Sleeping)
            and state.due_at is not None
            and state.due_at <= now
        }
        async with store.session() as session:
            found = await find_paused(session, "A")
            assert found is not None
            groups = await going_on(session, found._replace(pausing=pausing), now)
        assert sum(one.number for one in groups) == len(expected)
        assert {run_id for one in groups for run_id in one.examples} <= expected
        assert 0 < len(expected) < len(made)
