"""Merged people as operators see them, and part them again, on a real Postgres: I3."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from state.contact import contact_uuid
from tests.integration.command import operate
from tests.integration.doors import CONTACTS, EVENTS, Door, Log, open_door
from tests.integration.drawn import waiting
from tests.integration.kit import publish_version
from tests.stored import rows

COOKIE, EMAIL = "anonymous_id:cookie-1", "email:ann@example.com"
BY_COOKIE, BY_EMAIL = {"anonymous_id": "cookie-1"}, {"email": "ann@example.com"}


@asynccontextmanager
async def opened(database: str, folder: Path, **drawn: object) -> AsyncIterator[tuple[Door, Log]]:
    """Open a door with an automation that waits, and a log that begins after its enabling."""
    async with open_door(database, "one", (EVENTS, 0), (CONTACTS, 0), folder=folder) as door:
        await publish_version(door.store, waiting() | drawn)
        yield door, Log()


async def met(door: Door, log: Log, event_id: str = "met") -> None:
    """Let an event name the visitor and the customer: they are one."""
    both = BY_COOKIE | BY_EMAIL
    await door.feed([log.add("contact.identified", topic=CONTACTS, id=event_id, **both)])


async def public_id(database: str, value: str) -> str:
    sql = "select contact_id from identifiers where value = $1"
    ((number,),) = await rows(database, sql, value)
    return str(contact_uuid(number))


async def merged_with_runs(database: str, door: Door, log: Log) -> tuple[str, str]:
    """Merge a visitor whose run is done into a customer whose run waits; return both ids."""
    await door.feed([log.add("go", id="go-1", **BY_COOKIE)])
    await door.feed([log.add("answer", id="answer-1", **BY_COOKIE)])
    await door.feed([log.add("go", id="go-2", **BY_EMAIL)])
    gone = await public_id(database, "cookie-1")
    kept = await public_id(database, "ann@example.com")
    await met(door, log)
    return gone, kept


# --- reading through the merge set ----------------------------------------------------------------


async def test_a_merged_contact_is_shown_with_all_it_was(database: str, tmp_path: Path) -> None:
    """I3: runs that ended under the other number too, by either identifier and either id."""
    async with opened(database, tmp_path) as (door, log):
        gone, kept = await merged_with_runs(database, door, log)
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
        gone, kept = await merged_with_runs(database, door, log)
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


async def test_an_exit_that_came_by_the_other_name_ends_a_run_at_the_merge(
    database: str, tmp_path: Path
) -> None:
    """I3, S3, O3: the run says by which event, that event which run; the merge is not undone."""
    async with opened(database, tmp_path, exit=[{"event": "refund"}]) as (door, log):
        await door.feed([log.add("go", id="go-1", **BY_COOKIE)])
        await door.feed([log.add("refund", id="refund-1", **BY_EMAIL)])
        await met(door, log)
    ((run_id,),) = await rows(database, "select run_id from runs_done")
    run = (await operate(database, "runs", "show", str(run_id), "--json")).document
    assert (run["ended_reason"], run["ended_by"]["id"]) == ("exited_rule", "refund-1")
    assert run["waits"][0]["status"] == "cancelled"
    shown = await operate(database, "runs", "show", str(run_id))
    assert "refund refund-1, events/0/1" in shown.out
    told = await operate(database, "explain", "refund-1", "--source", EVENTS, "--json")
    assert (told.document["verdict"], told.document["exits"][0]["run_id"]) == (
        "exited",
        str(run_id),
    )
    receipts = 'select unnest("values") from kafka_outbox where topic = $1'
    said = [json.loads(text) for (text,) in await rows(database, receipts, "receipts")]
    assert [one["event_id"] for one in said][-1] == "refund-1"
    (merge,) = (await operate(database, "contacts", "merges", "--json")).document
    assert merge["runs_decided"] == [str(run_id)]
    undo = await operate(database, "contacts", "unmerge", merge["id"], "--why", "a shared tablet")
    assert (undo.code, f"ended or moved run {run_id}" in undo.out) == (1, True)


# --- undoing --------------------------------------------------------------------------------------


async def both_waiting(door: Door, log: Log) -> None:
    """Let visitor and customer each have a run, and then be one."""
    await door.feed([log.add("go", id="go-1", **BY_COOKIE)])
    await door.feed([log.add("go", id="go-2", **BY_EMAIL)])
    said: dict[str, Any] = {"payload": {"properties": {"plan": "pro"}}}
    await door.feed([log.add("contact.updated", topic=CONTACTS, id="said", **said, **BY_COOKIE)])
    await met(door, log)


async def owners(database: str) -> dict[str, int]:
    return dict(await rows(database, "select value, contact_id from identifiers"))


async def test_a_merge_is_listed_and_undone_as_an_operator_would(
    database: str, tmp_path: Path
) -> None:
    """I3, O4: list, dry run, undo; then an event of the visitor goes to the visitor's own run."""
    async with opened(database, tmp_path) as (door, log):
        await both_waiting(door, log)
        (merge,) = (await operate(database, "contacts", "merges", "--json")).document
        gone, kept = merge["merged"], merge["survivor"]
        assert (merge["event_id"], merge["topic"], merge["undone_at"]) == ("met", CONTACTS, None)
        assert (merge["identifiers"], len(merge["runs_moved"])) == ([COOKIE], 1)
        assert merge["survivor_identifier"] == EMAIL
        assert merge["runs_decided"] == []
        asked = ("contacts", "merges", "--json", "--contact")
        for one in (EMAIL, COOKIE, f"contact_id:{gone}"):
            assert (await operate(database, *asked, one)).document == [merge]
        assert (await operate(database, *asked, "email:bob@example.com")).document == []
        undo = ("contacts", "unmerge", merge["id"], "--why", "a shared tablet")
        before = await owners(database)
        missing = await operate(database, *undo[:3])
        assert (missing.code, "--why is missing" in missing.err) == (2, True)
        dry = await operate(database, *undo[:3], "--dry-run")
        assert (dry.code, dry.out.splitlines()[:3]) == (
            0,
            [
                f"{gone} would be apart from {kept} ({EMAIL})",
                f"  identifiers that go back: {COOKIE}",
                f"  active runs that go back: {merge['runs_moved'][0]}",
            ],
        )
        assert await owners(database) == before
        done = (await operate(database, *undo, "--json")).document
        assert (done["undone"], done["identifiers"]) == (True, [COOKIE])
        assert await public_id(database, "cookie-1") == gone
        await door.feed([log.add("answer", id="answer-1", **BY_COOKIE)])
    shown = (await operate(database, "contacts", "show", COOKIE, "--json")).document
    assert (shown["id"], shown["profile"]["properties"]) == (gone, {"plan": "pro"})
    assert [(one["id"], one["status"]) for one in shown["runs"]] == [
        (merge["runs_moved"][0], "completed")
    ]
    shown = (await operate(database, "contacts", "show", EMAIL, "--json")).document
    assert (shown["id"], shown["absorbed"], shown["profile"]["properties"]) == (kept, [], {})
    assert [one["status"] for one in shown["runs"]] == ["running"]
    audit = "select target, after ->> 'why' from audit where what = 'contact.unmerge'"
    assert await rows(database, audit) == [(merge["id"], "a shared tablet")]
    again = await operate(database, *undo)
    assert (again.code, "it was undone already" in again.out) == (1, True)
    told = (await operate(database, "explain", "met", "--json")).document
    (note,) = told["identity"]["notes"]
    assert (note["verdict"], "became" in note["reason"]) == ("merged", True)
    assert re.search(r"; undone at \S+Z by cli:", note["reason"])
    assert "by cli:" in (await operate(database, "contacts", "merges")).out


