"""Calendar durations through the real store: whose clock counted is on the run, and stays there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from state.duration import Duration, parse_duration
from state.moment import moment_text
from state.postgres.store import PostgresStore
from state.zone import zone_of
from tests.calendar_oracle import expected
from tests.integration.doors import CONTACTS, EVENTS, Door, Log, history, open_door
from tests.integration.kit import publish_version

#: Whose event comes by whose address, where they live, and whose clock counts for them.
PEOPLE = {
    "ann@example.com": ("Europe/Berlin", "Europe/Berlin"),
    "bob@example.com": (None, "America/New_York"),
    "cleo@example.com": ("Europe/Berln", "America/New_York"),
    "dan@example.com": ("Asia/Kathmandu", "Asia/Kathmandu"),
}


async def test_days_are_counted_by_the_contacts_clock(
    store: PostgresStore, database: str, tmp_path: Path
) -> None:
    """T1, R4: over the next change of Berlin's clocks, Ann's days are not 24 hours each."""
    days = days_to_next_change("Europe/Berlin")
    await publish_version(store, sleeping(f"P{days}D"))
    places = [(EVENTS, 0), (CONTACTS, 0)]
    async with open_door(database, "one", *places, folder=tmp_path) as door:
        await door.feed(story())
        due = await parked(door)
        assert due.keys() == PEOPLE.keys()
        for email, (_, counts) in PEOPLE.items():
            entered, due_at = due[email]
            assert due_at == expected(entered, zone(counts), parse_duration(f"P{days}D")), email
        entered, due_at = due["ann@example.com"]
        assert abs(due_at - entered - timedelta(days=days)) == timedelta(hours=1)
        assert await refused(door) == [
            "payload.time_zone: expected an IANA time zone, such as Europe/Paris"
        ]

        await until_due(door)
        await door.wake.sweep()
        await door.settle()
        for email, output in (await slept(door)).items():
            said = {"until": moment_text(due[email][1]), "time_zone": PEOPLE[email][1]}
            assert output == said, email


def days_to_next_change(name: str) -> int:
    """Return in how many days a zone's clocks will have been moved, and only once."""
    now = datetime.now(UTC)
    offsets = [expected(now, zone(name), Duration(days=days)) - now for days in range(1, 300)]
    return next(days for days, span in enumerate(offsets, 1) if span != timedelta(days=days)) + 1


def zone(name: str) -> Any:
    found = zone_of(name)
    assert found is not None
    return found


def sleeping(span: str) -> dict[str, Any]:
    return {
        "name": "Sleeping",
        "time_zone": "America/New_York",
        "steps": [
            {"key": "start", "type": "trigger", "config": {"event_name": "go"}},
            {"key": "pause", "type": "delay", "config": {"duration": span}},
        ],
        "connections": [{"from": "start", "to": "pause"}],
    }


def story() -> list[Any]:
    """Return everybody's profile, then everybody's trigger."""
    log = Log()
    for email, (lives, _) in PEOPLE.items():
        if lives is not None:
            said = {"email": email, "payload": {"time_zone": lives}}
            log.add("contact.updated", topic=CONTACTS, **said)
    for email in PEOPLE:
        log.add("go", id=email, email=email)
    return log.in_order()


async def parked(door: Door) -> dict[str, tuple[datetime, datetime]]:
    """Return by address when each delay was entered, and when it is due."""
    async with door.store.session() as session:
        rows = await session.rows(
            "select trigger::json ->> 'id', created_at, due_at from runs_active"
        )
    return {email: (entered, due_at) for email, entered, due_at in rows}


async def refused(door: Door) -> list[str]:
    async with door.store.session() as session:
        return [detail for (detail,) in await session.rows("select detail from quarantine")]


async def until_due(door: Door) -> None:
    """Let the days pass: only the timer's column knows of them."""
    async with door.store.session() as session:
        await session.run("update runs_active set due_at = statement_timestamp()")


async def slept(door: Door) -> dict[str, Any]:
    """Return by address what the finished delays say of themselves."""
    async with door.store.session() as session:
        rows = await session.rows("select doc::json -> 'trigger' ->> 'id', past from runs_done")
    return {email: history(past)[-1]["step"]["output"] for email, past in rows}
