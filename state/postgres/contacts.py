"""Contacts and their identifiers: who is who, the locks, and what is known of a person (I1, I2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from state.contact import Contact, Link, contact_number
from state.event import KINDS, Identifier
from state.postgres.codec import columns_of, profile_text, read_profile
from state.postgres.hashing import keyed_hash
from state.postgres.session import Session
from state.turn import Changes, Claim, Moved

CONTACT_ID = KINDS[0]

#: Numbers come in blocks of this size, one `nextval` each: the sequence's step in the migration.
BLOCK = 1000

NUMBER_BLOCKS = "select nextval('contacts_contact_id_seq') from generate_series(1, $1)"

OWNERS = """
select asked.kind, asked.value, held.contact_id
from unnest($1::smallint[], $2::text[]) as asked (kind, value)
cross join lateral (
  select contact_id from identifiers
  where kind = asked.kind and value = asked.value
  offset 0
) as held
"""

#: A merged contact's id names its survivor (rule I3), a deleted one's whom it named (rule I5).
KNOWN_CONTACTS = """
select contact_id, coalesce(merged_into, contact_id) from contacts
where contact_id = any($1::bigint[])
"""

#: New contacts with the identifiers of these and of known ones. A record may claim to come from the
#: far future: nobody was first seen there, and no link comes from there (rule E1). Sorted, so that
#: two workers with the same identifiers wait for each other one way only. A conflict does nothing
#: and is counted: an error would quote an address in the server's log.
LINK = """
with made as (
  insert into contacts (contact_id, created_at)
  select contact_id, least(created_at, statement_timestamp())
  from unnest($7::bigint[], $8::timestamptz[]) as new (contact_id, created_at)
), linked as (
  insert into identifiers (kind, value, contact_id, linked_at, linked_by, erased_before)
  select kind, value, contact_id,
    case when linked_at > statement_timestamp() + interval '5 minutes' then statement_timestamp()
      else linked_at end,
    linked_by, erased_before
  from unnest($1::smallint[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[],
      $6::timestamptz[])
    as new (kind, value, contact_id, linked_at, linked_by, erased_before)
  order by kind, value
  on conflict do nothing
  returning 1
)
select count(*) as written from linked
"""

#: Whether a name was erased is asked where it is seen for the first time (rule I5), and after it
#: has been inserted: that may have waited for the deletion of whom it named.
NOTE_ERASED = """
update identifiers as held set erased_before = greatest(held.erased_before, erased.before)
from unnest($1::smallint[], $2::text[], $3::bytea[]) as new (kind, value, hash)
cross join lateral (
  select before from erased_identifiers where hash = new.hash offset 0
) as erased
where held.kind = new.kind and held.value = new.value
returning held.kind, held.value, held.erased_before
"""

LOCK_CONTACTS = """
select contact_id, created_at, profile, deleted_at from contacts
where contact_id = any($1::bigint[])
order by contact_id
for no key update
"""

LINKS = """
select contact_id, kind, value, linked_at, linked_by, erased_before from identifiers
where contact_id = any($1::bigint[])
order by linked_at, kind, value
"""

FORGET_IDENTIFIERS = "delete from identifiers where contact_id = any($1::bigint[])"

FORGET_CONTACTS = "delete from contacts where contact_id = any($1::bigint[])"

#: Only from contacts that this turn has locked or made: another's is left, and the insert that
#: follows meets it. By ctid, because a join might be planned as a walk over the table (trap 1).
RELEASE = """
delete from identifiers where ctid = any(array(
  select held.ctid from unnest($1::smallint[], $2::text[]) as released (kind, value)
  cross join lateral (
    select ctid from identifiers
    where kind = released.kind and value = released.value and contact_id = any($3::bigint[])
    offset 0
  ) as held
))
"""

#: An update of many rows is written as an insert that always meets its row: the index by which
#: ON CONFLICT finds it is no choice of the planner's (trap 1).
SET_PROFILES = """
insert into contacts (contact_id, created_at, profile)
select contact_id, $3, profile
from unnest($1::bigint[], $2::json[]) as changed (contact_id, profile)
on conflict (contact_id) do update set profile = excluded.profile
"""


async def new_numbers(session: Session, count: int) -> list[int]:
    """Return at least `count` new contact numbers, ascending: as many blocks as that takes."""
    firsts: list[int] = [row[0] for row in await session.rows(NUMBER_BLOCKS, -(-count // BLOCK))]
    return [first + i for first in sorted(firsts) for i in range(BLOCK)]


async def resolve(session: Session, identifiers: Collection[Identifier]) -> dict[Identifier, int]:
    """Return who holds each identifier; what nobody holds is left out (rule I1)."""
    stored = [one for one in identifiers if one.kind != CONTACT_ID]
    owners = await _known_contacts(session, [one for one in identifiers if one.kind == CONTACT_ID])
    if stored:
        for kind, value, contact_id in await session.rows(OWNERS, *_columns(stored)):
            owners[Identifier(KINDS[kind], value)] = contact_id
    return owners


async def claim(session: Session, claims: Sequence[Claim]) -> None:
    """Make the new contacts and give them and known ones the identifiers that nobody held.

    Whether they were erased is asked in a later statement: see `note_erased`.

    Raises:
        Moved: somebody else was faster with one of the identifiers.
    """
    fresh = {one.contact_id: one.created_at for one in claims if one.is_first_sight}
    links = [
        (one.contact_id, Link(one.identifier, one.created_at, one.linked_by)) for one in claims
    ]
    await _link(session, list(fresh.items()), links)


async def note_erased(
    session: Session, identifiers: Sequence[Identifier], hashes: Sequence[bytes]
) -> dict[Identifier, datetime]:
    """Note with identifiers just linked that they were erased; return up to which V (rule I5)."""
    noted = await session.rows(NOTE_ERASED, *_columns(identifiers), hashes)
    return {Identifier(KINDS[kind], value): before for kind, value, before in noted}


async def lock(session: Session, contact_ids: Collection[int]) -> list[Contact]:
    """Lock these contacts' rows in ascending order, whatever the caller's; without their links.

    It waits for whoever holds them; what they wrote, the next statement sees, this one does not
    (reliability.md 0.2, the lost wake-up).

    Raises:
        Moved: one of them is gone.
    """
    rows = await session.rows(LOCK_CONTACTS, list(contact_ids))
    if len(rows) < len(set(contact_ids)):
        raise Moved("a contact to lock is gone")
    return [
        Contact(contact_id, created_at, profile=read_profile(profile), deleted_at=deleted_at)
        for contact_id, created_at, profile, deleted_at in rows
    ]


async def load_links(session: Session, contact_ids: Collection[int]) -> dict[int, list[Link]]:
    """Return the identifiers of each contact in the order in which they were linked."""
    links: dict[int, list[Link]] = defaultdict(list)
    for contact_id, kind, value, at, by, erased in await session.rows(LINKS, list(contact_ids)):
        links[contact_id].append(Link(Identifier(KINDS[kind], value), at, by, erased))
    return links


async def save_contacts(
    session: Session, changes: Changes, own: Collection[int], secret: bytes
) -> None:
    """Write who is who: releases before links, so that an identifier may change hands in a turn.

    `own` are the contacts that this turn has locked or made.

    Raises:
        Moved: an identifier to link was given to somebody else meanwhile.
    """
    await _forget(session, changes.forgotten_contacts)
    released = [*changes.unbinds, *(link.identifier for _, link in changes.binds)]
    if released:
        await session.run(RELEASE, *_columns(released), list(own))
    made = [(one.contact_id, one.created_at) for one in changes.new_contacts]
    await _link(session, made, changes.binds)
    if changes.binds:
        bound = [link.identifier for _, link in changes.binds]
        await note_erased(session, bound, [keyed_hash(secret, *one) for one in bound])
    if changes.profiles:
        new = {one.contact_id for one in changes.new_contacts}
        assert new.union(own).issuperset(changes.profiles), "a contact was changed without its lock"
        texts = [profile_text(profile) for profile in changes.profiles.values()]
        await session.run(SET_PROFILES, list(changes.profiles), texts, changes.now)


async def _known_contacts(
    session: Session, identifiers: Iterable[Identifier]
) -> dict[Identifier, int]:
    """Return the contacts that are named by their public id and exist; unknown ones are ignored."""
    numbers = {one: _number_in(one.value) for one in identifiers}
    asked = [number for number in numbers.values() if number is not None]
    if not asked:
        return {}
    known: dict[int, int] = {row[0]: row[1] for row in await session.rows(KNOWN_CONTACTS, asked)}
    return {one: known[number] for one, number in numbers.items() if number in known}


def _number_in(value: str) -> int | None:
    try:
        return contact_number(UUID(value))
    except ValueError:
        return None


async def _forget(session: Session, contact_ids: Sequence[int]) -> None:
    if not contact_ids:
        return
    await session.run(FORGET_IDENTIFIERS, contact_ids)
    gone = await session.run(FORGET_CONTACTS, contact_ids)
    assert gone == len(contact_ids), "a contact claimed in this turn is gone"


async def _link(
    session: Session,
    made: Sequence[tuple[int, datetime]],
    links: Sequence[tuple[int, Link]],
) -> None:
    """Make contacts and links."""
    if not (made or links):
        return
    kinds, values = _columns(link.identifier for _, link in links)
    rest = [
        (contact_id, link.linked_at, link.linked_by, link.erased_before)
        for contact_id, link in links
    ]
    columns = [*(columns_of(rest) or [[]] * 4), *(columns_of(made) or [[]] * 2)]
    (row,) = await session.rows(LINK, kinds, values, *columns)
    if row["written"] < len(links):
        raise Moved("an identifier was given to somebody else meanwhile")


def _columns(identifiers: Iterable[Identifier]) -> tuple[list[int], list[str]]:
    pairs = list(identifiers)
    return [KINDS.index(one.kind) for one in pairs], [one.value for one in pairs]
