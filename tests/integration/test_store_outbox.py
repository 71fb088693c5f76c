"""Effects claimed, answered and settled: F2, F3, F5, R4."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from state.effect import Answer, Claimed, Effect
from state.postgres.outbox import CLAIM
from state.postgres.store import PostgresStore
from state.turn import Moved, Unavailable, Withdrawn
from tests.stored import AT, connected, effect, email, new_contact, rows, save, until_blocked

LEASE = timedelta(minutes=1)

MESSAGES = """
select message_id, status, recipient, title, attempts, last_event, provider_id, error->>'code'
from messages
"""


async def outgoing_effects(store: PostgresStore, count: int) -> list[Effect]:
    """Store effects of one contact."""
    contact_id = await new_contact(store, email(1))
    made = [effect(number, contact_id, AT) for number in range(count)]
    await save(store, [contact_id], effects=made)
    return made


def answer(to: Effect, settlement: Any = "sent", **fields: Any) -> Answer:
    return Answer(to.effect_id, to.run_id, to.contact_id, settlement, 1, **fields)


async def test_two_relays_never_claim_the_same_effect(
    store: PostgresStore, other: PostgresStore
) -> None:
    """F2: executed by one at a time; each row goes to the first who asks."""
    made = await outgoing_effects(store, 200)
    claimed: list[Claimed] = []

    async def relay(by: PostgresStore) -> None:
        while batch := await by.claim_effects(7, LEASE):
            claimed.extend(batch)

    async with asyncio.TaskGroup() as group:
        for by in (store, other, store, other):
            group.create_task(relay(by))
    effects = {one.effect.key: one.effect for one in claimed}
    assert (len(claimed), effects) == (200, {one.key: one for one in made})
    assert {one.attempts for one in claimed} == {1}


async def test_a_claim_ends_with_its_lease(store: PostgresStore, other: PostgresStore) -> None:
    """F3: a relay that died does not keep its messages; who comes next knows it may have sent."""
    await outgoing_effects(store, 1)
    (first,) = await store.claim_effects(10, timedelta(0))
    (second,) = await other.claim_effects(10, LEASE)
    assert (first.attempts, second.attempts, second.was_unsure) == (1, 2, True)
    assert await store.claim_effects(10, LEASE) == []


async def test_a_claim_that_reached_nobody_claims_nothing(
    store: PostgresStore, other: PostgresStore, database: str
) -> None:
    """F3: whoever is cut off while it claims has sent nothing, so nothing waits or is unsure."""
    await outgoing_effects(store, 1)
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'"
    async with connected(database) as holder, holder.transaction():
        await holder.execute("lock table contacts in access exclusive mode")
        async with asyncio.TaskGroup() as group:
            group.create_task(claim_in_vain(store))
            await until_blocked(database)
            await rows(database, f"{cut} and datname = current_database()")
    (claimed,) = await other.claim_effects(10, LEASE)
    assert (claimed.attempts, claimed.was_unsure) == (1, False)


async def claim_in_vain(store: PostgresStore) -> None:
    with pytest.raises(Unavailable):
        await store.claim_effects(10, LEASE)


async def test_an_effect_is_postponed_by_who_holds_it(
    store: PostgresStore, other: PostgresStore, database: str
) -> None:
    """F5: a retry comes after its back-off; who was overtaken does not wake another's effect."""
    (made,) = await outgoing_effects(store, 1)
    await store.claim_effects(10, LEASE)
    await other.postpone_effect(made.effect_id, timedelta(0), {"code": "stale"})
    assert await other.claim_effects(10, LEASE) == []
    await store.postpone_effect(made.effect_id, timedelta(hours=1), {"code": "busy"})
    assert await other.claim_effects(10, LEASE) == []
    stored = "select last_error->>'code', claimed_by from outbox"
    assert await rows(database, stored) == [("busy", None)]
    await store.claim_effects(10, LEASE)
    await rows(database, "update outbox set due_at = now(), claimed_by = null")
    (claimed,) = await other.claim_effects(10, LEASE)
    assert claimed.attempts == 2


async def test_settling_is_done_once(store: PostgresStore, database: str) -> None:
    """F3: an answer that comes again changes nothing, whatever it says."""
    one, two, three = await outgoing_effects(store, 3)
    first = answer(one, provider_id="p-1")
    failed = answer(two, "failed", code="bounced", text="No such mailbox.")
    await save(store, [one.contact_id], answers=[first, answer(one, "unknown"), failed])
    await save(store, [one.contact_id], answers=[answer(one, "failed"), first, failed])
    settled = {row[0]: row[1:] for row in await rows(database, MESSAGES)}
    to, title = email(0).value, "Thanks"
    assert settled == {
        one.effect_id: ("sent", to, title, 1, None, "p-1", None),
        two.effect_id: ("failed", email(1).value, title, 1, None, None, "bounced"),
    }
    assert await rows(database, "select effect_id from outbox") == [(three.effect_id,)]


async def test_settling_waits_for_a_claim_that_is_being_made(
    store: PostgresStore, database: str
) -> None:
    """An answer is not lost because its row was claimed anew at that instant."""
    (made,) = await outgoing_effects(store, 1)
    async with connected(database) as claimer, asyncio.TaskGroup() as group, claimer.transaction():
        assert await claimer.fetch(CLAIM, 1, "two", LEASE)
        group.create_task(save(store, [made.contact_id], answers=[answer(made)]))
        await until_blocked(database)
    assert [row[0] for row in await rows(database, MESSAGES)] == [made.effect_id]
    assert await rows(database, "select count(*) from outbox") == [(0,)]


