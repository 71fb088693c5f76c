"""How a stream is cut into batches changes nothing: the real turns, on the simulated store."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from random import Random
from types import MappingProxyType

import structlog
from hypothesis import example, given, settings, strategies as st
from msgspec.structs import replace

from state.automation import StoredVersion
from state.event import Decoded, Event
from stream.consuming.batches import Batch, Slice
from stream.order import merge
from stream.processor import Processor
from stream.telemetry import Counters
from tests.kit import (
    NOW,
    PLAIN,
    START,
    condition,
    delay,
    email,
    event,
    line,
    rule,
    same,
    stored_version,
    trigger,
    update,
    wait,
)
from tests.simulation.faults import Faults
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.process import Process, SimClock
from tests.simulation.store import Database, SimStore
from tests.simulation.tables import PartitionRow, Tables

PARTITIONS = [("t", 0), ("t", 1), ("u", 0)]


class Timeless(Faults):
    """No fault, and no time either: every turn has the same `now`."""

    def latency(self) -> None:
        return None


@cache
def definitions() -> tuple[StoredVersion, ...]:
    noted = update("note", properties={"n": {"var": "event.n"}})
    return tuple(
        stored_version(document)
        for document in (
            line(wait("w", "answer", filter_rule=same("n")), email("m"), name="Wait"),
            line(
                wait("v", "answer"),
                wait("w", "go", timeout="1 hour"),
                noted,
                condition("c", **rule("contact.properties.n", "eq", 1)),
                email("m"),
                name="Chain",
                exit=[{"event": "refund", "filter": same("n")}],
            ),
            line(delay("d", "1 hour"), name="Once", reentry="once"),
            line(wait("w", "go"), name="Key", reentry="key:event.n", on=trigger("answer")),
        )
    )


# --- streams --------------------------------------------------------------------------------------

IDENTIFIERS = [
    {"email": "a@x.io"},
    {"email": "b@x.io"},
    {"external_id": "u1"},
    {"anonymous_id": "n"},
    {"email": "a@x.io", "external_id": "u1"},
    {"email": "b@x.io", "anonymous_id": "n"},
    {"external_id": "null", "email": "a@x.io"},
    {"contact_id": "00000000-0000-0000-0000-000000000007"},
    {"contact_id": "00000000-0000-0000-0000-000000000007", "email": "b@x.io"},
]

said = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["go", "go", "answer", "answer", "refund", "noise"]),
        "who": st.sampled_from(IDENTIFIERS),
        "minute": st.integers(-50, 0),
        "n": st.integers(0, 1),
        "id": st.integers(0, 40),
        "partition": st.integers(0, len(PARTITIONS) - 1),
        "clock": st.integers(-9, 0),
    }
)
changed = st.fixed_dictionaries(
    {
        "name": st.sampled_from(
            ["contact.identified", "contact.updated", "contact.unsubscribed", "contact.deleted"]
        ),
        "who": st.sampled_from(IDENTIFIERS),
        "minute": st.integers(-50, 0),
        "payload": st.sampled_from(
            [
                {},
                {"email": "c@x.io"},
                {"email": "b@x.io"},
                {"first_name": "A"},
                {"external_id": "u2"},
            ]
        ),
        "partition": st.integers(0, len(PARTITIONS) - 1),
        "clock": st.integers(-9, 0),
    }
)
streams = st.lists(st.one_of(said, said, said, changed), min_size=1, max_size=30)


def record(spec: dict[str, object], offset: int) -> Event:
    place = (*PARTITIONS[int(str(spec["partition"]))], offset)
    # Only events of interest are deduplicated: ids of contact events are their own.
    event_id = f"e{spec['id']}" if "id" in spec else f"contact-{place}"
    return event(
        str(spec["name"]),
        NOW + timedelta(minutes=int(str(spec["minute"]))),
        id=event_id,
        recorded_at=NOW + timedelta(minutes=int(str(spec["clock"]))),
        place=place,
        contact_event=str(spec["name"]).startswith("contact."),
        payload=spec.get("payload", {"n": spec.get("n")}),
        **spec["who"],
    )


def sliced(records: Sequence[Decoded], at: dict[tuple[str, int], int]) -> Batch:
    """Return a batch of records that follow each other in the merged order; `at` moves along."""
    slices = []
    for partition in PARTITIONS:
        mine = tuple(each for each in records if each.coordinates[:2] == partition)
        if mine:
            to = mine[-1].coordinates.offset + 1
            slices.append(Slice(*partition, 1, at[partition], to, mine))
            at[partition] = to
    return Batch(tuple(slices))


def in_order(specs: Sequence[dict[str, object]]) -> list[Decoded]:
    """Return the records of a stream in the order in which one batch of all of them applies."""
    by_partition: dict[tuple[str, int], list[Decoded]] = {each: [] for each in PARTITIONS}
    for spec in specs:
        mine = by_partition[PARTITIONS[int(str(spec["partition"]))]]
        mine.append(record(spec, len(mine)))
    return merge(
        Slice(*partition, 1, 0, len(mine), tuple(mine)) for partition, mine in by_partition.items()
    )


# --- worlds ---------------------------------------------------------------------------------------


def applied(
    records: Sequence[Decoded],
    sizes: Sequence[int],
    between: Mapping[int, Callable[[Processor, Tables], Awaitable[None]]] = MappingProxyType({}),
) -> Tables:
    """Return the tables after these records were applied in batches of these sizes, in turn.

    `between` has what is done before the record of that number; no batch goes across it.
    """
    loop = VirtualLoop()
    process = Process("w", loop, Timeless(Random(1), frozenset(), {}))
    tables = Tables(
        revision=1,
        definitions=list(definitions()),
        interest_since=dict.fromkeys(["go", "answer", "refund"], START),
        partitions={partition: PartitionRow(epoch=1) for partition in PARTITIONS},
    )
    store = SimStore(Database(loop, tables), process)
    processor = Processor(store, PLAIN, SimClock(process), Counters())

    async def feed() -> None:
        rest, at = list(records), dict.fromkeys(PARTITIONS, 0)
        number = done = 0
        while rest:
            if done in between:
                await between[done](processor, tables)
            size = max(1, sizes[number % len(sizes)])
            size = min([size, *(stop - done for stop in between if stop > done)])
            number, done = number + 1, done + size
            await processor.apply_batch(sliced(rest[:size], at))
            del rest[:size]

    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        run(feed(), loop)
    finally:
        structlog.configure(**before)
    assert loop.time() == 0.0
    return tables


def nameless(value: object) -> str:
    """Return a value's text without the public ids of contacts, which are their numbers."""
    return re.sub("77616974-6c69-8[0-9a-f-]+", "somebody", repr(value))


