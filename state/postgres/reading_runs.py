"""Runs, read for people: lists, single ones, open waits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from state.pausing import Pausing, with_freezes
from state.postgres.codec import parsed, read_pausing
from state.postgres.finished import existing_runs
from state.postgres.pauses import pausings_of
from state.postgres.reading_audit import actions_on
from state.postgres.runs import read_active, read_done
from state.postgres.session import Record, Session
from state.reading import ActionRow, Document, MessageRow, StoredRun, VersionRow, WaitRow
from state.run import Run, Waiting, lineage_of, retry_id_of

#: How runs end; each is a walk of its own along the index.
ENDED = ("completed", "failed", "cancelled")

AUTOMATIONS = "select automation_id from automations where $1::text is null or name = $1"

#: Newest first, a few of each automation: each is a walk along the end of an index.
NEWEST_ACTIVE = """
select run.* from unnest($1::uuid[]) as one (automation_id)
cross join lateral (
  select * from runs_active
  where automation_id = one.automation_id
  order by created_at desc limit $2
) as run
order by created_at desc, run_id limit $2
"""

NEWEST_DONE = """
select run.* from unnest($1::uuid[]) as one (automation_id)
cross join unnest($3::text[]) as wanted (status)
cross join lateral (
  select * from runs_done
  where automation_id = one.automation_id and status = wanted.status
  order by created_at desc limit $2
) as run
order by created_at desc, run_id limit $2
"""

ACTIVE_OF_CONTACT = """
select * from runs_active
where contact_id = any($3::bigint[]) and automation_id = any($1::uuid[])
order by created_at desc, run_id limit $2
"""

#: `offset 0`, or never analysed tables would be searched by automation and status.
DONE_OF_CONTACT = """
select * from (select * from runs_done where contact_id = any($4::bigint[]) offset 0) as done
where automation_id = any($1::uuid[]) and status = any($3::text[])
order by created_at desc, run_id limit $2
"""

ACTIVE_BY_ID = "select * from runs_active where run_id = any($1::uuid[])"

DONE_BY_ID = "select * from runs_done where run_id = any($1::uuid[])"

#: Runs of a person whose history names a place: what look-back found is written nowhere else.
ACTIVE_THAT_USED = """
select * from runs_active where contact_id = any($1::bigint[]) and strpos(past, $2) > 0
"""

DONE_THAT_USED = """
select * from runs_done where contact_id = any($1::bigint[]) and strpos(past, $2) > 0
"""

VERSIONS = """
select automation_id, name, number, definition, pause, paused_at, freezes
from versions join automations using (automation_id)
where (automation_id, number) in (select * from unnest($1::uuid[], $2::integer[]))
"""

MESSAGES = """
select coalesce(shown_id, message_id) as message_id, run_id, channel, step_key, recipient, title,
  status, last_event, created_at, error, sent_after_cancel, null::timestamptz as next_attempt_at,
  shown_id is not null as is_set_aside
from messages where run_id = any($1::uuid[])
union all
select effect_id, run_id, channel, step_key, recipient, title,
  case when claimed_by is null then 'queued' else 'sending' end, last_event, created_at,
  case when last_error ->> 'code' is not null
    then json_build_object('code', last_error ->> 'code', 'message', last_error ->> 'text') end,
  false,
  case when last_error is not null and claimed_by is null and withdrawn_at is null
    then due_at end,
  false
from outbox where run_id = any($1::uuid[])
order by created_at, message_id
"""

LATE = """
select run_id, step_key, late from closed_waits
where contact_id = any($1::bigint[]) and run_id = any($2::uuid[]) and late is not null
"""

#: Most runs have none of these. One statement asks; only what there is costs one of its own.
SURROUNDINGS = """
select
  exists (select from messages where run_id = any($1::uuid[]))
    or exists (select from outbox where run_id = any($1::uuid[])) as has_messages,
  exists (
    select from closed_waits
    where contact_id = any($2::bigint[]) and run_id = any($1::uuid[]) and late is not null
  ) as has_late,
  exists (select from audit where target = any($3::text[])) as has_actions
