"""Making work smaller: by what the database refuses, and by what was fenced (rules E3, E5)."""

from __future__ import annotations

from collections.abc import Sequence, Set

from msgspec.structs import replace

from handlers.abandon import Abandon
from handlers.dedupe import rejected_event
from handlers.ending import Cancel
from handlers.retry import Retry
from handlers.timer import Release
from handlers.unmerge import UndoMerge
from state.effect import Answer
from state.event import Event, Mention, Read, Rejected
from state.turn import Position, Quarantined, Refused
from stream.consuming.batches import Partition
from stream.turn import Command, Work


def parts_of(work: Work, refused: Refused) -> list[Work]:
    """Return work that was refused for good in halves, or the one culprit made harmless.

    Raises:
        Refused: nothing smaller is left that could be at fault.
    """
    if len(work.records) > 1 or len(work.commands) > 1:
        return halves(work)
    if work.records:
        return [_set_aside(work, work.records[0], refused)]
    if not work.commands:
        raise refused
    return [Work(commands=[_harmless(work.commands[0], refused)])]


def _harmless(command: Command, refused: Refused) -> Command:
    """Return a command without what may be at fault: a provider's texts, then the run's new state.

    An answer stays an answer: its effect must not be sent again (rule F2). An operator's command
    may itself be at fault, by its reason, and is there to hear of it: its run is left as it was.
    """
    code = f"refused {refused.sqlstate}"
    if isinstance(command, Abandon | Cancel | Release | Retry | UndoMerge):
        raise refused
    if isinstance(command, Answer) and command.code != code:
        return replace(command, code=code, text=None, provider_id=None)
    return Abandon(command.contact_id, command.run_id, code)


def halves(work: Work) -> list[Work]:
    """Return work in two parts that are done one after the other, each in a turn of its own."""
    if work.records:
        return _halves(work)
    middle = len(work.commands) // 2
    return [
        replace(work, commands=work.commands[:middle]),
        replace(work, commands=work.commands[middle:]),
    ]


def without(work: Work, lost: Set[Partition]) -> Work:
    """Return the work without what belongs to partitions that somebody else owns now."""

    def is_kept(record: Read) -> bool:
        return record.coordinates[:2] not in lost

    return replace(
        work,
        records=[record for record in work.records if is_kept(record)],
        positions=[position for position in work.positions if position[:2] not in lost],
        quarantined=[each for each in work.quarantined if is_kept(each.rejected)],
    )


def _halves(work: Work) -> list[Work]:
    """Split records in order: a prefix of the merged order is a prefix of every partition (D1)."""
    middle = len(work.records) // 2
    first, second = work.records[:middle], work.records[middle:]
    cuts = [_cut(position, second) for position in work.positions]
    before = [
        position._replace(to_offset=cut, low=position.low if cut == position.to_offset else None)
        for position, cut in zip(work.positions, cuts, strict=True)
        if cut > position.from_offset
    ]
    after = [
        position._replace(from_offset=cut)
        for position, cut in zip(work.positions, cuts, strict=True)
        if cut < position.to_offset
    ]
    return [
        Work(records=first, positions=before, quarantined=work.quarantined),
        Work(records=second, positions=after),
    ]


def _cut(position: Position, second: Sequence[Read]) -> int:
    """Return the first offset of the second half in a partition; its end if none is there."""
    offsets = (
        record.coordinates.offset for record in second if record.coordinates[:2] == position[:2]
    )
    return min(offsets, default=position.to_offset)


def _set_aside(work: Work, record: Read, refused: Refused) -> Work:
    """Return work that quarantines the one record the database will not take."""
    detail = f"the database refused it with SQLSTATE {refused.sqlstate}"
    match record.whole() if isinstance(record, Mention) else record:
        case Event() as event:
            rejected = rejected_event(event, "refused_by_database", detail)
        case Rejected() as rejected:
            pass
        case _:
            raise refused
    # Headers are the one part of a rejected record that is not plain bytes.
    plain = replace(rejected, reason="refused_by_database", detail=detail, headers=())
    return Work(positions=work.positions, quarantined=[*work.quarantined, Quarantined(plain)])
