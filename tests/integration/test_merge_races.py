"""Two people become one while two workers hold events of both: no wake-up is lost (I3)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from state.event import Decoded
from state.postgres.store import PostgresStore
from tests.integration.doors import CONTACTS, EVENTS, Log, open_door, race, waits_in
from tests.integration.drawn import waiting
from tests.integration.kit import publish_version
from tests.stored import rows

PEOPLE = 1000
ROUND = 100
BATCH = 10


async def test_a_merge_loses_no_wake_up_while_two_workers_hold_events_of_both(
    database: str, store: PostgresStore, tmp_path: Path
) -> None:
    """I3, W2, W5: 1,000 merges, each raced by triggers and an answer of either side.

    An answer by the one name wakes the wait of the other, whatever comes first: the merge, the
    answer, or the wait. Each wait has one outcome, each pair becomes one person once.
    """
    await publish_version(store, waiting())
    chance, log = random.Random(4), Log()
    async with (
        open_door(database, "left", (EVENTS, 0), (CONTACTS, 0), folder=tmp_path) as left,
        open_door(database, "right", (EVENTS, 1), (CONTACTS, 1), folder=tmp_path) as right,
    ):
        for at in range(0, PEOPLE, ROUND):
            people = range(at, at + ROUND)
            await left.feed([one for person in people for one in known(log, person)])
            batches = [raced(log, people[i : i + BATCH], chance) for i in range(0, ROUND, BATCH)]
            await race(left, right, batches)
        met = left.counters.value("turns_moved") + right.counters.value("turns_moved")

    assert met > 0, "nobody met anybody: this shows nothing"
    assert await rows(database, "select run_id from runs_active") == []
    await assert_all_received(database)
    await assert_all_merged(database)


async def assert_all_received(database: str) -> None:
    """Every run was resumed by its person's answer, by whichever name that came, and once."""
    done = await rows(database, "select doc -> 'trigger' ->> 'id', past from runs_done")
    assert len(done) == len({trigger for trigger, _ in done}) == 3 * PEOPLE
    ways: Counter[str] = Counter()
    for trigger, past in done:
        (wait,) = waits_in(past)
        assert wait["status"] == "received"
        assert wait["resumed_by_event"]["id"] == f"answer-{trigger.rsplit('-', 1)[1]}"
        ways["at once" if wait["opened_at"] == wait["closed_at"] else "parked"] += 1
    assert min(ways.values()) > PEOPLE // 20, ways


async def assert_all_merged(database: str) -> None:
    merged = "select count(*), count(distinct merged) from merges"
    assert await rows(database, merged) == [(PEOPLE, PEOPLE)]
    owners = "select count(*), count(distinct contact_id) from identifiers"
    assert await rows(database, owners) == [(2 * PEOPLE, PEOPLE)]
    strays = """
    select count(*) from identifiers join contacts using (contact_id) where merged_into is not null
    """
    assert await rows(database, strays) == [(0,)]


def known(log: Log, person: int) -> list[Decoded]:
    """Return a trigger by each of a person's two names: two contacts, each with a waiting run."""
    names = [email(person), cookie(person)]
    return [
        log.add("go", id=f"go{number}-{person}", occurred_at=log.clock.isoformat(), **name)
        for number, name in enumerate(names)
    ]


def raced(
    log: Log, people: Sequence[int], chance: random.Random
) -> tuple[list[Decoded], list[Decoded]]:
    """Return a batch for each side: an answer, one more trigger and two merges, anywhere."""
    sides: tuple[list[Decoded], list[Decoded]] = ([], [])
    happened = log.clock
    for person in chance.sample(people, len(people)):
        both = email(person) | cookie(person)
        last = happened.isoformat()
        answered = (happened + timedelta(milliseconds=1)).isoformat()
        posts = [
            ("answer", f"answer-{person}", answered, chance.choice([email, cookie])(person)),
            ("go", f"go2-{person}", last, chance.choice([email, cookie])(person)),
            ("contact.identified", f"met0-{person}", answered, both),
            ("contact.identified", f"met1-{person}", answered, both),
        ]
        chance.shuffle(posts)
        for name, event_id, at, named in posts:
            to = chance.randrange(2)
            topic = CONTACTS if name.startswith("contact.") else EVENTS
            record = log.add(name, topic=topic, to=to, id=event_id, occurred_at=at, **named)
            sides[to].append(record)
    return sides


def email(person: int) -> dict[str, str]:
    return {"email": f"person-{person}@example.com"}


def cookie(person: int) -> dict[str, str]:
    return {"anonymous_id": f"cookie-{person}"}