"""

#: Those with a deadline come by the index of timers; without one, they come last.
WAITS = """
select open.*, name
from (
  (select * from runs_active where not is_held and due_at is not null and activity = 'waiting'
   order by due_at limit $1)
  union all
  (select * from runs_active where is_held and due_at is not null and activity = 'waiting'
   order by due_at limit $1)
  union all
  (select * from runs_active where due_at is null and activity = 'waiting' limit $1)
) as open join automations using (automation_id)
order by due_at nulls last, run_id
limit $1
"""


class Wanted(Struct, frozen=True):
    """Which runs a list shows; `contact_ids` are the numbers of one person (rule I3)."""

    automation: str | None = None
    status: str | None = None
    contact_ids: Sequence[int] | None = None
    limit: int = 50


async def list_runs(session: Session, wanted: Wanted) -> list[StoredRun]:
    """Return the newest runs that are wanted.

    The active ones are read first: one that ends meanwhile is then seen twice, never missed.
    """
    automations = [one for (one,) in await session.rows(AUTOMATIONS, wanted.automation)]
    runs: dict[UUID, Run] = {}
    if wanted.status in (None, "running"):
        runs = {run.run_id: run for run in await _newest_active(session, wanted, automations)}
    if wanted.status != "running":
        runs |= {run.run_id: run for run in await _newest_done(session, wanted, automations)}
    newest = sorted(runs.values(), key=lambda run: (run.created_at, run.run_id), reverse=True)
    return await _complete(session, newest[: wanted.limit])


async def find_runs(session: Session, run_ids: Collection[UUID]) -> list[StoredRun]:
    """Return the runs of these ids that there are.

    Most have ended. What has not is looked for among the active ones, and once more among the
    ended: it may have ended between the two questions.
    """
    runs: list[Run] = []
    missing = set(run_ids)
    for sql, read in (
        (DONE_BY_ID, read_done),
        (ACTIVE_BY_ID, read_active),
        (DONE_BY_ID, read_done),
    ):
        if missing:
            found = [read(row) for row in await session.rows(sql, list(missing))]
            missing.difference_update(run.run_id for run in found)
            runs += found
    return await _complete(session, runs)


async def runs_that_used(
    session: Session, contact_ids: Sequence[int], text: str
) -> list[StoredRun]:
    """Return a person's runs whose history holds this text, such as an event's id as JSON."""
    active = [read_active(row) for row in await session.rows(ACTIVE_THAT_USED, contact_ids, text)]
    done = [read_done(row) for row in await session.rows(DONE_THAT_USED, contact_ids, text)]
    return await _complete(session, _latest(active, done))


async def open_waits(session: Session, limit: int) -> list[WaitRow]:
    """Return open waits, those that are due first."""
    rows = await session.rows(WAITS, limit)
    pausings = await pausings_of(session, {row["automation_id"] for row in rows})
    return [_wait(row, pausings[row["automation_id"]]) for row in rows]


def _wait(row: Record, pausing: Pausing) -> WaitRow:
    run = with_freezes(read_active(row), pausing, None)
    waiting = run.parked
    assert isinstance(waiting, Waiting), "only waits were asked for"
    return WaitRow(
        run_id=run.run_id,
        automation_id=run.automation_id,
        automation_name=row["name"],
        version=run.version,
        step_key=waiting.step_key,
        contact_id=run.contact_id,
        opened_at=waiting.entered_at,
        floor=waiting.floor,
        deadline=waiting.deadline,
        due_at=waiting.due_at,
        is_held=waiting.is_held,
        pause=pausing.mode,
        kept_event=None if waiting.kept_at is None else waiting.met[-1].id,
    )


async def versions_of(
    session: Session, keys: Collection[tuple[UUID, int]]
) -> dict[tuple[UUID, int], VersionRow]:
    """Return published versions by automation and number."""
    return {key: version for key, (version, _) in (await _versions(session, keys)).items()}


async def _versions(
    session: Session, keys: Collection[tuple[UUID, int]]
) -> dict[tuple[UUID, int], tuple[VersionRow, Pausing]]:
    """Return versions, each with how its automation is paused."""
    if not keys:
        return {}
    automations, numbers = zip(*keys, strict=True)
    return {
        (row["automation_id"], row["number"]): (
            VersionRow(row["automation_id"], row["name"], row["number"], parsed(row["definition"])),
            read_pausing(row),
        )
        for row in await session.rows(VERSIONS, list(automations), list(numbers))
    }


async def _newest_active(
    session: Session, wanted: Wanted, automations: Sequence[UUID]
) -> list[Run]:
    if wanted.contact_ids is None:
        rows = await session.rows(NEWEST_ACTIVE, automations, wanted.limit)
    else:
        rows = await session.rows(ACTIVE_OF_CONTACT, automations, wanted.limit, wanted.contact_ids)
    return [read_active(row) for row in rows]


async def _newest_done(session: Session, wanted: Wanted, automations: Sequence[UUID]) -> list[Run]:
    statuses = ENDED if wanted.status is None else [wanted.status]
    arguments = (automations, wanted.limit, statuses)
    if wanted.contact_ids is None:
        rows = await session.rows(NEWEST_DONE, *arguments)
    else:
        rows = await session.rows(DONE_OF_CONTACT, *arguments, wanted.contact_ids)
    return [read_done(row) for row in rows]


def _latest(active: Sequence[Run], done: Sequence[Run]) -> list[Run]:
    """Return each run once; of one that ended between the two questions, its end."""
    return list({run.run_id: run for run in (*active, *done)}.values())


async def _complete(session: Session, runs: Sequence[Run]) -> list[StoredRun]:
    """Add what is kept apart from the runs: versions, messages, late matches, pauses."""
    if not runs:
        return []
    # A retry goes on with what the runs before it did (rule R3).
    ids = list({run_id for run in runs for run_id in lineage_of(run)})
    people, targets = [run.contact_id for run in runs], [str(run.run_id) for run in runs]
    versions = await _versions(session, {(run.automation_id, run.version) for run in runs})
    (has,) = await session.rows(SURROUNDINGS, ids, people, targets)
    messages = _messages_by_run(await session.rows(MESSAGES, ids) if has["has_messages"] else ())
    late = _late_by_run(await session.rows(LATE, people, ids) if has["has_late"] else ())
    actions = _by_target(await actions_on(session, targets) if has["has_actions"] else ())
    retries = await existing_runs(session, [retry_id_of(run) for run in runs if run.failure])
    return [
        StoredRun(
            run,
            version,
            _messages_of(run, messages),
            {key: one for run_id in lineage_of(run) for key, one in late[run_id].items()},
            pausing,
            actions[str(run.run_id)],
            retry_id_of(run) if retry_id_of(run) in retries else None,
        )
        for run in runs
        for version, pausing in [versions[run.automation_id, run.version]]
    ]


def _messages_of(
    run: Run, messages: Mapping[UUID, Sequence[tuple[MessageRow, bool]]]
) -> list[MessageRow]:
    """Return a run's messages: its own, and of those before it what was not sent anew since."""
    return [
        message
        for run_id in lineage_of(run)
        for message, is_set_aside in messages[run_id]
        if run_id == run.run_id or not is_set_aside
    ]


def _messages_by_run(rows: Iterable[Record]) -> dict[UUID, list[tuple[MessageRow, bool]]]:
    grouped: dict[UUID, list[tuple[MessageRow, bool]]] = defaultdict(list)
    for row in rows:
        *shown, is_set_aside = row
        message = MessageRow(*shown)._replace(error=parsed(row["error"]))
        grouped[message.run_id].append((message, is_set_aside))
    return grouped


def _by_target(actions: Iterable[ActionRow]) -> dict[str, list[ActionRow]]:
    grouped: dict[str, list[ActionRow]] = defaultdict(list)
    for action in actions:
        grouped[action.target].append(action)
    return grouped


def _late_by_run(rows: Iterable[Record]) -> dict[UUID, dict[str, Document]]:
    late: dict[UUID, dict[str, Document]] = defaultdict(dict)
    for row in rows:
        late[row["run_id"]][row["step_key"]] = parsed(row["late"])
    return late
