"""Offsets in Postgres, and the fence before them: E3, W4."""

from datetime import timedelta

import pytest

from state.postgres.offsets import SILENT_AFTER, Held, Touch
from state.postgres.store import PostgresStore
from state.turn import Changes, Fenced, LockRequest, PartitionState, Position
from tests.stored import AT, email, event, look, new_contact, record, rows, save

A, B = ("waitline.events", 0), ("waitline.events", 1)


async def advance(store: PostgresStore, *positions: Position) -> None:
    await save(store, [], lane="events", positions=list(positions))


async def states(store: PostgresStore) -> dict[tuple[str, int], PartitionState]:
    return {one[:2]: one for one in await store.watermark()}


async def test_an_owner_moves_its_offset_from_where_its_last_turn_ended(
    store: PostgresStore,
) -> None:
    held = await store.take_partitions([A], "one")
    assert held == {A: Held(None, 1)}
    await advance(store, Position(*A, 1, 5, 8, AT))
    await advance(store, Position(*A, 1, 8, 12))
    with pytest.raises(Fenced):
        await advance(store, Position(*A, 1, 13, 14))  # a turn was lost between the two
    with pytest.raises(Fenced):
        await advance(store, Position(*A, 1, 8, 12))  # the same turn twice
    assert (await store.take_partitions([A], "one"))[A] == Held(12, 2)
    assert (await states(store))[A].low == AT


async def test_a_worker_that_lost_a_partition_cannot_write_for_it(
    store: PostgresStore, other: PostgresStore, database: str
) -> None:
    """E3: however late it wakes up; of a turn over two partitions nothing is written."""
    contact_id = await new_contact(store, email(1))
    mine = await store.take_partitions([A, B], "one")
    theirs = await other.take_partitions([B], "two")
    positions = [Position(*A, mine[A].epoch, 0, 1), Position(*B, mine[B].epoch, 0, 1)]
    with pytest.raises(Fenced) as fenced:
        await save(store, [contact_id], events=[record(event(1), contact_id)], positions=positions)
    assert fenced.value.partitions == {B}
    assert await rows(database, "select count(*) from events") == [(0,)]
    await advance(other, Position(*B, theirs[B].epoch, 0, 1))
    await advance(store, positions[0])
    offsets = "select partition, next_offset, high_offset from partitions order by 1"
    assert await rows(database, offsets) == [(0, 1, 0), (1, 1, 0)]


async def test_a_loser_neither_releases_nor_refreshes_what_another_took(
    store: PostgresStore, other: PostgresStore, database: str
) -> None:
    mine = await store.take_partitions([A, B], "one")
    await other.take_partitions([B], "two")
    fenced = await store.touch_partitions(
        [Touch(*key, mine[key].epoch, AT, True, 3) for key in (A, B)]
    )
    assert fenced == {B}
    await store.release_partitions(mine)
    owners = "select partition, owner, next_offset from partitions order by 1"
    assert await rows(database, owners) == [(0, None, 3), (1, "two", None)]


async def test_a_partition_never_consumed_has_no_low(store: PostgresStore) -> None:
    """W4: it is known from the start, and holds every timer."""
    await store.register_partitions([A, B])
    held = await store.take_partitions([A], "one")
    await store.register_partitions([A, B])
    await store.touch_partitions([Touch(*A, held[A].epoch, AT, True, 0)])
    found = await states(store)
    assert found[A].low == AT
    assert found[A].resumed_since is not None
    assert found[B] == PartitionState(*B, None, None, None)
    snapshot = await look(store, LockRequest(reads_watermark=True))
    assert list(snapshot.partitions) == list(found.values())


async def test_low_and_offset_only_move_forward_and_say_when_they_did(
    store: PostgresStore,
) -> None:
    held = await store.take_partitions([A], "one")
    epoch = held[A].epoch
    await store.touch_partitions([Touch(*A, epoch, AT, True, 10)])
    first = (await states(store))[A]
    await store.touch_partitions([Touch(*A, epoch, AT - timedelta(hours=1), True, 9)])
    assert (await states(store))[A] == first
    await store.touch_partitions([Touch(*A, epoch, AT, False)])
    paused = (await states(store))[A]
    assert (paused.low, paused.resumed_since, paused.advanced_at) == (AT, None, first.advanced_at)
    await store.touch_partitions([Touch(*A, epoch, AT + timedelta(seconds=1), True)])
    moved = (await states(store))[A]
    assert moved.advanced_at > first.advanced_at
    assert moved.resumed_since > first.resumed_since
    assert (await store.take_partitions([A], "one"))[A].next_offset == 10


async def test_a_silent_owner_counts_as_gone(store: PostgresStore, database: str) -> None:
    """W4: the cap does not run while an owner is silent."""
    held = await store.take_partitions([A], "one")
    await store.touch_partitions([Touch(*A, held[A].epoch, AT, True)])
    assert (await states(store))[A].resumed_since is not None
    await rows(database, "update partitions set seen_at = seen_at - $1::interval", SILENT_AFTER)
    assert (await states(store))[A].resumed_since is None


async def test_a_new_stream_epoch_begins_anew(store: PostgresStore, database: str) -> None:
    """A topic that was made again has other records at the same offsets (reliability.md 2.5)."""
    await store.take_partitions([A], "one")
    await advance(store, Position(*A, 1, 0, 9))
    renewed = await PostgresStore.open(database, worker_id="three", stream_epoch="2")
    try:
        assert (await renewed.take_partitions([A], "three"))[A] == Held(None, 1)
        assert [one.low for one in await renewed.watermark()] == [None]
    finally:
        await renewed.close()


async def test_a_turn_of_nothing_leaves_only_its_mark(store: PostgresStore, database: str) -> None:
    async with store.transaction("events") as transaction:
        snapshot = await transaction.lock(LockRequest())
        await transaction.save(Changes(now=snapshot.now))
    assert await rows(database, "select lane, turn from turn_marks") == [("one/events", 1)]