async def test_merges_are_listed_by_either_side(database: str, tmp_path: Path) -> None:
    """I3: by any name and any id, while they stand and when they are undone; by nobody else's."""
    async with opened(database, tmp_path) as (door, log):
        await both_waiting(door, log)
        await door.feed([log.add("go", id="go-3", external_id="u")])
        await door.feed([log.add("go", id="go-4", email="bob@example.com")])
        both = BY_EMAIL | {"external_id": "u"}
        await door.feed([log.add("contact.identified", topic=CONTACTS, id="met-2", **both)])
    second, first = (await operate(database, "contacts", "merges", "--json")).document
    numbers = (first["merged"], first["survivor"], second["survivor"])
    names = (COOKIE, EMAIL, "external_id:u", *(f"contact_id:{one}" for one in numbers))

    async def listed() -> list[list[str]]:
        asked = ("contacts", "merges", "--json", "--contact")
        found = [(await operate(database, *asked, one)).document for one in names]
        return [[merge["event_id"] for merge in merges] for merges in found]

    assert await listed() == [["met-2", "met"]] * 6
    await operate(database, "contacts", "unmerge", second["id"], "--why", "a test order")
    by_name = [["met-2", "met"], ["met-2", "met"], ["met-2"]]
    assert await listed() == by_name * 2
    await operate(database, "contacts", "unmerge", first["id"], "--why", "a test order")
    by_name = [["met"], ["met-2", "met"], ["met-2"]]
    assert await listed() == by_name * 2
    others = ("contacts", "merges", "--contact", "email:bob@example.com")
    assert "no merges" in (await operate(database, *others)).err


