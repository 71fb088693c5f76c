"""A merge is undone while two workers hold events of both: each outcome is whole (I3)."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from handlers.unmerge import UndoMerge
from state.event import Decoded
from state.postgres.store import PostgresStore
from tests.integration.command import waitline
from tests.integration.doors import CONTACTS, EVENTS, Door, Log, chunks, open_door, waits_in
from tests.integration.drawn import automation, waiting
from tests.integration.kit import publish_version
from tests.stored import rows

PEOPLE = 200
ROUND = 20
BATCH = 2

CUSTOMER, ADDRESS = "external_id", "email"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with two names, which are two contacts until they meet: the customer survives."""

    number: int
    answered: set[str] = field(default_factory=set)

    def name(self, kind: str) -> dict[str, str]:
        value = f"cust-{self.number}"
        return {kind: value if kind == CUSTOMER else f"{value}@example.com"}

    @property
    def both(self) -> dict[str, str]:
        return self.name(CUSTOMER) | self.name(ADDRESS)


@dataclass(frozen=True, slots=True)
class Fate:
    """What the tables say of a person: both numbers, whether they are one now, and were apart."""

    kept: int
    gone: int
    is_one: bool
    was_undone: bool


async def test_an_unmerge_is_whole_while_two_workers_hold_events_of_both(
    database: str, store: PostgresStore, tmp_path: Path
) -> None:
    """I3, W2, W5, F3: 200 merges, each undone or refused, raced by events, sends and a merge.

    Undone: each event, wait and answer since is its own contact's. Refused: all are one person's.
    """
    await publish_version(store, waiting(), automation())
    chance, log = random.Random(11), Log()
    people = [Person(number) for number in range(PEOPLE)]
    async with (
        open_door(database, "left", (EVENTS, 0), (CONTACTS, 0), folder=tmp_path) as left,
        open_door(database, "right", (EVENTS, 1), (CONTACTS, 1), folder=tmp_path) as right,
        open_door(database, "operator", folder=tmp_path) as operator,
        open_door(database, "sender", folder=tmp_path, sent_at_once=BATCH) as sender,
    ):
        undone: Counter[str] = Counter()
        for some in chunks(people, ROUND):
            await left.feed([record for one in some for record in known(log, one)])
            await left.feed([meeting(log, one, "met") for one in some])
            asked = await undoings(database, some)
            batches = [raced(log, each, chance) for each in chunks(some, BATCH)]
            together = asyncio.Barrier(4)
            async with asyncio.TaskGroup() as group:
                group.create_task(feed_all(left, [one for one, _ in batches], together))
                group.create_task(feed_all(right, [one for _, one in batches], together))
                group.create_task(send_all(sender, len(batches), together))
                task = group.create_task(undo_all(operator, [*chunks(asked, BATCH)], together))
            undone += task.result()
        await sender.settle()
        met = "select count(*) from merges where undone_at is not null"
        assert await rows(database, met) == [(undone["merges_undone"],)]
        await assert_told(database, undone["merges_undone"])
        fates = await fates_of(database, people)
        await assert_whole(database, people, fates)
        await left.feed(
            [log.add("answer", id=f"last-{one.number}", **one.name(ADDRESS)) for one in people]
        )
    for one in people:
        one.answered.add(ADDRESS)
    assert await fates_of(database, people) == fates
    await assert_whole(database, people, fates)
    ends = Counter((fate.is_one, fate.was_undone) for fate in fates.values())
    assert min(ends[True, False], ends[False, True], ends[True, True] * 10) > PEOPLE // 20, ends


# --- what happens ---------------------------------------------------------------------------------


def known(log: Log, person: Person) -> Iterator[Decoded]:
    """Yield what makes two contacts that wait, of which one is being written to."""
    for kind in (CUSTOMER, ADDRESS):
        yield log.add("go", id=f"go-{kind}-{person.number}", **person.name(kind))
    order = f"order-{ADDRESS}-{person.number}"
    yield log.add("order.completed", id=order, **person.name(ADDRESS))


def meeting(log: Log, person: Person, event_id: str, to: int = 0) -> Decoded:
    """Return what names both."""
    said = {"id": f"{event_id}-{person.number}", **person.both}
    return log.add("contact.identified", topic=CONTACTS, to=to, **said)


async def undoings(database: str, people: Sequence[Person]) -> list[UndoMerge]:
    """Return an operator's word for each of these people's merges."""
    merges = "select survivor, merged, merge_id from merges order by merged_at desc limit $1"
    found = await rows(database, merges, len(people))
    return [UndoMerge(*merge, "op", "a shared address") for merge in found]


def raced(
    log: Log, people: Sequence[Person], chance: random.Random
) -> tuple[list[Decoded], list[Decoded]]:
    """Return a batch for each worker: of each person's answers, triggers and meetings, some."""
    sides: tuple[list[Decoded], list[Decoded]] = ([], [])
    happened = log.clock
    for one in people:
        answered = (happened + timedelta(milliseconds=1)).isoformat()
        posts = [(name, kind) for name in ("go", "answer") for kind in (CUSTOMER, ADDRESS)]
        for name, kind in chance.sample(posts, chance.choice([0, 0, 1, 1, 2])):
            is_answer = name == "answer"
            if is_answer:
                one.answered.add(kind)
            said: dict[str, Any] = {"id": f"{name}2-{kind}-{one.number}", **one.name(kind)}
            said["occurred_at"] = answered if is_answer else happened.isoformat()
            to = chance.randrange(2)
            sides[to].append(log.add(name, to=to, **said))
        if chance.random() < 0.2:
            to = chance.randrange(2)
            sides[to].append(meeting(log, one, "again", to))
    return sides


