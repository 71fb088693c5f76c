"""Events, read for people: what is stored of one, quarantine, names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from state.event import Coordinates, Identifier
from state.postgres.catalogue import INTERESTS
from state.postgres.codec import parsed
from state.postgres.session import Record, Session
from state.reading import (
    DuplicateRow,
    EventRow,
    NameRow,
    NameUse,
    NoteRow,
    QuarantineRow,
    Traces,
)
from state.run import Resolved

#: How far back events are searched whose source nobody knows.
SEARCHED = timedelta(days=8)

EVENTS_BY_KEY = """
select * from events where event_key = any($1::uuid[]) order by processed_at
"""

#: By the small index of block ranges of offsets.
EVENTS_BY_PLACE = """
select * from events
where topic = $1 and partition = $2 and "offset" = $3
order by processed_at
"""

#: No index leads from an id alone to its event: the youngest partitions are read, in full.
EVENTS_BY_ID = """
select * from events
where event_id = $1 and processed_at > statement_timestamp() - $2::interval
order by processed_at limit 5
"""

#: `offset 0` keeps the planner from walking by age, through everybody's, until these are found: so
#: it would rather do where it may not sort (reading.py).
_FOUND = "select * from (select * from {table} where {where} offset 0) as found order by {order}"
_PLACE = 'topic = $1 and partition = $2 and "offset" = $3'

DUPLICATES_BY_ID = (
    _FOUND.format(table="duplicates", where="event_id = $1", order="dropped_at desc") + " limit 100"
)
DUPLICATES_BY_PLACE = _FOUND.format(table="duplicates", where=_PLACE, order="dropped_at desc")

LETTERS_BY_ID = (
    _FOUND.format(table="quarantine", where="event_id = $1", order="quarantined_at desc")
    + " limit 100"
)
LETTERS_BY_PLACE = _FOUND.format(table="quarantine", where=_PLACE, order="quarantined_at desc")

NEWEST_LETTERS = """
select * from quarantine where $1::text is null or reason = $1
order by quarantined_at desc, topic, partition, "offset" desc limit $2
"""

NOTES_BY_ID = (
    _FOUND.format(table="identity_notes", where="event_id = $1", order="noted_at") + " limit 100"
)
NOTES_BY_PLACE = _FOUND.format(table="identity_notes", where=_PLACE, order="noted_at")

NAMES = """
select name, sum(count)::bigint, min(first_at), max(last_at),
  (array_agg(topic order by last_at desc))[1],
  (array_agg(partition order by last_at desc))[1],
  (array_agg(last_offset order by last_at desc))[1]
