"""Events kept and set aside: E1, E4, E5, E7, I2, W2."""

import hashlib
from datetime import timedelta

import pytest
from msgspec.structs import replace

from state.postgres.store import PostgresStore
from state.turn import (
    Duplicate,
    IdentityNote,
    LockRequest,
    NameSeen,
    Need,
    Quarantined,
    Refused,
    Seen,
    StoredEvent,
)
from stream.decoding.decode import TIME_UNKNOWN
from tests.stored import AT, email, event, look, new_contact, record, rejected, rows, save


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


async def looked_back(store: PostgresStore, *needs: Need) -> list[StoredEvent]:
    async with store.transaction("events") as transaction:
        return await transaction.look_back(needs)


async def test_a_look_back_sees_stored_events_from_its_floor_on_in_the_order_of_v(
    store: PostgresStore,
) -> None:
    """W2: only of this contact and name, the oldest V first, ties by key."""
    one, two = await new_contact(store, email(1)), await new_contact(store, email(2))
    stored = [
        record(event(1, at=AT), one),
        record(event(2, at=AT + minutes(9)), one),
        record(event(3, at=AT + minutes(5)), one),
        record(event(4, at=AT + minutes(5)), one),
        record(event(5, at=AT + minutes(5), name="other"), one),
        record(event(6, at=AT + minutes(5)), two),
        record(event(7, at=AT - minutes(5)), one, v=AT + minutes(7)),
    ]
    await save(store, [one, two], events=stored)
    found = await looked_back(
        store,
        Need(one, "order.completed", AT + minutes(5)),
        Need(two, "order.completed", AT + minutes(6)),
        Need(two, "other", AT),
    )
    ties = sorted((event(3), event(4)), key=lambda one: one.key)
    assert [one.id for one in found] == [*(one.id for one in ties), "evt_7", "evt_2"]
    assert found[2] == StoredEvent(
        key=event(7).key,
        contact_id=one,
        name="order.completed",
        v=AT + minutes(7),
        id="evt_7",
        occurred_at=AT - minutes(5),
        recorded_at=AT - minutes(5) + timedelta(seconds=1),
        coordinates=event(7).coordinates,
        payload=event(7).payload,
    )
    assert await looked_back(store) == []


async def test_stored_events_are_seen_by_their_key_whatever_week_they_came_in(
    store: PostgresStore, database: str
) -> None:
    """E4: the dedupe memory is as long as the events are kept."""
    contact_id = await new_contact(store, email(1))
    await save(store, [contact_id], events=[record(event(1), contact_id)])
    moved = "update events set processed_at = processed_at + interval '8 days'"
    await rows(database, moved)
    await save(store, [contact_id], events=[record(event(2), contact_id)])
    keys = [event(n).key for n in (1, 2, 3)]
    assert (await look(store, LockRequest(event_keys=keys))).seen == {
        event(n).key: Seen(event(n).body_hash, event(n).coordinates, event(n).id) for n in (1, 2)
    }


async def test_an_event_recorded_in_the_future_is_stored_as_recorded_now(
    store: PostgresStore, database: str
) -> None:
    """E1: three times are kept, and a broker's clock is not believed beyond five minutes."""
    contact_id = await new_contact(store, email(1))
    now = await store.database_now()
    odd = replace(event(1), recorded_at=now + minutes(30))
    snapshot = await save(store, [contact_id], events=[record(odd, contact_id)])
    times = "select occurred_at, recorded_at, processed_at from events"
    assert await rows(database, times) == [(AT, snapshot.now, snapshot.now)]


async def test_duplicates_are_recorded_once_for_each_place(
    store: PostgresStore, database: str
) -> None:
    """E4: every drop is evidence that names the winner."""
    again = Duplicate(event(1).key, "evt_1", event(9).coordinates, AT, winner=event(1).coordinates)
    for _ in range(2):
        await save(store, [], duplicates=[again])
    found = 'select event_id, "offset", winner_topic, winner_offset from duplicates'
    assert await rows(database, found) == [("evt_1", 9, "waitline.events", 1)]


async def test_notes_on_identity_are_recorded_once_for_each_event(
    store: PostgresStore, database: str
) -> None:
    """I2: a link that was refused is recorded, though its event may not be stored."""
    note = IdentityNote(7, "evt_1", event(1).coordinates, "merge_blocked", "two_contacts: email")
    for _ in range(2):
        await save(store, [], identity_notes=[note])
    found = "select contact_id, event_id, verdict, reason from identity_notes"
    assert await rows(database, found) == [(7, "evt_1", "merge_blocked", "two_contacts: email")]