def seen(tables: Tables) -> dict[str, object]:
    """Return the state without what may differ: the numbers of contacts."""

    def who(contact_id: int) -> object:
        contact = tables.contacts[tables.merged.get(contact_id, contact_id)]
        return tuple((link.identifier, link.linked_by) for link in contact.links)

    def plain(run_: object) -> object:
        return (who(run_.contact_id), replace(run_, contact_id=0))  # type: ignore[attr-defined, type-var]  # a Run

    return {
        "contacts": sorted(
            (who(number), repr(contact.profile)) for number, contact in tables.contacts.items()
        ),
        "runs": sorted(repr(plain(one)) for one in tables.runs.values()),
        "done": sorted(repr(plain(one)) for one in tables.done.values()),
        "events": sorted(
            (str(key), who(one.contact_id), nameless(replace(one, contact_id=0)))
            for key, one in tables.events.items()
        ),
        "outbox": sorted(
            (row.effect.key, repr(row.effect.message)) for row in tables.outbox.values()
        ),
        "enrolments": sorted(
            (who(key[0]), str(key[1]), one) for key, one in tables.enrolments.items()
        ),
        "quarantine": sorted(
            (place, one.rejected.reason, one.winner) for place, one in tables.quarantine.items()
        ),
        "duplicates": sorted((place, one.winner) for place, one in tables.duplicates.items()),
        "notes": sorted((place, verdict) for place, verdict, _ in tables.notes),
        "names": sorted(tables.names.items()),
        "offsets": sorted((key, row.next_offset) for key, row in tables.partitions.items()),
    }


@settings(max_examples=40, deadline=None)
@given(specs=streams, sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_how_a_stream_is_cut_into_batches_changes_nothing(specs, sizes):
    """D1: batches of 1, 2, 7, 1000 and any others: the same final state."""
    records = in_order(specs)
    whole = seen(applied(records, [1000]))
    for cut in ([1], [2], [7], sizes):
        assert seen(applied(records, cut)) == whole, cut


@settings(max_examples=25, deadline=None)
@given(specs=streams, sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_the_same_stream_again_changes_nothing(specs, sizes):
    """E4: everything once more, from other coordinates: not one run, wait, step or message more."""
    records = in_order(specs)
    again = [
        replace(each, coordinates=each.coordinates._replace(offset=each.coordinates.offset + 100))
        for each in records
        if isinstance(each, Event) and not each.is_contact_event and each.name != "noise"
    ]
    once = seen(applied(records, sizes))
    twice = seen(applied([*records, *again], sizes))
    for part in ("runs", "done", "outbox", "enrolments", "events"):
        assert twice[part] == once[part], part


@settings(max_examples=25, deadline=None)
@given(specs=streams)
@example(specs=[])
def test_effects_and_runs_have_keys_of_their_own(specs):
    """F2, S1: no two effects share a key, no two runs a cause, whatever the stream."""
    tables = applied(in_order(specs), [5])
    keys = [row.effect.key for row in tables.outbox.values()]
    assert len(set(keys)) == len(keys)
    runs = [*tables.runs.values(), *tables.done.values()]
    causes = [(one.automation_id, one.trigger.key) for one in runs]
    assert len(set(causes)) == len(causes)
    for one in runs:
        assert one.trigger.key not in one.used
        assert (one.parked is not None) == (one.status == "running")
