"""Consent on real tables: read when a send is claimed, and addresses that stay suppressed: F4."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from state.effect import Standing
from state.postgres.audience_changes import create_topic
from state.postgres.store import PostgresStore
from tests.integration.doors import CONTACTS, Door, Log
from tests.integration.drawn import TEMPLATES
from tests.integration.kit import publish_version
from tests.stored import rows

MESSAGES = "select step_key, status, error ->> 'code' from messages order by created_at, step_key"


def sending(name: str = "Sending", **config: object) -> dict[str, Any]:
    """Return an automation that sends an e-mail, so configured, and then a push."""
    mail = {"template": {"id": "receipt"}, **config}
    steps = [
        {"key": "start", "type": "trigger", "config": {"event_name": "order"}},
        {"key": "mail", "type": "send_email", "config": mail},
        {"key": "end", "type": "contact_update", "config": {"properties": {"went": "on"}}},
    ]
    ways = [{"from": "start", "to": "mail"}, {"from": "mail", "to": "end"}]
    return {"name": name, "steps": steps, "connections": ways, "templates": TEMPLATES}


async def ordered(door: Door, log: Log, **said: object) -> None:
    """Let Ann order; her e-mail is decided upon, and not yet claimed."""
    await door.feed([log.add("order", email="ann@x.io", **said)])


def mails(folder: Path) -> int:
    return len(list(folder.glob("*.eml")))


async def ended(database: str) -> list[tuple[str, str]]:
    return await rows(database, "select reason, past from runs_done order by created_at")


async def test_who_unsubscribes_between_decision_and_claim_is_skipped_and_the_run_goes_on(
    door: Door, store: PostgresStore, database: str, tmp_path: Path
) -> None:
    """F4: the claim reads consent as it stands; every other step runs."""
    await publish_version(store, sending())
    log = Log()
    await ordered(door, log)
    await door.feed([log.add("contact.unsubscribed", topic=CONTACTS, email="ann@x.io")])
    await door.settle()
    assert await rows(database, MESSAGES) == [("mail", "skipped", "unsubscribed")]
    ((reason, past),) = await ended(database)
    assert reason == "completed_end"
    assert '"skipped":"unsubscribed"' in past
    assert '"key":"end"' in past
    assert mails(tmp_path) == 0


async def test_a_transactional_message_goes_out_all_the_same(
    door: Door, store: PostgresStore, database: str, tmp_path: Path
) -> None:
    """F4: it ignores unsubscribe."""
    await publish_version(store, sending(category="transactional"))
    log = Log()
    await door.feed([log.add("contact.unsubscribed", topic=CONTACTS, email="ann@x.io")])
    await ordered(door, log)
    await door.settle()
    assert await rows(database, MESSAGES) == [("mail", "sent", None)]
    assert mails(tmp_path) == 1


async def test_a_topics_choice_and_default_are_read_at_the_claim(
    door: Door, store: PostgresStore, database: str
) -> None:
    """F4: the default holds until the contact chooses."""
    async with store.session() as session:
        await create_topic(session, "digest", ("Digest", None, "opt_out"), "test")
    document = sending(topic_id="digest") | {
        "topics": {"digest": {"default_subscription": "opt_out"}}
    }
    await publish_version(store, document)
    log = Log()
    await ordered(door, log)
    await door.settle()
    joined = {"topic": CONTACTS, "email": "ann@x.io", "payload": {"topic": "digest"}}
    await door.feed([log.add("contact.subscribed", **joined)])
    await ordered(door, log)
    await door.settle()
    await ordered(door, log)
    await door.feed([log.add("contact.unsubscribed", **joined)])
    await door.settle()
    assert [row[1:] for row in await rows(database, MESSAGES)] == [
        ("skipped", "topic_unsubscribed"),
        ("sent", None),
        ("skipped", "topic_unsubscribed"),
    ]


async def test_a_bounce_suppresses_the_address_whoever_asks_next(
    door: Door, store: PostgresStore, database: str, tmp_path: Path
) -> None:
    """F4, E7: by the message it names, although no automation listens; transactional too."""
    await publish_version(store, sending(), sending("Other", category="transactional"))
    log = Log()
    await ordered(door, log)
    await door.settle()
    ((message_id,), _) = await rows(database, "select message_id from messages")
    bounced = {"email_id": str(message_id), "bounce": {"type": "Permanent"}}
    again = log.add("email.bounced", external_id="provider", payload=bounced)
    await door.feed([again])
    assert await rows(database, "select reason, source, contact_id from suppressions") == [
        ("bounced", str(again.coordinates), None)
    ]
    assert await rows(database, "select count(*) from events where name = 'email.bounced'") == [
        (0,)
    ]
    await ordered(door, log)
    await door.settle()
    statuses = [status for _, status, _ in await rows(database, MESSAGES)]
    assert statuses == ["sent", "sent", "skipped", "skipped"]
    assert mails(tmp_path) == 2


async def test_a_suppression_survives_whoever_had_the_address(
    door: Door, store: PostgresStore, database: str
) -> None:
    """F4, I5: only the address's keyed hash is kept, and it binds whoever has it next."""
    await publish_version(store, sending())
    log = Log()
    await door.feed([log.add("email.complained", email="Ann@X.io")])
    stored = await rows(database, "select * from suppressions")
    assert "ann" not in repr(stored).lower().replace("complained", "")
    assert await rows(database, "select count(*) from contacts") == [(0,)]
    await ordered(door, log)
    await door.settle()
    assert await rows(database, MESSAGES) == [("mail", "skipped", "suppressed")]


