"""Addresses that nothing is sent to, known by their keyed hashes only (rules F4, I5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from state.effect import Claimed, Effect, Standing
from state.event import KINDS
from state.identifier import normalise
from state.postgres import audit
from state.postgres.audit import Action
from state.postgres.codec import columns_of
from state.postgres.hashing import Keyring, keyed_hash
from state.postgres.marks import database_now
from state.postgres.session import Session
from state.turn import Suppression

#: The one kind of address that can be suppressed; a push has none.
KIND = "email"

#: How the contacts of claimed effects stand now; one that was merged stands as the one that it was
#: merged into. `offset 0` as in contacts.py.
STANDINGS = """
select asked.effect_id, person.contact_id is null or person.deleted_at is not null as is_deleted,
  coalesce((person.profile -> 'fields' ->> 'unsubscribed')::boolean, false) as is_unsubscribed,
  coalesce(
    (person.profile -> 'topics' ->> asked.topic)::boolean, topic.default_subscription = 'opt_in'
  ) as is_subscribed,
  suppressed.address_hash is not null as is_suppressed
from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bytea[])
  as asked (effect_id, contact_id, topic, address_hash)
left join lateral (
  select coalesce(merged_into, contact_id) as contact_id from contacts
  where contact_id = asked.contact_id
  offset 0
) as known on true
left join lateral (
  select contact_id, deleted_at, profile from contacts where contact_id = known.contact_id
  offset 0
) as person on true
left join lateral (
  select default_subscription from subscription_topics where key = asked.topic
  offset 0
) as topic on true
left join lateral (
  select address_hash from suppressions where kind = 'email' and address_hash = asked.address_hash
  offset 0
) as suppressed on true
"""

#: To whom messages went, or are about to go; only e-mails can bounce. Who was deleted is named by
#: none any more.
RECIPIENTS = """
select asked.message_id, sent.recipient
from unnest($1::uuid[]) as asked (message_id)
cross join lateral (
  (select recipient from messages where message_id = asked.message_id and channel = 'email'
   offset 0)
  union all
  (select recipient from outbox where effect_id = asked.message_id and channel = 'email' offset 0)
) as sent
where sent.recipient <> 'erased'
"""

#: Sorted, so that two workers wait for each other one way only; the first reason stays.
SUPPRESS = """
insert into suppressions (kind, address_hash, contact_id, reason, source, at)
select 'email', address_hash, contact_id, reason, source, $5
from unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[])
  as new (address_hash, contact_id, reason, source)
order by address_hash
on conflict do nothing
"""

LIFT = "delete from suppressions where kind = 'email' and address_hash = $1"

HOLDER = "select contact_id from identifiers where kind = $1 and value = $2"


async def address_hash(session: Session, keyring: Keyring, address: str) -> bytes:
    """Return what an address is known by; it is put into its normal form first."""
    return keyed_hash(await keyring.secret(session), KIND, normalise(KIND, address))


def hash_prefix(hashed: bytes) -> str:
    """Return how people are told of an address that nobody may read any more."""
    return hashed[:8].hex()


async def suppress_address(session: Session, address: str, who: str, why: str) -> bool:
    """Suppress an address at an operator's word; tell whether it was not before (rule O4)."""
    hashed = await address_hash(session, Keyring(), address)
    holder = await session.value(HOLDER, KINDS.index(KIND), address)
    now = await database_now(session)
    if not await session.run(SUPPRESS, [hashed], [holder], ["operator"], [who], now):
        return False
    target = f"{KIND}:{hash_prefix(hashed)}"
    await audit.record(session, Action(who, now), "suppression.add", target, (None, {"why": why}))
    return True


async def lift_suppression(session: Session, address: str, who: str, why: str) -> bool:
    """Let an address be written to again; tell whether it was suppressed (rule O4)."""
    hashed = await address_hash(session, Keyring(), address)
    if not await session.run(LIFT, hashed):
        return False
    action = Action(who, await database_now(session))
    target = f"{KIND}:{hash_prefix(hashed)}"
    await audit.record(session, action, "suppression.remove", target, (None, {"why": why}))
    return True


async def with_standings(
    session: Session, keyring: Keyring, claimed: Sequence[Claimed]
) -> list[Claimed]:
    """Return claimed effects with how their contacts stand now, read after the claim (rule F4)."""
    if not claimed:
        return []
    hashes = [await _recipient_hash(session, keyring, one.effect) for one in claimed]
    rows = await session.rows(
        STANDINGS,
        [one.effect.effect_id for one in claimed],
        [one.effect.contact_id for one in claimed],
        [one.effect.topic for one in claimed],
        hashes,
    )
    standings: Mapping[UUID, Standing] = {
        row["effect_id"]: Standing(
            is_deleted=row["is_deleted"],
            is_suppressed=row["is_suppressed"],
            is_unsubscribed=row["is_unsubscribed"],
            is_subscribed=row["is_subscribed"],
        )
        for row in rows
    }
    return [one._replace(standing=standings[one.effect.effect_id]) for one in claimed]


async def _recipient_hash(session: Session, keyring: Keyring, effect: Effect) -> bytes | None:
    """Return the hash of an e-mail's address, None of what has none: it was erased (rule I5)."""
    address = effect.message.get("to")
    if effect.channel != KIND or address is None:
        return None
    return await address_hash(session, keyring, str(address))


async def save_suppressions(
    session: Session, keyring: Keyring, suppressions: Sequence[Suppression], now: datetime
) -> None:
    """Suppress the addresses that events speak of.

    A message is named by its id: its recipient is meant, whoever has the address by now. Where none
    of ours has that id, the event's own address is.
    """
    if not suppressions:
        return
    named = [one.message_id for one in suppressions if one.message_id is not None]
    found = await session.rows(RECIPIENTS, named) if named else ()
    recipients: dict[UUID, str] = {row["message_id"]: row["recipient"] for row in found}
    rows: dict[bytes, tuple[bytes, int | None, str, str]] = {}
    for one in suppressions:
        by_message = None if one.message_id is None else recipients.get(one.message_id)
        address = by_message or one.address
        if address is not None:
            hashed = await address_hash(session, keyring, address)
            rows.setdefault(hashed, (hashed, one.contact_id, one.reason, one.source))
    if rows:
        await session.run(SUPPRESS, *columns_of(rows.values()), now)
