"""A whole topic from offset 0 once more, into the same database: nothing happens twice (E4)."""

from __future__ import annotations

from tests.integration.drawn import Post, automation, post, waiting
from tests.integration.kit import House
from tests.waiting import until_so

PEOPLE = 60

#: Everything that was remembered; what counts records, or says when, may count them again.
KEPT = (
    *("contacts", "identifiers", "events", "duplicates", "quarantine", "identity_notes"),
    *("runs_active", "runs_done", "closed_waits", "enrolments", "outbox", "messages"),
    *("automations", "versions", "interests", "audit", "name_counts"),
)


async def test_a_topic_from_offset_0_changes_not_one_row(house: House) -> None:
    """E4, S1, F2: an operator sets every offset back; runs, waits, messages, people stay as is."""
    await house.apply(
        automation(timeout="1 hour"),
        automation("Impatient", timeout="1 second") | {"reentry": "once"},
        waiting("Keyed", start="order.completed") | {"reentry": "key:event.order_id"},
    )
    async with house.worker():
        places = await house.publish(*story(house.contacts))
        await house.until_applied(places)
        await until_so(lambda: is_quiet(house), 40)
    before, files = await contents(house), house.files()
    topics = await house.value("select count(*) from partitions")
    assert topics == 8
    await house.connection.execute("update partitions set next_offset = 0")

    async with house.worker() as worker:
        await house.until_applied(places)
        await until_so(lambda: is_quiet(house), 40)
        again = worker.counters.value("redelivered") + worker.counters.value("duplicates")
        assert again >= len(before["events"]) + len(before["duplicates"])
        assert worker.counters.value("runs_started") == 0
        assert worker.counters.value("effects") == 0
    after = await contents(house)
    for table, rows in before.items():
        assert after[table] == rows, table
    assert house.files() == files


def story(contacts: str) -> list[Post]:
    """Return all kinds of records: new and known people, answers, refusals, twins, poison."""
    posts: list[Post] = []
    for number in range(PEOPLE):
        email, name = f"p{number}@example.com", f"cust-{number}"
        order = {"order_id": f"o-{number % 7}"}
        posts += [
            post("order.completed", id=f"order-{number}", email=email, payload=order),
            post("contact.identified", topic=contacts, email=email, external_id=name),
        ]
        if number % 2:
            posts.append(post("email.opened", id=f"open-{number}", external_id=name, email=email))
        if number % 3 == 0:
            posts += [
                post("order.completed", id=f"order-{number}", email=email, payload=order),
                post("order.completed", id=f"order-{number}", email=email, payload={"n": 1}),
                post("order.completed", email=email),
            ]
        if number % 5 == 0:
            posts += [Post(b"{poison"), Post(None), post("noise", email=email)]
        if number % 4 == 0:  # an address is changed: the old one names nobody from then on
            changed = {"first_name": "Ann", "email": f"new-{number}@example.com"}
            posts.append(post("contact.updated", topic=contacts, external_id=name, payload=changed))
            posts.append(post("noise", email=email, external_id=name))
    return posts


async def is_quiet(house: House) -> bool:
    """Say whether all is sent and only the long waits are open."""
    return bool(
        await house.value(
            "select not exists (select from outbox) and not exists (select from kafka_outbox)"
            " and not exists (select from runs_active where activity <> 'waiting'"
            "  or due_at < now() + interval '1 minute')"
        )
    )


async def contents(house: House) -> dict[str, list[str]]:
    """Return every row of every table, as text."""
    return {
        table: [row for (row,) in await house.rows(f"select t::text from {table} t order by 1")]
        for table in KEPT
    }
