"""Two workers and the same people: locks in one order, and nothing seen from before them."""

import asyncio
from collections.abc import Awaitable

import pytest

from state.postgres.store import PostgresStore
from state.postgres.transaction import PostgresTransaction
from state.turn import Changes, Claim, LockRequest, Moved
from tests.stored import (
    AT,
    connected,
    email,
    event,
    look,
    new_contact,
    record,
    rows,
    run,
    save,
    until_blocked,
)


async def test_what_was_committed_during_the_wait_for_a_lock_is_seen_after_it(
    store: PostgresStore, other: PostgresStore, database: str
) -> None:
    """W2, D3: the lost wake-up. The waiter's reads begin after the lock, and so does its clock."""
    contact_id = await new_contact(store, email(1))
    async with asyncio.TaskGroup() as group, store.transaction("events") as first:
        before = await first.lock(LockRequest(contact_ids=[contact_id]))
        waiter = group.create_task(look(other, LockRequest(contact_ids=[contact_id])))
        await until_blocked(database)
        parked = run(1, contact_id)
        await first.save(Changes(now=before.now, runs=[(None, parked)]))
    after = waiter.result()
    assert [one.run_id for one in after.runs[contact_id]] == [parked.run_id]
    assert after.now >= before.now


async def test_crossed_orders_do_not_deadlock(
    store: PostgresStore, other: PostgresStore, database: str
) -> None:
    """Whatever order the caller names them in, contacts are locked in ascending order (P4)."""
    low, middle, high = [await new_contact(store, email(n)) for n in (1, 2, 3)]
    request = LockRequest(contact_ids=[high, middle, low])
    hold = "select from contacts where contact_id = $1 for no key update"
    async with connected(database) as holder, asyncio.TaskGroup() as group, holder.transaction():
        await holder.execute(hold, middle)
        tasks = [group.create_task(look(one, request)) for one in (store, other)]
        # One waits for the middle and holds the low; the other waits for the low.
        await until_blocked(database, 2)
    assert [list(task.result().contacts) for task in tasks] == [[low, middle, high]] * 2


async def test_an_identifier_claimed_by_another_begins_the_turn_again(
    store: PostgresStore, other: PostgresStore, database: str
) -> None:
    """I1: two workers see a person first at once; one of them makes the contact."""

    async def claim(by: PostgresStore, contact_id: int) -> None:
        async with by.transaction("events") as transaction:
            await transaction.claim([Claim(email(1), contact_id, AT, "evt_1")])

    (second_id,) = await other.contact_ids(1)
    (first_id,) = await store.contact_ids(1)
    async with asyncio.TaskGroup() as group, store.transaction("events") as first:
        await first.claim([Claim(email(1), first_id, AT, "evt_1")])
        loser = group.create_task(raised(claim(other, second_id)))
        await until_blocked(database)
    assert isinstance(loser.result(), Moved)
    assert await rows(database, "select contact_id from identifiers") == [(first_id,)]
    assert await rows(database, "select contact_id from contacts") == [(first_id,)]


async def raised(attempt: Awaitable[None]) -> Exception | None:
    try:
        await attempt
    except Moved as moved:
        return moved
    return None


async def test_an_identifier_that_found_an_owner_before_the_lock_begins_the_turn_again(
    store: PostgresStore, other: PostgresStore
) -> None:
    contact_id = await new_contact(store, email(1))
    both = [email(1), email(2)]

    async def late(transaction: PostgresTransaction) -> None:
        assert await transaction.resolve(both) == {email(1): contact_id}
        await new_contact(other, email(2))
        await transaction.lock(LockRequest([contact_id], both))

    async with store.transaction("events") as transaction:
        with pytest.raises(Moved, match="another owner"):
            await late(transaction)


async def test_a_binding_met_by_anothers_begins_the_turn_again(
    store: PostgresStore, other: PostgresStore
) -> None:
    """I2: an address that a contact event sets may be given to somebody else meanwhile."""
    mine, theirs = await new_contact(store, email(1)), await new_contact(store, email(2))
    wanted = (await look(store, LockRequest([mine]))).contacts[mine].links[0]
    wanted = wanted._replace(identifier=email(3))
    await save(other, [theirs], binds=[(theirs, wanted)])
    with pytest.raises(Moved):
        await save(store, [mine], binds=[(mine, wanted)])
    owners = (await look(store, LockRequest([mine, theirs], [email(3)]))).owners
    assert owners == {email(3): theirs}


async def test_a_key_stored_twice_at_once_begins_the_turn_again(
    store: PostgresStore, other: PostgresStore
) -> None:
    """E4: the same event by two partitions and two contacts; the second one sees the first."""
    one, two = await new_contact(store, email(1)), await new_contact(store, email(2))
    await save(store, [one], events=[record(event(7), one)])
    with pytest.raises(Moved):
        await save(other, [two], events=[record(event(7), two)])
    assert (await look(store, LockRequest(event_keys=[event(7).key]))).seen[
        event(7).key
    ].id == "evt_7"


async def test_now_is_never_below_any_earlier_turns_now(
    store: PostgresStore, database: str
) -> None:
    """D3: a clock that jumped back (another machine after a failover) does not turn time back."""
    contact_id = await new_contact(store, email(1))
    ahead = "update turn_marks set last_now = last_now + interval '1 hour' returning last_now"
    ((jumped,),) = await rows(database, ahead)
    assert (await look(store, LockRequest([contact_id]))).now == jumped


async def test_contact_numbers_ascend_and_are_nobody_elses(
    store: PostgresStore, other: PostgresStore
) -> None:
    mine = [number for n in (1, 999, 5, 2500) for number in await store.contact_ids(n)]
    theirs = await other.contact_ids(700)
    assert mine == sorted(mine)
    assert len({*mine, *theirs}) == 3505 + 700
