"""Pauses, on whatever stream: the real turns, on the simulated store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast
from uuid import UUID

from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from handlers.timer import TimerDue
from state.effect import Answer
from state.pausing import Mode
from stream.processor import Processor
from tests.kit import NOW
from tests.property.test_decide_properties import applied, in_order, seen, streams
from tests.simulation.tables import Tables

Between = Callable[[Processor, Tables], Awaitable[None]]


def pausing(mode: Mode | None) -> Between:
    """Return what pauses or releases everything, answers what was sent, and fires what is due."""

    async def change(processor: Processor, tables: Tables) -> None:
        tables.revision += 1
        tables.definitions = [
            replace(one, pausing=one.pausing.begun(mode, NOW) if mode else one.pausing.ended(NOW))
            for one in tables.definitions
        ]
        effects = [row.effect for row in tables.outbox.values()]
        await processor.apply_answers(
            [Answer(one.effect_id, one.run_id, one.contact_id, "sent", 1) for one in effects]
        )
        for row in tables.partitions.values():
            row.low = NOW
        while due := tables.due(NOW, 1000, include_held=True):
            await processor.apply_timers([TimerDue(*each) for each in due])

    return change


stops = st.lists(st.integers(0, 25), min_size=2, max_size=4, unique=True).map(sorted)
modes = st.lists(cast("st.SearchStrategy[Mode]", st.sampled_from(["hold", "freeze"])), min_size=2)


@settings(max_examples=40, deadline=None)
@given(
    specs=streams, sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), at=stops, how=modes
)
def test_how_a_stream_is_cut_changes_nothing_although_it_is_paused(specs, sizes, at, how):
    """D1, T3: what is kept in a pause, and what its release does, does not depend on batches."""
    records = in_order(specs)
    changes = [pausing(how[0]), pausing(None), pausing(how[1]), pausing(None)]
    between = dict(zip(at, changes, strict=False))
    whole = seen(applied(records, [1000], between))
    for cut in ([1], [2], sizes):
        assert seen(applied(records, cut, between)) == whole, cut


@settings(max_examples=60, deadline=None)
@given(specs=streams, stop=st.integers(0, 12), mode=st.sampled_from(["hold", "freeze"]))
def test_nothing_is_sent_and_no_step_is_taken_while_everything_is_paused(specs, stop, mode):
    """T3: runs start, keep what comes and exit, and that is all."""
    records = in_order(specs)
    steps: dict[UUID, int] = {}
    sent: set[UUID] = set()

    async def pause(processor: Processor, tables: Tables) -> None:
        await pausing(mode)(processor, tables)
        steps.update({run_id: run.steps_done for run_id, run in tables.runs.items()})
        sent.update(tables.messages, tables.outbox)

    tables = applied(records, [3], {stop: pause})
    if len(records) > stop:
        assert sent == {*tables.messages, *tables.outbox}
        for run_id, run in tables.runs.items():
            assert run.steps_done == steps.get(run_id, 0)