async def test_a_contact_that_is_gone_is_not_written_to(
    door: Door, store: PostgresStore, database: str
) -> None:
    """F4, I5: the effect may outlive its contact; nobody is written to who was deleted."""
    await publish_version(store, sending())
    await ordered(door, Log())
    async with store.session() as session:
        await session.run("update contacts set deleted_at = now()")
    (claimed,) = await store.claim_effects(10, timedelta(minutes=1))
    assert claimed.standing.is_deleted


async def test_a_merged_contact_stands_as_its_survivor(
    door: Door, store: PostgresStore, database: str
) -> None:
    """F4, I3: what the survivor said counts for a send that was decided before the merge."""
    await publish_version(store, sending())
    log = Log()
    await ordered(door, log)
    unsubscribed = log.add("contact.unsubscribed", topic=CONTACTS, external_id="survivor")
    await door.feed([unsubscribed])
    async with store.session() as session:
        await session.run(
            "update contacts set merged_into = (select contact_id from identifiers where kind = 1)"
            " where contact_id = (select contact_id from identifiers where kind = 2)"
        )
    (claimed,) = await store.claim_effects(10, timedelta(minutes=1))
    assert claimed.standing == Standing(is_unsubscribed=True)


async def test_a_send_of_unknown_outcome_is_not_called_skipped(
    door: Door, store: PostgresStore, database: str
) -> None:
    """F3, F4: it may have gone out before the contact left; nothing is sent, and that is said."""
    await publish_version(store, sending())
    log = Log()
    await ordered(door, log)
    await store.claim_effects(10, timedelta(0))  # by a relay that died
    await door.feed([log.add("contact.unsubscribed", topic=CONTACTS, email="ann@x.io")])
    await door.settle()
    assert await rows(database, MESSAGES) == [("mail", "unknown", "unsubscribed")]


async def test_each_of_many_claims_has_the_standing_of_its_own_contact(
    door: Door, store: PostgresStore
) -> None:
    """F4: one statement tells how all of them stand."""
    await publish_version(store, sending())
    log = Log()
    await door.feed([log.add("order", email=f"p{number}@x.io") for number in range(300)])
    left = [log.add("contact.unsubscribed", topic=CONTACTS, email=f"p{n}@x.io") for n in range(100)]
    await door.feed(left)
    await door.feed([log.add("email.complained", email=f"p{n}@x.io") for n in range(200, 300)])
    claimed = await store.claim_effects(1000, timedelta(minutes=1))
    stands = {str(one.effect.message["to"]): one.standing for one in claimed}
    assert len(stands) == 300
    for number in range(300):
        assert stands[f"p{number}@x.io"] == Standing(
            is_unsubscribed=number < 100, is_suppressed=number >= 200
        )
