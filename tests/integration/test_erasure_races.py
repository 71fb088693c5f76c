"""What is under way while a person is deleted, and what a deletion could miss (I5)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from state.effect import Effect
from state.postgres.pauses import set_pause
from state.postgres.store import PostgresStore
from stream.clock import SystemClock
from stream.relay import Relay, RelayLimits
from stream.senders.sender import Declined, Outcome
from tests.integration.command import operate
from tests.integration.doors import CONTACTS, Door, Log
from tests.integration.drawn import automation, waiting
from tests.integration.kit import publish_version
from tests.stored import rows

ANN, BOB = "ann@example.com", "bob@example.com"
COOKIE = "cookie-of-ann"


async def forget_nothing(_messages: Sequence[UUID]) -> None:
    """Stand for senders that keep nothing."""


async def test_a_merge_that_was_undone_forgets_whoever_is_deleted(
    database: str, store: PostgresStore, door: Door
) -> None:
    """I5, I3: its log named both, and the one that is deleted now was the merged one."""
    await publish_version(store, waiting())
    log = Log()
    await door.feed([log.add("go", email=BOB), log.add("go", anonymous_id=COOKIE)])
    both = {"email": BOB, "anonymous_id": COOKIE}
    await door.feed([log.add("contact.identified", topic=CONTACTS, **both)])
    ((merge_id,),) = await rows(database, "select merge_id from merges")
    undo = ("contacts", "unmerge", str(merge_id), "--why", "two people")
    assert (await operate(database, *undo)).code == 0
    await door.feed([log.add("contact.deleted", topic=CONTACTS, anonymous_id=COOKIE)])
    assert await rows(database, "select undo from merges") == [(None,)]


async def test_a_deletion_that_has_to_wait_holds_up_no_other(
    database: str, store: PostgresStore, door: Door
) -> None:
    """I5: Ann's message was claimed, and nobody has answered; Bob's traces go meanwhile."""
    await publish_version(store, automation())
    log = Log()
    await door.feed([log.add("order.completed", email=ANN)])
    (claimed,) = await store.claim_effects(10, timedelta(minutes=1))
    assert claimed.effect.message["to"] == ANN
    await door.feed([log.add("contact.deleted", topic=CONTACTS, email=ANN)])
    await door.feed([log.add("contact.deleted", topic=CONTACTS, email=BOB)])
    done = await store.erase_leftover(forget_nothing)
    assert done is not None
    assert [one.value for one in done.identifiers] == [BOB]
    assert await store.erase_leftover(forget_nothing) is None


async def test_a_deletion_does_not_wait_for_a_release(
    database: str, store: PostgresStore, door: Door
) -> None:
    """I5, T3: of a held automation nothing is sent, but what was called back is settled."""
    await publish_version(store, automation("Held"))
    log = Log()
    await door.feed([log.add("order.completed", email=ANN)])
    assert len(await store.claim_effects(10, timedelta(0))) == 1, "by a worker that dies"
    await door.feed([log.add("order.completed", email=BOB)])
    async with store.session() as session:
        await set_pause(session, "Held", "hold", "test")
    await door.feed([log.add("contact.deleted", topic=CONTACTS, email=ANN)])
    await door.settle()
    assert await store.erase_leftover(forget_nothing) is not None
    assert await rows(database, "select recipient from outbox") == [(BOB,)]


class Talkative:
    """Refuses everything, and says to whom, once it is told to go on."""

    honours_keys = True

    def __init__(self) -> None:
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    async def send(self, effect: Effect) -> Outcome:
        self.asked.set()
        await self.may.wait()
        return Declined("550", f"<{effect.message['to']}> is unknown here")


async def test_the_answer_to_a_message_that_was_on_its_way_names_nobody(
    database: str, store: PostgresStore, door: Door
) -> None:
    """I5, F4: providers quote the address; what is answered after the deletion goes with it."""
    await publish_version(store, automation())
    log, provider = Log(), Talkative()
    await door.feed([log.add("order.completed", email=ANN)])
    relay = Relay(
        door.store,
        door.processor,
        {"email": provider, "push": provider},
        SystemClock(),
        door.counters,
        RelayLimits(),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.sweep())
        await provider.asked.wait()
        await door.feed([log.add("contact.deleted", topic=CONTACTS, email=ANN)])
        assert await store.erase_leftover(forget_nothing) is None
        provider.may.set()
    assert await store.erase_leftover(forget_nothing) is not None
    told = "select recipient, title, status, error ->> 'code', error ->> 'message' from messages"
    assert await rows(database, told) == [("erased", None, "failed", "550", "erased")]


async def test_a_message_of_a_deleted_person_whose_worker_died_is_settled(
    database: str, store: PostgresStore, door: Door
) -> None:
    """I5, F3: it is claimed once more when its lease ends, and tells nothing but that it ended."""
    await publish_version(store, automation())
    log = Log()
    await door.feed([log.add("order.completed", email=ANN)])
    assert len(await store.claim_effects(10, timedelta(seconds=0))) == 1
    await door.feed([log.add("contact.deleted", topic=CONTACTS, email=ANN)])
    await door.settle()
    assert await store.erase_leftover(forget_nothing) is not None
    told = "select recipient, status, error ->> 'message' from messages"
    assert await rows(database, told) == [("erased", "unknown", "erased")]


async def test_what_kafka_has_not_taken_yet_is_erased(
    database: str, store: PostgresStore, door: Door
) -> None:
    """I5, E5: dead letters whose topic nobody can write to; those of others stay, in order."""
    await publish_version(store, waiting())
    log = Log()
    for names in ((BOB, ANN, "eve@example.com"), (ANN,)):
        await door.feed([log.add("go", email=name, occurred_at="never") for name in names])
    await door.feed([log.add("contact.deleted", topic=CONTACTS, email=ANN)])
    assert await store.erase_leftover(forget_nothing) is not None
    rest, none = await store.outgoing("dead-letters", 10)
    assert [json.loads(one.value)["email"] for one in rest.records] == [BOB, "eve@example.com"]
    offsets = [dict(one.headers)["waitline-offset"] for one in rest.records]
    assert (offsets, none.records) == ([b"0", b"2"], [])
