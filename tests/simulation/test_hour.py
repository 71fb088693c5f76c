"""An hour without a partition, at the product's own durations: nobody is reminded for nothing."""

import asyncio
from datetime import timedelta
from random import Random

import pytest

from handlers.world import Rules
from state.run import Run
from stream.relay import RelayLimits
from tests.kit import START, line, push, stored_version, trigger, wait, way
from tests.simulation.facts import Fact, Person
from tests.simulation.faults import Faults
from tests.simulation.histories import history
from tests.simulation.log import EVENTS, PARTITIONS, SHOP, SimLog
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.process import Process
from tests.simulation.provider import Provider
from tests.simulation.store import Database
from tests.simulation.tables import PartitionRow, Tables
from tests.simulation.worker import Worker
from tests.simulation.workload import Publication, append

MINUTE = 60.0
ANN = Person("ann", {"email": "ann@x.io"}, (("email",),))
HOME, AWAY = (EVENTS, 0), (SHOP, 1)


class Story:
    """One worker, one automation that waits half an hour, one person."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        document = line(
            wait("w", "answer", timeout="30 minutes"),
            push("yes"),
            on=trigger("go"),
            aside=[push("no")],
            ways=[way("w", "no", "timeout")],
        )
        self.tables = Tables(
            revision=1,
            definitions=[stored_version(document)],
            interest_since={"answer": START, "go": START},
            partitions={partition: PartitionRow() for partition in PARTITIONS},
        )
        self.log = SimLog(self.loop)
        self.provider = Provider()
        self.database = Database(self.loop, self.tables)
        self.faults = Faults(Random(1), frozenset(), {})
        self.worker: Worker | None = None
        self._ids = 0

    def hire(self) -> Worker:
        self._ids += 1
        process = Process(f"w{self._ids}", self.loop, self.faults)
        worker = Worker(process, self.database, self.log, self.provider, Rules(), RelayLimits())
        worker.assign(frozenset(PARTITIONS))
        worker.start()
        self.worker = worker
        return worker

    def publish(self, name: str, partition: tuple[str, int]) -> None:
        self._ids += 1
        fact = Fact(f"e{self._ids}", ANN, name, self.loop.now(), {}, ("email",))
        append(self.log, Publication(0.0, partition, fact))

    @property
    def run(self) -> Run:
        (found,) = [*self.tables.runs.values(), *self.tables.done.values()]
        return found

    def wait(self) -> dict[str, object]:
        return next(entry["wait"] for entry in history(self.run) if "wait" in entry)


OUTAGES = ("paused", "unowned", "dead", "database")


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_hours_outage_with_the_answer_in_the_backlog_times_nobody_out(outage: str) -> None:
    """W4: paused, unowned, no worker at all, no database: held without limit, then the answer."""
    story = Story()

    async def tell() -> None:
        worker = story.hire()
        await asyncio.sleep(5)
        story.publish("go", HOME)
        await asyncio.sleep(5)
        assert story.run.activity == "waiting"
        if outage == "paused":
            worker.paused.add(AWAY)
        elif outage == "unowned":
            worker.assign(frozenset(PARTITIONS) - {AWAY})
            story.tables.partitions[AWAY].owner = None
        elif outage == "dead":
            worker.process.kill()
        else:
            story.faults.down_until = story.loop.time() + 60 * MINUTE
        await asyncio.sleep(10 * MINUTE)
        story.publish("answer", AWAY)
        await asyncio.sleep(50 * MINUTE)
        assert story.run.activity == "waiting", "an hour later"
        if outage in ("paused", "unowned"):
            assert story.run.parked.is_held
        worker.paused.clear()
        worker.assign(frozenset(PARTITIONS))
        if outage == "dead":
            story.hire()
        await asyncio.sleep(30)
        assert story.wait()["status"] == "received"
        assert story.run.status == "completed"
        assert [sent.message["title"] for sent in story.provider.sent.values()] == ["Psst"]

    run(tell(), story.loop)


def test_a_partition_that_stands_still_holds_for_the_cap() -> None:
    """W4: owned, resumed and not advancing: it fires after 15 minutes, and says so."""
    story = Story()

    async def tell() -> None:
        story.hire()
        await asyncio.sleep(5)
        story.publish("go", HOME)
        await asyncio.sleep(5)
        story.log.silent.add(AWAY)
        story.publish("answer", AWAY)
        parked = story.run.parked
        assert parked is not None
        due_in = (parked.due_at - story.loop.now()).total_seconds()
        await asyncio.sleep(due_in + 14.5 * MINUTE)
        assert story.run.activity == "waiting"
        assert story.run.parked.is_held
        await asyncio.sleep(1 * MINUTE)
        assert story.wait()["fired_under_lag"] is True
        assert story.wait()["held_for_lag"] is True
        story.log.silent.clear()
        await asyncio.sleep(10)
        (late,) = story.tables.late.values()
        assert late.match.verdict == "late_arrival"

    run(tell(), story.loop)


def test_a_timeout_without_lag_is_on_time() -> None:
    """T2: within a second of deadline + grace, and never before."""
    story = Story()

    async def tell() -> None:
        story.hire()
        await asyncio.sleep(5)
        story.publish("go", HOME)
        await asyncio.sleep(5)
        due_at = story.run.parked.due_at
        assert due_at - story.run.parked.deadline == timedelta(seconds=30)
        await asyncio.sleep((due_at - story.loop.now()).total_seconds() - 0.01)
        assert story.run.activity == "waiting"
        await asyncio.sleep(1.0)
        assert story.wait()["status"] == "timed_out"

    run(tell(), story.loop)
