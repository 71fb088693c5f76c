"""Automations that are published, replaced and stopped while events flow (E7, S1, S4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from state.event import Coordinates
from state.postgres.store import PostgresStore
from tests.integration.doors import EVENTS, Log, open_door
from tests.integration.drawn import post, waiting
from tests.integration.kit import House, publish_version
from tests.stored import rows
from tests.waiting import until, until_so


@asynccontextmanager
async def flowing(house: House) -> AsyncIterator[list[tuple[str, Coordinates]]]:
    """Publish `go` again and again, each of a new person; yields what was published so far."""
    published: list[tuple[str, Coordinates]] = []
    enough = asyncio.Event()

    async def flow() -> None:
        while not enough.is_set():
            ids = [f"go-{n}" for n in range(len(published), len(published) + 20)]
            posts = [post("go", id=one, email=f"{one}@example.com") for one in ids]
            published.extend(zip(ids, await house.publish(*posts), strict=True))
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        group.create_task(flow())
        try:
            yield published
        finally:
            enough.set()


async def until_grown(published: list[tuple[str, Coordinates]], more: int = 200) -> None:
    wanted = len(published) + more
    await until(lambda: len(published) >= wanted)


async def started(house: House) -> dict[str, tuple[int, datetime]]:
    """Return version and V by the id of the trigger, for every run there is."""
    rows = await house.rows(
        "select trigger ->> 'id', version, (trigger ->> 'v')::timestamptz from runs_active"
        " union all select doc -> 'trigger' ->> 'id', version,"
        " (doc -> 'trigger' ->> 'v')::timestamptz from runs_done"
    )
    assert len({trigger for trigger, *_ in rows}) == len(rows)
    return {trigger: (version, v) for trigger, version, v in rows}


async def test_no_event_falls_between_when_an_automation_is_published(house: House) -> None:
    """E7, S1: V before the enabling starts nothing; from it on each event starts one run."""
    async with house.worker(WAITLINE_BATCH_MAX=50):
        async with flowing(house) as published:
            await until_grown(published)
            (applied,) = await house.apply(waiting())
            await until_grown(published)
        await house.until_applied(place for _, place in published)
    enabled_at = await house.value(
        "select enabled_at from automations where automation_id = $1", applied.automation_id
    )
    assert await house.value("select since from interests where name = 'go'") == enabled_at
    runs = await started(house)
    recorded = await recorded_at(house, len(published))
    assert set(runs) == {one for one, place in published if recorded[place] >= enabled_at}
    assert 0 < len(runs) < len(published)
    # What the catalogue's lock let in before is not stored; whatever came after it is.
    stored = {row[0] for row in await house.rows("select event_id from events")}
    assert stored >= set(runs)


async def test_versions_are_pinned_and_a_new_one_starts_the_runs_from_then_on(
    house: House,
) -> None:
    """S1, R3: a run stays on its version; replacing one leaves no event without a run."""
    await house.apply(waiting(timeout="1 hour"))
    async with house.worker(WAITLINE_BATCH_MAX=50):
        async with flowing(house) as published:
            await until_so(lambda: started(house))
            (second,) = await house.apply(waiting(timeout="1 hour", event_name="other"))
            await until_grown(published)
        await house.until_applied(place for _, place in published)
        assert second.version == 2
        runs = await started(house)
        assert set(runs) == {one for one, _ in published}
        assert {version for version, _ in runs.values()} == {1, 2}
        answers = [post("answer", id=f"a-{one}", email=f"{one}@example.com") for one in runs]
        await house.until_applied(await house.publish(*answers))
    done = await house.rows("select version, count(*) from runs_done group by 1")
    first = sum(version == 1 for version, _ in runs.values())
    assert done == [(1, first)]
    assert await house.count("runs_active where version = 2") == len(runs) - first


async def test_a_stopped_automation_starts_nothing_and_its_runs_go_on(house: House) -> None:
    """S4, S1: `stopped` is recorded for each trigger; runs in progress still take their answers."""
    await house.apply(waiting())
    async with house.worker(WAITLINE_BATCH_MAX=50):
        async with flowing(house) as published:
            await until_grown(published)
            await house.enable("Waiting", False)
            before = len(await started(house))
            await until_grown(published)
            assert len(await started(house)) == before
        await house.until_applied(place for _, place in published)
        runs = await started(house)
        assert len(runs) == before < len(published)
        refused = await house.rows(
            "select event_id from events where findings::text like '%\"stopped\"%'"
        )
        assert {one for (one,) in refused} == {one for one, _ in published} - set(runs)
        answers = [post("answer", id=f"a-{one}", email=f"{one}@example.com") for one in runs]
        await house.publish(*answers)
        await house.until_count("runs_done", len(runs))
        await house.enable("Waiting", True)
        await house.publish(post("go", id="again", email="again@example.com"))
        assert await house.run_when("again", lambda run: run["activity"] == "waiting")


async def test_a_publish_waits_for_the_batches_that_hold_the_catalogue(
    database: str, store: PostgresStore, tmp_path: Path
) -> None:
    """E7: a batch holds the catalogue's shared lock to its end; a publish comes before or after."""
    await publish_version(store, waiting("First", "first"))
    log = Log()
    async with open_door(database, "one", (EVENTS, 0), folder=tmp_path) as door:
        async with asyncio.TaskGroup() as group, store.transaction("held") as transaction:
            revision = await transaction.catalogue_revision()
            publishing = group.create_task(publish_version(store, waiting("Second", "go")))
            await until_so(lambda: is_waited_for(database))
            assert not publishing.done()
            assert await transaction.catalogue_revision() == revision
        log.clock = await store.database_now()
        await door.feed([log.add("go", email="ann@example.com")])
    async with store.session() as session:
        assert await session.value("select count(*) from runs_active") == 1


async def is_waited_for(database: str) -> bool:
    return bool(await rows(database, "select from pg_locks where not granted"))


async def recorded_at(house: House, count: int) -> dict[Coordinates, datetime]:
    """Return when the broker recorded each event."""
    found = {}
    for message in await house.topic(house.events, count):
        _, milliseconds = message.timestamp()
        place = Coordinates(message.topic(), message.partition(), message.offset())
        found[place] = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return found