from name_counts group by name order by name
"""

USES = """
select distinct unnest(names) as name, automation_id, automations.name, is_enabled
from versions join automations using (automation_id)
where retired_at is null
order by 1, 3
"""

AUTOMATION_NAMES = "select automation_id, name from automations"


async def events_of_keys(session: Session, keys: Collection[UUID]) -> list[EventRow]:
    """Return the events of these keys that are stored (rule E1)."""
    return [_event(row) for row in await session.rows(EVENTS_BY_KEY, list(keys))]


async def traces_of_keys(session: Session, keys: Collection[UUID], event_id: str) -> Traces:
    """Return all that is stored of an id; `keys` are its keys under the sources to try (E1)."""
    return Traces(
        events=await events_of_keys(session, keys),
        duplicates=[_duplicate(row) for row in await session.rows(DUPLICATES_BY_ID, event_id)],
        quarantined=[_letter(row) for row in await session.rows(LETTERS_BY_ID, event_id)],
        notes=[_note(row) for row in await session.rows(NOTES_BY_ID, event_id)],
    )


async def traces_at(session: Session, at: Coordinates) -> Traces:
    """Return all that is stored of the record at a place; of a duplicate, the event that won."""
    duplicates = [_duplicate(row) for row in await session.rows(DUPLICATES_BY_PLACE, *at)]
    places = [at, *(one.winner for one in duplicates)]
    return Traces(
        events=[
            _event(row) for place in places for row in await session.rows(EVENTS_BY_PLACE, *place)
        ],
        duplicates=duplicates,
        quarantined=[_letter(row) for row in await session.rows(LETTERS_BY_PLACE, *at)],
        notes=[_note(row) for row in await session.rows(NOTES_BY_PLACE, *at)],
    )


async def events_with_id(session: Session, event_id: str) -> list[EventRow]:
    """Return the younger events of an id, whatever their source: slow, for want of an index."""
    return [_event(row) for row in await session.rows(EVENTS_BY_ID, event_id, SEARCHED)]


async def newest_letters(
    session: Session, *, reason: str | None, limit: int
) -> list[QuarantineRow]:
    """Return the records that were set aside last."""
    return [_letter(row) for row in await session.rows(NEWEST_LETTERS, reason, limit)]


async def letters_at(session: Session, at: Coordinates) -> list[QuarantineRow]:
    """Return the record that was set aside from this place, once for each life of the topic."""
    return [_letter(row) for row in await session.rows(LETTERS_BY_PLACE, *at)]


async def names_seen(session: Session) -> list[NameRow]:
    """Return every event name that was seen, of interest or not (rule E7)."""
    return [
        NameRow(name, times, first_at, last_at, Coordinates(topic, partition, offset))
        for name, times, first_at, last_at, topic, partition, offset in await session.rows(NAMES)
    ]


async def name_uses(session: Session) -> list[NameUse]:
    """Return who listens to which name."""
    return [NameUse(*row) for row in await session.rows(USES)]


async def interests(session: Session) -> dict[str, datetime]:
    """Return the names of interest, and since when they are (rule E7)."""
    return {row["name"]: row["since"] for row in await session.rows(INTERESTS)}


async def automation_names(session: Session) -> dict[UUID, str]:
    """Return the names of all automations, deleted ones too."""
    rows = await session.rows(AUTOMATION_NAMES)
    return {row["automation_id"]: row["name"] for row in rows}


def _event(row: Record) -> EventRow:
    return EventRow(
        key=row["event_key"],
        source=row["source"],
        id=row["event_id"],
        name=row["name"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        processed_at=row["processed_at"],
        v=row["v"],
        is_skewed=row["is_skewed"],
        coordinates=_place(row),
        contact_id=row["contact_id"],
        resolved=Resolved(row["resolved_kind"], row["resolved_value"], row["resolved_path"]),
        identifiers=tuple(Identifier(*one) for one in parsed(row["identifiers"])),
        payload=parsed(row["payload"]),
        findings=parsed(row["findings"]) or (),
    )


def _duplicate(row: Record) -> DuplicateRow:
    winner = Coordinates(row["winner_topic"], row["winner_partition"], row["winner_offset"])
    return DuplicateRow(row["event_id"], _place(row), row["recorded_at"], row["dropped_at"], winner)


def _letter(row: Record) -> QuarantineRow:
    headers: Sequence[Sequence[str]] = parsed(row["headers"]) or ()
    return QuarantineRow(
        coordinates=_place(row),
        recorded_at=row["recorded_at"],
        quarantined_at=row["quarantined_at"],
        reason=row["reason"],
        detail=row["detail"],
        fingerprint=row["fingerprint"],
        event_id=row["event_id"],
        winner=row["winner"],
        raw=row["raw"],
        sha256=row["sha256"],
        headers=[(name, text) for name, text in headers],
    )


def _note(row: Record) -> NoteRow:
    return NoteRow(
        row["contact_id"],
        row["event_id"],
        _place(row),
        row["verdict"],
        row["reason"],
        row["noted_at"],
    )


def _place(row: Record) -> Coordinates:
    return Coordinates(row["topic"], row["partition"], row["offset"])
