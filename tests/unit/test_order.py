"""D1: the order in which records of a batch apply, and what a cut of the stream may change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given, strategies as st

from state.event import Coordinates, Decoded, Tombstone
from stream.consuming.batches import Slice
from stream.order import merge

START = datetime(2026, 11, 22, tzinfo=UTC)

#: Partitions of two topics, each a list of seconds at which its records were recorded; clocks go
#: back, and partitions share instants.
streams = st.lists(st.lists(st.integers(0, 12), max_size=8), min_size=1, max_size=4)


def slice_of(number: int, seconds: list[int], begin: int = 0) -> Slice:
    topic, partition = f"topic-{number % 2}", number // 2
    return Slice(
        topic=topic,
        partition=partition,
        epoch=1,
        from_offset=begin,
        to_offset=begin + len(seconds),
        decoded=tuple(
            Tombstone(
                Coordinates(topic, partition, begin + offset), START + timedelta(seconds=second)
            )
            for offset, second in enumerate(seconds)
        ),
    )


def regrouped(records: list[Decoded]) -> list[Slice]:
    """Cut slices out of records in any order, as a batch of just these would have them."""
    parts: dict[tuple[str, int], list[Decoded]] = {}
    for record in records:
        parts.setdefault(record.coordinates[:2], []).append(record)
    return [
        Slice(topic, partition, 1, 0, len(decoded), tuple(decoded))
        for (topic, partition), decoded in parts.items()
    ]


def places(records: list[Decoded]) -> list[Coordinates]:
    return [record.coordinates for record in records]


@given(streams)
def test_every_record_applies_once_and_a_partition_by_offset(stream: list[list[int]]) -> None:
    """D1: the merge loses nothing, adds nothing, and keeps the offsets of a partition in order."""
    slices = [slice_of(number, seconds) for number, seconds in enumerate(stream)]
    merged = merge(slices)
    assert len(merged) == sum(map(len, stream))
    for part in slices:
        mine = [
            record for record in merged if record.coordinates[:2] == (part.topic, part.partition)
        ]
        assert mine == list(part.decoded)


@given(streams)
def test_partitions_are_merged_by_running_maximum_then_topic_then_partition(
    stream: list[list[int]],
) -> None:
    """D1, told as the rule tells it."""
    key: dict[Coordinates, tuple[datetime, str, int]] = {}
    slices = [slice_of(number, seconds) for number, seconds in enumerate(stream)]
    for part in slices:
        newest = START
        for record in part.decoded:
            newest = max(newest, record.recorded_at)
            key[record.coordinates] = (newest, part.topic, part.partition)
    for earlier, later in pairwise(places(merge(slices))):
        assert key[earlier] <= key[later]


@given(streams, st.randoms())
def test_the_order_of_slices_does_not_matter(stream: list[list[int]], random: Random) -> None:
    """D1: the order is the records', not that in which partitions happened to be read."""
    slices = [slice_of(number, seconds) for number, seconds in enumerate(stream)]
    shuffled = list(slices)
    random.shuffle(shuffled)
    assert merge(shuffled) == merge(slices)


@given(streams, st.lists(st.integers(0, 40), max_size=4))
def test_a_cut_of_the_merged_order_changes_nothing(
    stream: list[list[int]], cuts: list[int]
) -> None:
    """D1: what batches are made of the merged order, merging each afresh gives the same order."""
    whole = merge([slice_of(number, seconds) for number, seconds in enumerate(stream)])
    bounds = [0, *sorted(cut % (len(whole) + 1) for cut in cuts), len(whole)]
    again: list[Decoded] = []
    for begin, end in pairwise(bounds):
        again += merge(regrouped(whole[begin:end]))
    assert again == whole


@given(streams, st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=30))
def test_any_cut_leaves_each_partition_in_order(
    stream: list[list[int]], reads: list[tuple[int, int]]
) -> None:
    """D1: whatever is read of which partition, and however batched, each keeps its offsets' order.

    So a contact's events in one partition apply in one order, for every cut.
    """
    whole = [list(slice_of(number, seconds).decoded) for number, seconds in enumerate(stream)]
    rest = [list(part) for part in whole]
    applied: list[Decoded] = []
    for number, count in reads:
        batch = [part[:count] for part in rest[number:]]
        rest[number:] = [part[count:] for part in rest[number:]]
        applied += merge(regrouped([record for part in batch for record in part]))
    applied += merge(regrouped([record for part in rest for record in part]))
    for part in whole:
        if part:
            place = part[0].coordinates[:2]
            assert [one for one in applied if one.coordinates[:2] == place] == part


def test_a_clock_that_goes_back_does_not_overtake() -> None:
    """D1: the running maximum of 30, 10 is 30, 30, so 20 of another partition comes first."""
    merged = merge([slice_of(0, [30, 10]), slice_of(2, [20])])
    assert places(merged) == [("topic-0", 1, 0), ("topic-0", 0, 0), ("topic-0", 0, 1)]


def test_nothing_merges_to_nothing() -> None:
    """D1: a batch that only passes control records has nothing to apply."""
    assert merge([slice_of(0, []), slice_of(1, [])]) == []