async def test_the_last_event_of_a_message_is_noted_before_and_after_it_is_settled(
    store: PostgresStore, database: str
) -> None:
    """R4: every message with its last event, even one opened before its answer was written."""
    one, two = await outgoing_effects(store, 2)
    opened = [
        (made.effect_id, made.contact_id, name)
        for made in (one, two)
        for name in ("email.delivered", "email.opened")
    ]
    nobodys = [(one.effect_id, one.contact_id + 1, "x"), (one.run_id, one.contact_id, "x")]
    await save(store, [one.contact_id], answers=[answer(one)])
    await save(store, [one.contact_id], message_events=opened + nobodys)
    await save(store, [one.contact_id], answers=[answer(two)])
    last = {row[0]: row[5] for row in await rows(database, MESSAGES)}
    assert last == {one.effect_id: "email.opened", two.effect_id: "email.opened"}


async def test_an_effects_key_is_stored_once(store: PostgresStore) -> None:
    """F2: the key is unique whatever the id, so that a second effect of one cause cannot be."""
    (made,) = await outgoing_effects(store, 1)
    twin = replace(made, effect_id=made.run_id)
    with pytest.raises(Moved):
        await save(store, [made.contact_id], effects=[twin])


# --- F3, F4: withdrawn ----------------------------------------------------------------------------

OUTBOX = "select effect_id, withdrawn_why from outbox order by key"
SETTLED = """
select message_id, status, error->>'code', attempts, sent_after_cancel from messages
order by message_id
"""


async def withdraw(store: PostgresStore, *effects: Effect) -> None:
    whys = [
        Withdrawn(one.effect_id, one.run_id, one.contact_id, "cancelled_operator")
        for one in effects
    ]
    await save(store, [effects[0].contact_id], withdrawn=whys)


async def test_what_nobody_has_claimed_is_withdrawn_at_once(
    store: PostgresStore, other: PostgresStore, database: str
) -> None:
    """F3: an effect of a run that ended is skipped with the run's reason, and is sent by nobody."""
    one, two = await outgoing_effects(store, 2)
    await withdraw(store, one)
    claimed = await other.claim_effects(10, LEASE)
    assert [each.effect for each in claimed] == [two]
    expected = (one.effect_id, "skipped", "cancelled_operator", 0, False)
    assert await rows(database, SETTLED) == [expected]


async def test_what_may_have_been_sent_before_is_withdrawn_as_unknown(
    store: PostgresStore, database: str
) -> None:
    """F3: it waits for its next attempt, and nobody knows of the last one whether it was sent."""
    (made,) = await outgoing_effects(store, 1)
    await store.claim_effects(10, LEASE)
    error = {"code": "timeout", "is_unsure": True}
    await store.postpone_effect(made.effect_id, timedelta(hours=1), error)
    await withdraw(store, made)
    assert await rows(database, SETTLED) == [
        (made.effect_id, "unknown", "cancelled_operator", 1, False)
    ]


@pytest.mark.parametrize(("settlement", "is_late"), [("sent", True), ("failed", False)])
async def test_a_send_in_flight_is_shown_as_sent_after_its_run_was_cancelled(
    store: PostgresStore, database: str, settlement: Any, is_late: bool
) -> None:
    """F4: the cancel lost to the send; the answer settles the message and tells."""
    (made,) = await outgoing_effects(store, 1)
    await store.claim_effects(10, LEASE)
    await withdraw(store, made)
    assert await rows(database, OUTBOX) == [(made.effect_id, "cancelled_operator")]
    await save(store, [made.contact_id], answers=[answer(made, settlement)])
    assert await rows(database, OUTBOX) == []
    assert await rows(database, SETTLED) == [(made.effect_id, settlement, None, 1, is_late)]


async def test_a_withdrawn_effect_comes_back_only_to_be_settled(
    store: PostgresStore, other: PostgresStore
) -> None:
    """F4: a relay that died had it, or the provider said not now; who is next is told why."""
    died, postponed = await outgoing_effects(store, 2)
    await store.claim_effects(10, timedelta(0))
    await withdraw(store, died, postponed)
    await store.postpone_effect(postponed.effect_id, timedelta(hours=1), {"code": "busy"})
    back = {one.effect.key: one for one in await other.claim_effects(10, LEASE)}
    assert {one.withdrawn for one in back.values()} == {"cancelled_operator"}
    assert [back[one.key].was_unsure for one in (died, postponed)] == [True, False]


async def test_a_withdrawal_waits_for_a_claim_that_is_being_made(
    store: PostgresStore, database: str
) -> None:
    """F4: who claims in that instant may send it, so its answer is waited for."""
    (made,) = await outgoing_effects(store, 1)
    async with connected(database) as claimer, asyncio.TaskGroup() as group, claimer.transaction():
        assert await claimer.fetch(CLAIM, 1, "two", LEASE)
        group.create_task(withdraw(store, made))
        await until_blocked(database)
    assert await rows(database, SETTLED) == []
    assert await rows(database, OUTBOX) == [(made.effect_id, "cancelled_operator")]
