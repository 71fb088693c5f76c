"""Gathers what is known of one event: from the tables and, where they are silent, from Kafka."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from msgspec.structs import replace

from handlers.explaining.case import Case
from handlers.explaining.hindsight import RunView
from handlers.publishing.catalogue import compile_version
from state.contact import contact_uuid
from state.event import Coordinates, Event
from state.merge import LoggedMerge
from state.moment import moment_text
from state.postgres.audiences import load_audiences
from state.postgres.codec import json_text
from state.postgres.reading_contacts import load_contact, load_person
from state.postgres.reading_events import (
    automation_names,
    events_with_id,
    interests,
    name_uses,
    names_seen,
    traces_at,
    traces_of_keys,
)
from state.postgres.reading_merges import list_merges
from state.postgres.reading_runs import Wanted, find_runs, list_runs, runs_that_used
from state.postgres.reading_stream import partition_rows
from state.postgres.session import Session
from state.reading import EventRow, Found, PartitionRow, StoredRun, Traces
from state.turn import Unavailable
from stream.access import tables, topics
from stream.config import Settings
from stream.decoding.decode import event_key
from stream.trouble import Trouble

#: How many of a contact's runs are asked what they say of an event.
RUNS_JUDGED = 50

#: How many of the newest merges of a contact are asked whether they were undone.
MERGES_JUDGED = 100

_PLACE = re.compile(r"(?P<topic>[A-Za-z0-9._-]+)/(?P<partition>[0-9]{1,9})/(?P<offset>[0-9]{1,18})")


async def investigate(
    config: Settings, asked: str, source: str | None, on_progress: Callable[[int], None]
) -> Case:
    """Return what is known of an event, asked for by its id or by `topic/partition/offset`.

    Raises:
        Trouble: the tables cannot be read. Kafka may be away: what is stored is told all the same.
    """
    async with tables(config) as session:
        positions = await partition_rows(session, config.stream_epoch)
        known = {*config.topics_in, *(row.topic for row in positions)}
        at = parse_place(asked) if source is None else None
        at = at if at is not None and at.topic in known else None
        searched: list[str] = []
        traces = await _traces(session, config, asked, at, source, searched)
        traces = await _with_undone(session, traces)
    case = Case(asked, at, traces, searched=searched)
    if not (traces.events or traces.duplicates or traces.quarantined):
        found = await _look(config, asked, at, positions, searched, on_progress)
        case = replace(case, found=found, searched=searched)
    async with tables(config) as session:
        return await _with_context(session, case)


def parse_place(text: str) -> Coordinates | None:
    """Return the place that `topic/partition/offset` names, None if the text is none."""
    match = _PLACE.fullmatch(text)
    if match is None:
        return None
    return Coordinates(match["topic"], int(match["partition"]), int(match["offset"]))


def view_of(stored: StoredRun) -> RunView:
    """Return a run with its version compiled."""
    return RunView(stored, compile_version(*stored.version))


async def _traces(
    session: Session,
    config: Settings,
    asked: str,
    at: Coordinates | None,
    source: str | None,
    searched: list[str],
) -> Traces:
    if at is not None:
        return await traces_at(session, at)
    sources = config.topics_in if source is None else (source,)
    searched.append(f"the tables, under the sources {', '.join(sources)}")
    keys = [event_key(one, asked) for one in sources]
    traces = await traces_of_keys(session, keys, asked)
    if not traces.events and source is None:
        return replace(traces, events=await _events_elsewhere(session, asked, traces, searched))
    return traces


async def _events_elsewhere(
    session: Session, asked: str, traces: Traces, searched: list[str]
) -> Sequence[EventRow]:
    """Return the event that dropped records lost to, else the younger events of any source."""
    for duplicate in traces.duplicates:
        return (await traces_at(session, duplicate.winner)).events
    try:
        found = await events_with_id(session, asked)
    except Unavailable as error:
        if not str(error).startswith("57014"):
            raise
        searched.append("the newest events of other sources (not finished: too many)")
        return ()
    searched.append("the events of the last 8 days of any source")
    return found


async def _with_undone(session: Session, traces: Traces) -> Traces:
    """Say of each merge in the notes whether it was undone since (rule I3)."""
    people = sorted({note.contact_id for note in traces.notes if note.verdict == "merged"})
    if not people:
        return traces
    undone = {
        (merge.coordinates, str(contact_uuid(merge.merged))): merge
        for merge in await list_merges(session, people, MERGES_JUDGED)
        if merge.undone_at is not None
    }
    notes = [
        next(
            (
                note._replace(reason=f"{note.reason}; {_undone_text(merge)}")
                for (at, gone), merge in undone.items()
                if note.verdict == "merged" and at == note.coordinates and gone in note.reason
            ),
            note,
        )
        for note in traces.notes
    ]
    return replace(traces, notes=notes)


def _undone_text(merge: LoggedMerge) -> str:
    assert merge.undone_at is not None
    return f"undone at {moment_text(merge.undone_at)} by {merge.undone_by}"


async def _look(
    config: Settings,
    asked: str,
    at: Coordinates | None,
    positions: Sequence[PartitionRow],
    searched: list[str],
    on_progress: Callable[[int], None],
) -> Found:
    """Read the record itself, by its place, or by a bounded search for its id."""
    try:
        async with topics(config) as look:
            logs = await look.logs()
            if at is None:
                decoded = await look.find(asked, on_progress)
                searched.append(f"the newest records of {len(logs)} partitions in Kafka")
            else:
                log = logs.get((at.topic, at.partition))
                is_there = log is not None and log.start <= at.offset < log.end
                decoded = await look.record_at(at) if is_there else None
    except Trouble as trouble:
        searched.append(f"not Kafka ({str(trouble).splitlines()[0]})")
        return Found(None, None, None)
    place = at if decoded is None else decoded.coordinates
    if place is None:
        return Found(None, None, None)
    position = next((row for row in positions if (row.topic, row.partition) == place[:2]), None)
    return Found(decoded, position, logs.get((place.topic, place.partition)))


async def _with_context(session: Session, case: Case) -> Case:
    """Add what a stored event's findings refer to: runs, automations, the contact."""
    event = case.event
    if event is None:
        return await _with_names(session, case)
    named = {UUID(str(one["run_id"])) for one in event.findings if "run_id" in one}
    person = await load_person(session, event.contact_id)
    runs = [
        *await list_runs(session, Wanted(contact_ids=person, limit=RUNS_JUDGED)),
        *await runs_that_used(session, person, _place_in_history(event)),
        *await find_runs(session, named),
    ]
    return replace(
        case,
        runs={stored.run.run_id: view_of(stored) for stored in runs},
        automations=await automation_names(session),
        contact=await _contact_scope(session, person[0]),
    )


async def _contact_scope(session: Session, contact_id: int) -> Mapping[str, object]:
    contact = await load_contact(session, contact_id)
    return {} if contact is None else contact.scope(await load_audiences(session))


async def _with_names(session: Session, case: Case) -> Case:
    """Add who uses, and who ever said, a name like that of an event that was not stored."""
    decoded = None if case.found is None else case.found.decoded
    if not isinstance(decoded, Event):
        return case
    uses = await name_uses(session)
    return replace(
        case,
        interest_since=await interests(session),
        names=[row.name for row in await names_seen(session)],
        stopped=[
            use.automation_name for use in uses if use.name == decoded.name and not use.is_enabled
        ],
    )


def _place_in_history(event: EventRow) -> str:
    """Return how a closed wait's history entry ends the name of the event that closed it."""
    return json_text(event.coordinates._asdict())[1:]