async def feed_all(door: Door, batches: Sequence[list[Decoded]], together: asyncio.Barrier) -> None:
    for batch in batches:
        await together.wait()
        await door.feed(batch)


async def send_all(door: Door, rounds: int, together: asyncio.Barrier) -> None:
    for _ in range(rounds):
        await together.wait()
        await door.relay.sweep()


async def undo_all(
    door: Door, asked: Sequence[Sequence[UndoMerge]], together: asyncio.Barrier
) -> Counter[str]:
    """Undo merges as the command does, each on its own; return how many were."""
    tally: Counter[str] = Counter()
    for some in asked:
        await together.wait()
        for one in some:
            tally += await door.processor.apply_commands("unmerges", [one])
    return tally


# --- what came of it ------------------------------------------------------------------------------


async def fates_of(database: str, people: Sequence[Person]) -> dict[int, Fate]:
    """Return each person's fate; nobody's name leads to who was merged, and nothing was refused."""
    sql = """
    select event_id, survivor, merged, undone_at, merged_into
    from merges join contacts on contact_id = merged order by merged_at
    """
    assert await rows(database, "select * from quarantine") == []
    found: dict[int, Fate] = {}
    for event_id, kept, gone, undone_at, home in await rows(database, sql):
        number = int(event_id.rsplit("-", 1)[1])
        assert home in (None, kept)
        before = found.get(number)
        assert before is None or (before.kept, before.gone) == (kept, gone)
        was_undone = undone_at is not None or (before is not None and before.was_undone)
        found[number] = Fate(kept, gone, home is not None, was_undone)
    owners = dict(await rows(database, "select value, contact_id from identifiers"))
    assert len(owners) == 2 * len(people) == 2 * len(found)
    for one in people:
        fate = found[one.number]
        for kind in (CUSTOMER, ADDRESS):
            assert owners[one.name(kind)[kind]] == owner_of(fate, kind)
    return found


def owner_of(fate: Fate, kind: str) -> int:
    """Return whose an active run, or an event from now on, is by one of a person's names."""
    return fate.kept if fate.is_one or kind == CUSTOMER else fate.gone


async def assert_told(database: str, undone: int) -> None:
    """Each merge that stands says why it cannot be undone; each that does not, who undid it."""
    merges = await rows(
        database, "select merge_id, undone_at from merges where event_id like 'met-%'"
    )
    audited = await rows(database, "select 1 from audit where what = 'contact.unmerge'")
    assert len(audited) == undone
    for merge_id, undone_at in merges:
        asked = ("contacts", "unmerge", str(merge_id), "--dry-run", "--json")
        said = await waitline({"DATABASE_URL": database}, *asked)
        refused = json.loads(said.out)["refused"]
        assert said.code == 1
        assert ("undone already" in refused) == (undone_at is not None), refused


async def assert_whole(database: str, people: Sequence[Person], fates: Mapping[int, Fate]) -> None:
    """Every run is where it should be by what came to its contact, and no event is a stranger's."""
    await assert_events(database, fates)
    active = "select run_id, contact_id, trigger ->> 'id', past, step_key from runs_active"
    done = "select run_id, contact_id, doc -> 'trigger' ->> 'id', past, null from runs_done"
    found = await rows(database, f"{active} union all {done}")
    assert len(found) == len({run_id for run_id, *_ in found})
    by_number = {one.number: one for one in people}
    for _, contact_id, trigger, past, step_key in found:
        name, kind, number = trigger.split("-")
        one, fate = by_number[int(number)], fates[int(number)]
        heard = one.answered if fate.is_one else one.answered & {kind}
        waits = waits_in(past)
        if name == "order":
            assert (contact_id, step_key) == (owner_of(fate, kind), "opened"), trigger
        elif heard:
            ((status, by),) = [(wait["status"], wait["resumed_by_event"]["id"]) for wait in waits]
            answers = [f"answer2-{each}-{number}" for each in heard] + [f"last-{number}"]
            assert (status, by in answers) == ("received", True), (trigger, by)
        else:
            assert (contact_id, step_key, waits) == (owner_of(fate, kind), "wait", []), trigger
    triggers = Counter(trigger for _, _, trigger, _, _ in found)
    assert set(triggers.values()) == {1}
    assert len([one for one in triggers if one.startswith(("go-", "order-"))]) == 3 * len(people)


async def assert_events(database: str, fates: Mapping[int, Fate]) -> None:
    """What came since an undoing stands under its own contact, until the two meet again."""
    sql = """
    select event_id, events.contact_id, resolved_kind, exists (
      select from merges where merges.undone_at is null and events.contact_id = survivor
        and events.processed_at >= merged_at)
    from events
    """
    for event_id, contact_id, kind, is_merged in await rows(database, sql):
        fate = fates[int(event_id.rsplit("-", 1)[1])]
        assert contact_id == (fate.kept if is_merged or kind == CUSTOMER else fate.gone), event_id
