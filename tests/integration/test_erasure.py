"""A person asks to be forgotten: afterwards no table and no file knows them (I5)."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.drawn import automation, post, waiting
from tests.integration.kit import House
from tests.waiting import until_so

ANN = "ann.zanzibar@example.com"
CUSTOMER = "zanzibar-17"
WORD = "zanzibar"

TABLES = """
select table_name from information_schema.tables
where table_schema = 'public' and table_type = 'BASE TABLE'
"""


async def mentions(house: House) -> dict[str, list[str]]:
    """Return every row of every table that holds the word, bytes looked into."""
    found: dict[str, list[str]] = {}
    for (table,) in await house.rows(TABLES):
        for row in await house.rows(f'select * from "{table}"'):
            said = [
                cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in row
            ]
            if any(WORD in cell.lower() for cell in said):
                found.setdefault(table, []).append(" | ".join(said))
    return found


def mentioned_in_files(house: House) -> list[str]:
    return [name for name, content in house.files().items() if WORD in content.decode().lower()]


async def lives(house: House) -> None:
    """Let Ann leave a trace everywhere: runs, messages, quarantine, audit, files, links."""
    known: dict[str, Any] = {"email": ANN, "external_id": CUSTOMER}
    said = {"payload": {"word": WORD}}
    await house.apply(automation(), waiting())
    profile = {"payload": {"first_name": WORD, "properties": {"city": WORD}}}
    places = await house.publish(
        post("contact.updated", topic=house.contacts, **known, **profile),
        post("go", id="waits", **known, **said),
        post("go", id="answered", **known, **said),
        post("order.completed", id="order", email=ANN, **said),
        post("order.completed", id="order", email=ANN, payload={"word": f"other {WORD}"}),
        post("go", id="bad", email=ANN, occurred_at=f"not a time, {WORD}"),
    )
    await house.until_applied(places)
    await house.run_when("order", lambda run: run["activity"] == "waiting")
    answer = post("answer", id="a", email=ANN, anonymous_id=f"cookie-{WORD}", **said)
    await house.until_applied(await house.publish(answer))
    run = await house.run("order")
    assert run is not None
    await house.waitline("contacts", "show", f"email:{ANN}", "--json")


async def test_after_a_deletion_no_table_and_no_file_knows_the_person(house: House) -> None:
    """I5, R4, E5: identifiers, payloads, messages, quarantine; what stays tells of nobody.

    What happened before and comes later is erased, what happens later is another contact's.
    """
    async with house.worker():
        await lives(house)
        before = set(await mentions(house))
        assert {"contacts", "identifiers", "events", "quarantine", "runs_done"} <= before
        assert mentioned_in_files(house)
        number = await house.value("select contact_id from identifiers where value = $1", ANN)
        earlier = await house.store.database_now()

        gone = await house.publish(post("contact.deleted", topic=house.contacts, email=ANN))
        await house.until_applied(gone)

        async def is_forgotten() -> bool:
            return not await house.count("kafka_outbox") and not await house.value(
                "select count(*) from erasures where done_at is null"
            )

        await until_so(is_forgotten, 30)
        assert await mentions(house) == {}
        assert mentioned_in_files(house) == []
        assert await house.count("runs_active") == 0
        reasons = await house.rows("select reason from runs_done where reason = 'contact_deleted'")
        assert len(reasons) == 1, "the order's run; those that were answered had ended"
        shown = await house.run("order")
        assert shown is not None
        assert [step["key"] for step in shown["steps"]][:2] == ["start", "receipt"]
        told = await house.waitline("explain", "waits")
        assert (told["verdict"], len(told["automations"])) == ("started", 1)
        told = await house.waitline("explain", "a")
        assert (told["verdict"], {one["step_key"] for one in told["waits"]}) == (
            "resumed",
            {"wait"},
        )

        late = post("go", id="late", email=ANN, occurred_at=earlier.isoformat())
        later = post("go", id="later", email=ANN)
        await house.until_applied(await house.publish(late, later))
        await house.run_when("later", lambda run: run["activity"] == "waiting")
        assert await house.run("late") is None
        told = await house.waitline("explain", "late", "--json")
        assert told["verdict"] == "erased"
        new = await house.value("select contact_id from identifiers where value = $1", ANN)
        assert new != number


async def test_a_complaint_about_an_erased_message_suppresses_the_events_own_address(
    house: House,
) -> None:
    """I5, F4: nobody can tell any more to whom it went; whoever comes back is left alone."""
    await house.apply(automation())
    async with house.worker():
        first = post("order.completed", id="first", email=ANN)
        await house.until_applied(await house.publish(first))
        run = await house.run_when("first", lambda run: run["activity"] == "waiting")
        (message,) = run["messages"]
        gone = post("contact.deleted", topic=house.contacts, email=ANN)
        await house.until_applied(await house.publish(gone))
        complaint = post("email.complained", email=ANN, payload={"email_id": message["id"]})
        second = post("order.completed", id="second", email=ANN)
        await house.until_applied(await house.publish(complaint, second))
        again = await house.run_when("second", lambda run: run["activity"] == "waiting")
        assert [one["status"] for one in again["messages"]] == ["skipped"]


async def test_two_people_whom_the_deletion_makes_one_are_both_forgotten(house: House) -> None:
    """I5, I3: nobody had linked the cookie to the address before."""
    cookie, said = f"cookie-{WORD}", {"payload": {"word": WORD}}
    await house.apply(automation(), waiting())
    async with house.worker():
        first = post("order.completed", id="order", email=ANN, **said)
        second = post("go", id="cookie", anonymous_id=cookie, **said)
        await house.until_applied(await house.publish(first, second))
        await house.run_when("cookie", lambda run: run["activity"] == "waiting")
        gone = post("contact.deleted", topic=house.contacts, email=ANN, anonymous_id=cookie)
        await house.until_applied(await house.publish(gone))

        async def is_forgotten() -> bool:
            return not await mentions(house)

        await until_so(is_forgotten, 30)
        assert await house.count("runs_active") == 0
        assert await house.count("outbox") == 0
        assert await house.value("select count(*) from contacts where deleted_at is null") == 0


async def test_whoever_comes_back_is_not_deleted_by_the_same_record_again(house: House) -> None:
    """I5, E4: the topic is read again from its beginning."""
    await house.apply(waiting())
    async with house.worker():
        first = post("go", id="first", email=ANN)
        await house.until_applied(await house.publish(first))
        gone = post("contact.deleted", topic=house.contacts, id="del", email=ANN)
        await house.until_applied(await house.publish(gone))
        again = post("go", id="second", email=ANN)
        await house.until_applied(await house.publish(again))
        twice = json.loads(gone.value or b"") | {"id": "other id"}
        at = await house.value("select before::text from erased_identifiers")
        twice["occurred_at"] = at.replace(" ", "T") + ":00"
        copy = post(twice.pop("event"), topic=house.contacts, **twice)
        await house.until_applied(await house.publish(copy))
        run = await house.run("second")
        assert run is not None
        assert run["activity"] == "waiting"
