"""Merged people as operators see them, on a real Postgres: I3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from state.contact import contact_uuid
from tests.integration.command import Said, waitline
from tests.integration.doors import CONTACTS, EVENTS, Door, Log, open_door
from tests.integration.drawn import waiting
from tests.integration.kit import publish_version
from tests.stored import rows

COOKIE, EMAIL = "anonymous_id:cookie-1", "email:ann@example.com"
BY_COOKIE, BY_EMAIL = {"anonymous_id": "cookie-1"}, {"email": "ann@example.com"}


@asynccontextmanager
async def opened(database: str, folder: Path) -> AsyncIterator[tuple[Door, Log]]:
    """Open a door with an automation that waits, and a log that begins after its enabling."""
    async with open_door(database, "one", (EVENTS, 0), (CONTACTS, 0), folder=folder) as door:
        await publish_version(door.store, waiting())
        yield door, Log()


async def operate(database: str, *arguments: str) -> Said:
    return await waitline({"DATABASE_URL": database}, *arguments)


async def met(door: Door, log: Log, event_id: str = "met") -> None:
    """Let an event name the visitor and the customer: they are one."""
    both = BY_COOKIE | BY_EMAIL
    await door.feed([log.add("contact.identified", topic=CONTACTS, id=event_id, **both)])


async def public_id(database: str, value: str) -> str:
    sql = "select contact_id from identifiers where value = $1"
    ((number,),) = await rows(database, sql, value)
    return str(contact_uuid(number))


# --- reading through the merge set ----------------------------------------------------------------


async def test_a_merged_contact_is_shown_with_all_it_was(database: str, tmp_path: Path) -> None:
    """I3: runs that ended under the other number too, by either identifier and either id."""
    async with opened(database, tmp_path) as (door, log):
        await door.feed([log.add("go", id="go-1", **BY_COOKIE)])
        await door.feed([log.add("answer", id="answer-1", **BY_COOKIE)])
        await door.feed([log.add("go", id="go-2", **BY_EMAIL)])
        gone = await public_id(database, "cookie-1")
        kept = await public_id(database, "ann@example.com")
        await met(door, log)
    asked = (EMAIL, COOKIE, f"contact_id:{kept}", f"contact_id:{gone}")
    shown = [(await operate(database, "contacts", "show", one, "--json")).document for one in asked]
    assert [one == shown[0] for one in shown] == [True] * 4
    assert (shown[0]["id"], shown[0]["absorbed"]) == (kept, [gone])
    assert [one["trigger_event"]["id"] for one in shown[0]["runs"]] == ["go-2", "go-1"]
    for one in asked:
        listed = (await operate(database, "runs", "list", "--contact", one, "--json")).document
        assert [run["id"] for run in listed] == [run["id"] for run in shown[0]["runs"]]
    assert gone in (await operate(database, "contacts", "show", EMAIL)).out


async def test_a_finished_run_says_who_its_contact_has_become(
    database: str, tmp_path: Path
) -> None:
    """I3: the record keeps the number it ended under; a person is told whose it is now."""
    async with opened(database, tmp_path) as (door, log):
        await door.feed([log.add("go", id="go-1", **BY_COOKIE)])
        await door.feed([log.add("answer", id="answer-1", **BY_COOKIE)])
        await door.feed([log.add("go", id="go-2", **BY_EMAIL)])
        gone = await public_id(database, "cookie-1")
        kept = await public_id(database, "ann@example.com")
        await met(door, log)
    ((run_id,),) = await rows(database, "select run_id from runs_done")
    shown = await operate(database, "runs", "show", str(run_id), "--json")
    assert shown.document["contact_id"] == gone
    told = await operate(database, "runs", "show", str(run_id))
    assert f"{gone}, merged since into {kept}" in told.out


async def test_an_event_is_explained_by_the_waits_of_whom_its_contact_became(
    database: str, tmp_path: Path
) -> None:
    """I3, O3: the customer's wait has looked back over the visitor's events, and says why not."""
    async with opened(database, tmp_path) as (door, log):
        await door.feed([log.add("answer", id="answer-1", **BY_COOKIE)])
        await door.feed([log.add("go", id="go-2", **BY_EMAIL)])
        await met(door, log)
    told = await operate(database, "explain", "answer-1", "--source", EVENTS, "--json")
    assert told.document["verdict"] == "before_window", told.out