async def test_a_record_is_set_aside_with_its_bytes_and_told_of(
    store: PostgresStore, database: str
) -> None:
    """E5: quarantined once, with bytes, hash, headers, place and reason; a dead letter goes out."""
    letter = Quarantined(rejected(4), winner="evt_1")
    await save(store, [], quarantined=[letter, Quarantined(rejected(5))])
    await save(store, [], quarantined=[letter])
    found = (
        'select "offset", reason, fingerprint, winner, raw, sha256, headers->0->>1 from quarantine'
    )
    raw = rejected(4).raw
    fields = ("not_json", rejected(4).fingerprint)
    kept = (raw, hashlib.sha256(raw).digest(), "00-é")
    expected = [(4, *fields, "evt_1", *kept), (5, *fields, None, *kept)]
    assert await rows(database, f"{found} order by 1") == expected

    (first,) = await store.outgoing("dead-letters", 10)  # the second time it was no news
    assert first.topic == "dead-letters"
    assert [one.value for one in first.records] == [raw, raw]
    assert first.records[0].key is None
    assert dict(first.records[1].headers) == {
        "traceparent": "00-é".encode(),
        "waitline-reason": b"not_json",
        "waitline-topic": b"waitline.events",
        "waitline-partition": b"0",
        "waitline-offset": b"5",
        "waitline-sha256": hashlib.sha256(raw).hexdigest().encode(),
    }


async def test_a_record_without_a_usable_time_was_set_aside_now(
    store: PostgresStore, database: str
) -> None:
    """E1: recorded more than 5 minutes ahead of now is recorded now, in quarantine too."""
    ahead = replace(rejected(4), recorded_at=TIME_UNKNOWN)
    await save(store, [], quarantined=[Quarantined(ahead), Quarantined(rejected(5))])
    found = 'select recorded_at = quarantined_at from quarantine order by "offset"'
    assert await rows(database, found) == [(True,), (False,)]


async def test_receipts_go_out_in_order_under_the_ids_of_their_events(
    store: PostgresStore, other: PostgresStore, database: str
) -> None:
    for number in (1, 2):
        ids = [f"evt_{number}", f"evt_{number}b"]
        await save(store, [], receipts=[{"event_id": one, "did": []} for one in ids])
    first, second = await store.outgoing("receipts", 10)
    assert [one.key for one in first.records] == [b"evt_1", b"evt_1b"]
    assert second.records[0].value == b'{"event_id":"evt_2","did":[]}'
    assert first.records[0].headers == []
    assert await other.outgoing("receipts", 10) == []  # leased
    assert await other.outgoing("events", 10) == []
    await store.outgoing_done("receipts", [first.id])
    await rows(database, "update kafka_outbox set claimed_until = now() - interval '1 second'")
    assert await other.outgoing("receipts", 10) == [second]


async def test_names_are_counted_for_each_partition(store: PostgresStore, database: str) -> None:
    """E7: of interest or not, every name is counted, with when and where it was seen last."""
    one = NameSeen("typo.event", "t", 0, 3, AT, AT + minutes(1), 17)
    await save(store, [], names=[one, one._replace(partition=1)])
    earlier = one._replace(times=2, first_at=AT - minutes(1), last_at=AT, last_offset=21)
    await save(store, [], names=[earlier])
    found = "select partition, count, first_at, last_at, last_offset from name_counts order by 1"
    assert await rows(database, found) == [
        (0, 5, AT - minutes(1), AT + minutes(1), 21),
        (1, 3, AT, AT + minutes(1), 17),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"payload_text": '{"a": "\\ud83d"'},
        {"name": "a\0b"},
        {"id": "half \ud83d"},
        {"headers": (("h", "half \ud83d"),)},
        {"payload_text": "[" * 100_000 + "]" * 100_000},
    ],
    ids=["no JSON", "NUL", "half a character", "half a character in JSON", "too deep"],
)
async def test_what_can_never_be_stored_is_refused_for_good(
    store: PostgresStore, changes: dict[str, object]
) -> None:
    """E5: a permanent error is told apart, so that the batch is bisected down to its event."""
    contact_id = await new_contact(store, email(1))
    bad = replace(event(1), **changes)
    with pytest.raises(Refused) as refused:
        await save(
            store, [contact_id], events=[record(event(2), contact_id), record(bad, contact_id)]
        )
    assert refused.value.sqlstate.startswith(("22", "54"))
    assert "example.com" not in str(refused.value)
    await save(store, [contact_id], events=[record(event(2), contact_id)])
