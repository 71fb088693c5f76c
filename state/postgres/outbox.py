"""Effects on their way and messages settled: at least once, each by its key (rules F2, F3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from state.effect import Answer, Claimed, Effect, withdrawal
from state.ids import name_uuid
from state.postgres.codec import columns_of, json_text, optional_json, parsed
from state.postgres.session import Record, Session
from state.turn import Withdrawn

COLUMNS = (
    "effect_id", "run_id", "contact_id", "created_at", "due_at", "channel", "key", "step_key",
    "recipient", "title", "message", "category", "topic",
)  # fmt: skip

#: A claim is a lease: the row is due again when it ends, for whoever comes first. One that comes
#: upon an unfinished claim cannot know how far that came.
#: While an automation is paused, effects are looked for automation by automation, as timers are:
#: what the paused ones have asked for waits with them (rule T3). Only what was called back is
#: claimed: it is settled, not sent, and who was deleted waits for it (rule I5).
#: A key begins with its automation.
CLAIM = """
with pauses as materialized (
  select exists (select from automations where pause is not null) as are_some
),
every as materialized (
  select effect_id,
    claimed_by is not null or coalesce((last_error ->> 'is_unsure')::boolean, false) as was_unsure
  from outbox where due_at <= statement_timestamp() and not (select are_some from pauses)
  order by due_at limit $1 for update skip locked
),
apart as materialized (
  select theirs.effect_id, was_unsure from automations
  cross join lateral (
    select effect_id, due_at,
      claimed_by is not null or coalesce((last_error ->> 'is_unsure')::boolean, false) as was_unsure
    from outbox
    where split_part(key, ':', 1) = automations.automation_id::text
      and due_at <= statement_timestamp()
    order by due_at limit $1 for update skip locked
  ) as theirs
  where pause is null and (select are_some from pauses)
  order by due_at limit $1
),
called_back as materialized (
  select effect_id,
    claimed_by is not null or coalesce((last_error ->> 'is_unsure')::boolean, false) as was_unsure
  from outbox
  where withdrawn_at is not null and due_at <= statement_timestamp()
    and (select are_some from pauses)
  order by due_at limit $1 for update skip locked
),
due as (
  select * from every union all select * from apart union all select * from called_back
)
update outbox set attempts = attempts + 1, claimed_by = $2, due_at = statement_timestamp() + $3
from due where outbox.effect_id = due.effect_id
returning outbox.effect_id, key, run_id, contact_id, step_key, channel, message, created_at,
  attempts, was_unsure, withdrawn_why, category, topic
"""

#: Only by who holds the claim: one that was overtaken must not wake another's effect. One that was
#: withdrawn meanwhile is not tried again, so nothing is waited for.
POSTPONE = """
update outbox set claimed_by = null, last_error = $4,
  due_at = statement_timestamp() + case when withdrawn_at is null then $3 else interval '0' end
where effect_id = $1 and claimed_by = $2
"""

#: An update by way of ON CONFLICT, as in contacts.py; it waits for a claim that is being made, and
#: says whether there is one. The contact's lock keeps answers out, so no row can have left.
WITHDRAW = """
insert into outbox as known (effect_id, run_id, contact_id, created_at, due_at, channel, key,
  step_key, recipient, message, withdrawn_at, withdrawn_why)
select held.*, $3, withdrawn.why
from unnest($1::uuid[], $2::text[]) as withdrawn (effect_id, why)
cross join lateral (
  select effect_id, run_id, contact_id, created_at, due_at, channel, key, step_key,
    recipient, message
  from outbox where effect_id = withdrawn.effect_id
  offset 0
) as held
on conflict (effect_id) do update set
  withdrawn_at = excluded.withdrawn_at, withdrawn_why = excluded.withdrawn_why
returning known.*, claimed_by is not null as is_claimed,
  coalesce((last_error ->> 'is_unsure')::boolean, false) as was_unsure
"""

#: Only what the provider never took; what it may have is not sent again (rule F3). By ctid, as a
#: join might be planned as a walk over the table (trap 1).
SET_ASIDE = """
update messages set
  message_id = ($2::uuid[])[array_position($1::uuid[], message_id)], shown_id = message_id
where ctid = any(array(
  select held.ctid from unnest($1::uuid[]) as aside (message_id)
  cross join lateral (
    select ctid from messages
    where message_id = aside.message_id and status in ('failed', 'skipped')
    offset 0
  ) as held
))
"""

#: One statement, so that a message is in one place at any time. An answer that comes again finds
#: no row and does nothing; a claim that is being made is waited for.
SETTLE = """
with settled as materialized (
  select held.*, answer.status, answer.tries, answer.provider_id, answer.error
  from unnest($1::uuid[], $2::bigint[], $3::text[], $4::integer[], $5::text[], $6::json[])
    as answer (effect_id, contact_id, status, tries, provider_id, error)
  cross join lateral (
    select * from outbox
    where effect_id = answer.effect_id and contact_id = answer.contact_id
    offset 0
    for update
  ) as held
),
gone as (
  delete from outbox where effect_id = any(array(select effect_id from settled))
)
insert into messages (message_id, run_id, contact_id, created_at, settled_at, attempts, channel,
  status, step_key, recipient, title, last_event, provider_id, error, sent_after_cancel)
