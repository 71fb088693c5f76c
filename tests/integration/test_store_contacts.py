"""Who is who: I1, I2, I6."""

from datetime import timedelta

import pytest

from state.contact import Contact, Link, Profile, Stamp, contact_uuid
from state.event import Identifier
from state.postgres.contacts import BLOCK
from state.postgres.store import PostgresStore
from state.turn import Changes, Claim, LockRequest, Moved
from tests.stored import AT, email, look, new_contact, rows, save

PROFILE = Profile(
    fields={"first_name": "Ann", "unsubscribed": False},
    properties={"plan": "gold", "scores": [1, 2.5, None]},
    topics={"news": False},
    stamps={"first_name": Stamp(AT, "waitline.contacts/000000/7"), "topics.news": Stamp(AT, "x")},
)


def link(identifier: Identifier, later: int = 0) -> Link:
    return Link(identifier, AT + timedelta(seconds=later), f"evt_{later}")


async def test_identifiers_of_every_kind_lead_to_their_contact(store: PostgresStore) -> None:
    """I1: a public contact id too, if there is such a contact; others are ignored."""
    known = [
        Identifier("external_id", "u-1"),
        Identifier("email", "a@example.com"),
        Identifier("phone", "+4930123"),
        Identifier("anonymous_id", "a@example.com"),
    ]
    contact_id = await new_contact(store, *known)
    named = Identifier("contact_id", str(contact_uuid(contact_id)))
    nobody = [
        Identifier("contact_id", str(contact_uuid(contact_id + 1))),
        Identifier("contact_id", "00000000-0000-0000-0000-000000000001"),
        Identifier("contact_id", "not an id"),
        Identifier("phone", "a@example.com"),
    ]
    expected = dict.fromkeys([*known, named], contact_id)
    async with store.transaction("events") as transaction:
        assert await transaction.resolve([*known, named, *nobody]) == expected
        snapshot = await transaction.lock(LockRequest([contact_id], [*known, named, *nobody]))
    assert snapshot.owners == expected
    (contact,) = snapshot.contacts.values()
    assert [one.identifier for one in contact.links] == known
    assert contact.profile == Profile()


async def test_a_contact_to_lock_that_is_gone_begins_the_turn_again(store: PostgresStore) -> None:
    with pytest.raises(Moved, match="gone"):
        await look(store, LockRequest([7]))


async def test_links_are_loaded_in_the_order_in_which_they_were_made(store: PostgresStore) -> None:
    """D1: by when their events were recorded, whatever turn they came by."""
    contact_id = await new_contact(store, email(9))
    made = [link(email(n), later) for n, later in ((5, 3), (3, 1), (4, 1), (1, 2))]
    await save(store, [contact_id], binds=[(contact_id, one) for one in made])
    loaded = (await look(store, LockRequest([contact_id]))).contacts[contact_id].links
    in_time = [made[1], made[2], made[3], made[0]]
    assert [one for one in loaded if one.identifier != email(9)] == in_time


async def test_identifiers_change_hands_and_are_released_in_one_turn(
    store: PostgresStore, database: str
) -> None:
    """I2: a contact event sets an address; the old one is released, and may go to another."""
    ann, bob = await new_contact(store, email(1), email(2)), await new_contact(store, email(3))
    await save(
        store,
        [ann, bob],
        unbinds=[email(2), email(8)],
        binds=[(bob, link(email(1))), (ann, link(email(4)))],
    )
    held = "select contact_id, value from identifiers order by value"
    assert await rows(database, held) == [
        (bob, email(1).value),
        (bob, email(3).value),
        (ann, email(4).value),
    ]


async def test_an_identifier_of_somebody_who_is_not_locked_is_left_alone(
    store: PostgresStore,
) -> None:
    ann, bob = await new_contact(store, email(1)), await new_contact(store, email(2))
    await save(store, [ann], unbinds=[email(2)])
    with pytest.raises(Moved):
        await save(store, [ann], binds=[(ann, link(email(2)))])
    assert (await look(store, LockRequest([bob], [email(2)]))).owners == {email(2): bob}


async def test_contacts_claimed_in_vain_leave_nothing(store: PostgresStore, database: str) -> None:
    """A claim that the decision did not need (a duplicate, a link instead) is undone with it."""
    used, unused = await store.contact_ids(2)
    async with store.transaction("events") as transaction:
        claims = [Claim(email(n), owner, AT, "e") for n, owner in ((1, used), (2, unused))]
        await transaction.claim(claims)
        snapshot = await transaction.lock(LockRequest())
        changes = Changes(now=snapshot.now, unbinds=[email(2)], forgotten_contacts=[unused])
        changes.binds.append((used, link(email(3))))
        await transaction.save(changes)
    assert await rows(database, "select contact_id from contacts") == [(used,)]
    values = "select value from identifiers where contact_id = $1 order by value"
    assert await rows(database, values, used) == [(email(1).value,), (email(3).value,)]


async def test_a_claim_may_name_a_known_contact(store: PostgresStore) -> None:
    contact_id = await new_contact(store, email(1))
    async with store.transaction("events") as transaction:
        await transaction.claim([Claim(email(2), contact_id, AT, "evt_2", is_first_sight=False)])
        snapshot = await transaction.lock(LockRequest([contact_id], [email(1), email(2)]))
        await transaction.save(Changes(now=snapshot.now))
    assert snapshot.owners == {email(1): contact_id, email(2): contact_id}


async def test_profiles_are_kept_with_the_stamps_of_their_writers(
    store: PostgresStore, database: str
) -> None:
    """I6: the last writer by V needs to be known; a contact of nothing has no document at all."""
    contact_id = await new_contact(store, email(1))
    (fresh_id,) = await store.contact_ids(1)
    await save(
        store,
        [contact_id],
        new_contacts=[Contact(fresh_id, AT)],
        profiles={contact_id: PROFILE, fresh_id: PROFILE},
    )
    contacts = (await look(store, LockRequest([contact_id, fresh_id]))).contacts
    assert [one.profile for one in contacts.values()] == [PROFILE, PROFILE]
    assert contacts[fresh_id] == Contact(fresh_id, AT, (), PROFILE)
    await save(store, [contact_id], profiles={contact_id: Profile()})
    stored = "select profile::text from contacts where contact_id = $1"
    assert await rows(database, stored, contact_id) == [(None,)]


async def test_a_contact_that_is_not_locked_cannot_be_changed(store: PostgresStore) -> None:
    contact_id = await new_contact(store, email(1))
    with pytest.raises(AssertionError, match="without its lock"):
        await save(store, [], profiles={contact_id: PROFILE})


async def test_a_block_of_numbers_is_the_step_of_the_sequence(database: str) -> None:
    step = "select increment_by from pg_sequences where sequencename = 'contacts_contact_id_seq'"
    assert await rows(database, step) == [(BLOCK,)]