async def test_a_merge_is_not_undone_once_an_event_has_come(database: str, tmp_path: Path) -> None:
    """I3: refused with the reason, in the dry run too, and nothing is changed."""
    async with opened(database, tmp_path) as (door, log):
        await both_waiting(door, log)
        (merge,) = (await operate(database, "contacts", "merges", "--json")).document
        await door.feed([log.add("answer", id="answer-1", **BY_COOKIE)])
    before = await owners(database)
    undo = ("contacts", "unmerge", merge["id"], "--why", "a shared tablet")
    for options in ((), ("--dry-run",)):
        told = await operate(database, *undo, *options)
        assert told.code == 1
        assert "cannot be undone: event answer-1 has come since" in told.out
    assert await owners(database) == before
    assert await rows(database, "select count(*) from merges where undone_at is null") == [(1,)]
    assert await rows(database, "select 1 from audit where what = 'contact.unmerge'") == []


async def test_a_chain_of_merges_is_undone_from_its_end(database: str, tmp_path: Path) -> None:
    """I3: a into b, b into u; the first is refused until the second is undone."""
    async with opened(database, tmp_path) as (door, log):
        await both_waiting(door, log)
        await door.feed([log.add("go", id="go-3", external_id="u")])
        both = BY_EMAIL | {"external_id": "u"}
        await door.feed([log.add("contact.identified", topic=CONTACTS, id="met-2", **both)])
    second, first = (await operate(database, "contacts", "merges", "--json")).document
    assert (first["event_id"], second["event_id"]) == ("met", "met-2")
    undo = ("--why", "a test order")
    told = await operate(database, "contacts", "unmerge", first["id"], *undo)
    assert (told.code, f"merge {second['id']} came later" in told.out) == (1, True)
    for merge in (second, first):
        told = await operate(database, "contacts", "unmerge", merge["id"], *undo)
        assert told.code == 0, told.out
    assert len(set((await owners(database)).values())) == 3
    strays = "select count(*) from contacts where merged_into is not null"
    assert await rows(database, strays) == [(0,)]
    runs = await rows(database, "select count(distinct contact_id) from runs_active")
    assert runs == [(3,)]


async def test_a_merge_that_was_undone_takes_place_again_by_the_same_event(
    database: str, tmp_path: Path
) -> None:
    """I3: published again under its old id; the log shows it as it is now."""
    async with opened(database, tmp_path) as (door, log):
        await both_waiting(door, log)
        (merge,) = (await operate(database, "contacts", "merges", "--json")).document
        undo = ("contacts", "unmerge", merge["id"], "--why", "a test order")
        assert (await operate(database, *undo)).code == 0
        await met(door, log)
        assert len(set((await owners(database)).values())) == 1
        (again,) = (await operate(database, "contacts", "merges", "--json")).document
        assert (again["id"], again["undone_at"]) == (merge["id"], None)
        assert again["merged_at"] > merge["merged_at"]
        assert (await operate(database, *undo)).code == 0
    assert len(set((await owners(database)).values())) == 2


async def test_a_merge_that_is_not_there_is_not_undone(database: str) -> None:
    """I3: exit code 1 and where to look; 2 where the words are wrong."""
    undo = ("contacts", "unmerge")
    unknown = await operate(database, *undo, "5dda258d-eac9-559c-96b4-5af441218dcd", "--why", "x")
    assert (unknown.code, "`waitline contacts merges` lists them" in unknown.err) == (1, True)
    for wrong in (("no-id", "--why", "x"), ("5dda258d-eac9-559c-96b4-5af441218dcd", "--why", " ")):
        assert (await operate(database, *undo, *wrong)).code == 2