select effect_id, run_id, contact_id, created_at, $7, tries, channel,
  status, step_key, recipient, title, last_event, provider_id, error,
  status = 'sent' and withdrawn_at is not null
from settled
"""

#: An update by way of ON CONFLICT, as in contacts.py.
MESSAGE_EVENTS = """
insert into messages (message_id, run_id, contact_id, created_at, settled_at, attempts, channel,
  status, step_key, recipient, last_event)
select held.*, happened.name
from unnest($1::uuid[], $2::bigint[], $3::text[]) as happened (message_id, contact_id, name)
cross join lateral (
  select message_id, run_id, contact_id, created_at, settled_at, attempts, channel,
    status, step_key, recipient
  from messages
  where message_id = happened.message_id
  offset 0
) as held
where held.contact_id = happened.contact_id
on conflict (message_id) do update set last_event = excluded.last_event
"""

#: A message may be opened before its answer is written; settling takes the event along.
EFFECT_EVENTS = """
insert into outbox (effect_id, run_id, contact_id, created_at, due_at, channel, key, step_key,
  recipient, message, last_event)
select held.*, happened.name
from unnest($1::uuid[], $2::bigint[], $3::text[]) as happened (effect_id, contact_id, name)
cross join lateral (
  select effect_id, run_id, contact_id, created_at, due_at, channel, key, step_key,
    recipient, message
  from outbox
  where effect_id = happened.effect_id
  offset 0
) as held
where held.contact_id = happened.contact_id
on conflict (effect_id) do update set last_event = excluded.last_event
"""


async def make_room(session: Session, resent: Sequence[tuple[UUID, UUID]]) -> None:
    """Set messages aside that were not sent, so that they can be sent under their own key (R3).

    Each is given with the run in which it failed, which goes on showing it.
    """
    if resent:
        rows = [(effect_id, name_uuid(effect_id, str(run_id))) for effect_id, run_id in resent]
        await session.run(SET_ASIDE, *columns_of(rows))


async def save_effects(session: Session, effects: Sequence[Effect]) -> None:
    """Append the effects that a turn asked for; they may be claimed as soon as it commits."""
    if effects:
        await session.copy("outbox", COLUMNS, [_row(one) for one in effects])


def _row(effect: Effect) -> tuple[object, ...]:
    message = effect.message
    title = message.get("subject", message.get("title"))
    return (
        effect.effect_id, effect.run_id, effect.contact_id, effect.created_at, effect.created_at,
        effect.channel, effect.key, effect.step_key, message["to"], title, json_text(message),
        effect.category, effect.topic,
    )  # fmt: skip


async def settle(session: Session, answers: Sequence[Answer], now: datetime) -> int:
    """Move answered effects to the messages; return how many there were still to move (F3)."""
    if not answers:
        return 0
    first = {one.effect_id: one for one in reversed(answers)}
    rows = [
        (
            one.effect_id,
            one.contact_id,
            one.settlement,
            one.attempts,
            one.provider_id,
            optional_json({"code": one.code, "message": one.text} if one.code else None),
        )
        for one in first.values()
    ]
    return await session.run(SETTLE, *columns_of(rows), now)


async def withdraw(session: Session, withdrawn: Sequence[Withdrawn], now: datetime) -> None:
    """Keep effects of runs that ended from going out, as far as that can still be done (F3, F4).

    What nobody has claimed is settled here; what a worker may be sending waits for its answer, or
    for the end of the lease.
    """
    if not withdrawn:
        return
    columns = columns_of((one.effect_id, one.why) for one in withdrawn)
    answers = [
        withdrawal(_effect(row), row["withdrawn_why"], row["attempts"], is_unsure=row["was_unsure"])
        for row in await session.rows(WITHDRAW, *columns, now)
        if not row["is_claimed"]
    ]
    await settle(session, answers, now)


async def save_message_events(session: Session, events: Sequence[tuple[UUID, int, str]]) -> None:
    """Note the last event of messages, settled or not; one that is nobody's is passed over (R4)."""
    if not events:
        return
    last = {(message_id, contact_id): name for message_id, contact_id, name in events}
    columns = columns_of((*key, name) for key, name in last.items())
    await session.run(MESSAGE_EVENTS, *columns)
    await session.run(EFFECT_EVENTS, *columns)


async def claim_effects(
    session: Session, limit: int, owner: str, lease: timedelta
) -> list[Claimed]:
    """Claim due effects for a lease; rows that another is claiming are passed over."""
    return [
        Claimed(_effect(row), row["attempts"], row["was_unsure"], row["withdrawn_why"])
        for row in await session.rows(CLAIM, limit, owner, lease)
    ]


async def postpone_effect(
    session: Session, effect_id: UUID, owner: str, due_in: timedelta, error: Mapping[str, object]
) -> None:
    """Give a claimed effect back until later, with what went wrong (rule F5)."""
    await session.run(POSTPONE, effect_id, owner, due_in, json_text(error))


def _effect(row: Record) -> Effect:
    return Effect(
        effect_id=row["effect_id"],
        key=row["key"],
        run_id=row["run_id"],
        contact_id=row["contact_id"],
        step_key=row["step_key"],
        channel=row["channel"],
        message=parsed(row["message"]),
        created_at=row["created_at"],
        category=row["category"],
        topic=row["topic"],
    )
