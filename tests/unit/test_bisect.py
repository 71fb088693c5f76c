"""Work that the database refuses is made smaller until the one culprit stands alone."""

from uuid import UUID

import pytest

from handlers.abandon import Abandon
from handlers.timer import TimerDue
from state.effect import Answer
from state.event import Coordinates, Rejected, Tombstone
from state.turn import Position, Quarantined, Refused
from stream.bisect import parts_of, without
from stream.consuming.batches import Slice
from stream.order import merge
from stream.turn import Work
from tests.kit import NOW, ahead, event

REFUSED = Refused("22P05", "ann@x.io")


def record(offset: int, partition: int = 0, seconds: int = 0):
    return event("go", ahead(seconds=seconds), id=f"{partition}/{offset}",
                 place=("t", partition, offset))  # fmt: skip


def rejected(offset: int = 3) -> Rejected:
    place = Coordinates("t", 0, offset)
    return Rejected("bad_json", "x", place, NOW, b"{", b"sha", (("h", "\0"),))


def move(from_offset: int, to_offset: int, partition: int = 0, low=NOW) -> Position:
    return Position("t", partition, 4, from_offset, to_offset, low)


def all_parts(work: Work, is_refused) -> list[Work]:
    """Bisect as the processor does, until nothing is refused; return what was committed."""
    done, queue = [], [work]
    while queue:
        current = queue.pop(0)
        if is_refused(current):
            queue[:0] = parts_of(current, REFUSED)
        else:
            done.append(current)
    return done


def test_halves_move_each_partition_without_a_gap():
    """E5, E3: the second half begins where the first one ends, and `low` comes with the end."""
    work = Work([record(0), record(2), record(5), record(6)], positions=[move(0, 9)])
    first, second = parts_of(work, REFUSED)
    assert [r.coordinates.offset for r in first.records] == [0, 2]
    assert first.positions == [move(0, 5, low=None)]
    assert second.positions == [move(5, 9)]


def test_a_partition_whose_records_are_all_in_one_half_moves_with_it():
    """E5: no partition is moved past a record that was not applied."""
    work = Work(
        [record(0, 0), record(1, 0), record(0, 1), record(1, 1)],
        positions=[move(0, 2, 0), move(0, 3, 1)],
    )
    first, second = parts_of(work, REFUSED)
    assert (first.positions, second.positions) == ([move(0, 2, 0)], [move(0, 3, 1)])


def test_a_partition_without_records_is_moved_too():
    """E3: over control records, or what compaction took."""
    work = Work([record(0), record(1)], positions=[move(0, 2), move(7, 9, 1)])
    first, second = parts_of(work, REFUSED)
    assert move(7, 9, 1) in first.positions
    assert second.positions == [move(1, 2)]


@pytest.mark.parametrize("culprit", range(7))
def test_bisecting_finds_the_one_culprit(culprit):
    """E5: a permanent error bisects the batch down to the one event; its neighbours are applied."""
    slices = [
        Slice("t", p, 4, 0, n, tuple(record(o, p, seconds=7 * o + p) for o in range(n)))
        for p, n in ((0, 4), (1, 3))
    ]
    merged = merge(slices)
    work = Work(merged, positions=[move(0, 4, 0), move(0, 3, 1)])
    parts = all_parts(work, lambda each: merged[culprit] in each.records)
    applied = [one for part in parts for one in part.records]
    assert applied == [one for one in merged if one is not merged[culprit]]
    (letter,) = [each for part in parts for each in part.quarantined]
    assert letter.rejected.reason == "refused_by_database"
    assert letter.rejected.coordinates == merged[culprit].coordinates
    at = {("t", 0): 0, ("t", 1): 0}
    for part in parts:
        for position in part.positions:
            assert position.from_offset == at[position[:2]], "gap-free, in order"
            at[position[:2]] = position.to_offset
    assert at == {("t", 0): 4, ("t", 1): 3}


def test_what_was_refused_is_set_aside_without_its_text():
    """E5: the error's text quotes people's data; the reason names only the kind of fault."""
    (part,) = parts_of(Work([record(0)], positions=[move(0, 1)]), REFUSED)
    (letter,) = part.quarantined
    assert letter.rejected.detail == "the database refused it with SQLSTATE 22P05"
    assert (list(part.records), part.positions) == ([], [move(0, 1)])


def test_a_rejected_record_that_is_refused_too_loses_its_headers():
    """E5: they are the one part of it that is not plain bytes."""
    (part,) = parts_of(Work([rejected()], positions=[move(3, 4)]), REFUSED)
    (letter,) = part.quarantined
    assert letter.rejected.headers == ()
    assert letter.rejected.raw == b"{"


def test_what_cannot_be_made_smaller_is_refused():
    """E5: then it is no record's fault."""
    with pytest.raises(Refused):
        parts_of(Work([Tombstone(Coordinates("t", 0, 3), NOW)], positions=[move(3, 4)]), REFUSED)
    with pytest.raises(Refused):
        parts_of(Work(positions=[move(3, 4)]), REFUSED)
    with pytest.raises(Refused):
        parts_of(Work(commands=[Abandon(1, UUID(int=1), "x")]), REFUSED)


def test_the_run_of_a_refused_timer_is_abandoned():
    """E5: the others fire."""
    timers = [TimerDue(n, UUID(int=n)) for n in range(5)]
    parts = all_parts(Work(commands=timers), lambda each: timers[3] in each.commands)
    commands = [one for part in parts for one in part.commands]
    assert commands == [*timers[:3], Abandon(3, UUID(int=3), "refused 22P05"), timers[4]]


def test_a_refused_answer_stays_an_answer_without_its_texts():
    """F2, E5: else its effect would stay in the outbox, and be sent again and again."""
    answer = Answer(UUID(int=1), UUID(int=2), 3, "sent", 1, provider_id="\x00", text="\x00")
    (part,) = parts_of(Work(commands=[answer]), REFUSED)
    (plain,) = part.commands
    assert (plain.settlement, plain.provider_id, plain.text) == ("sent", None, None)
    (last,) = parts_of(part, REFUSED)
    assert isinstance(last.commands[0], Abandon)


def test_a_fenced_partition_drops_out_and_the_rest_is_done():
    """E3: records, moves and what was set aside of it."""
    mine, lost = record(0, 0), record(0, 1)
    letters = [Quarantined(rejected(3)), Quarantined(rejected(4))]
    work = Work([mine, lost], positions=[move(0, 1), move(0, 1, 1)], quarantined=letters)
    rest = without(work, frozenset({("t", 1)}))
    assert (rest.records, rest.positions, rest.quarantined) == ([mine], [move(0, 1)], letters)
    nothing = without(work, frozenset({("t", 0), ("t", 1)}))
    assert (nothing.records, nothing.positions, nothing.quarantined) == ([], [], [])


def test_the_order_is_kept_through_every_cut():
    """D1: a part merged afresh comes out as it went in."""
    slices = [
        Slice("t", p, 1, 0, 5, tuple(record(o, p, seconds=(o * 3 + p * 2) % 7) for o in range(5)))
        for p in range(3)
    ]
    merged = merge(slices)
    for cut in range(len(merged)):
        again = []
        for part in (merged[:cut], merged[cut:]):
            of = {p: tuple(r for r in part if r.coordinates.partition == p) for p in range(3)}
            again += merge([Slice("t", p, 1, 0, 5, records) for p, records in of.items()])
        assert [r.coordinates for r in again] == [r.coordinates for r in merged]
