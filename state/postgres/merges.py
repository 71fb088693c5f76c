"""Merges: who became whom, and the log that can take it back (rule I3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from state.contact import Link
from state.merge import Merge
from state.postgres.codec import columns_of, json_text, profile_document
from state.postgres.session import Session

#: `offset 0` keeps the planner from reading the table (trap 1).
ABSORBED = """
select kept.contact_id, gone.contact_id
from unnest($1::bigint[]) as kept (contact_id)
cross join lateral (
  select contact_id from contacts where merged_into = kept.contact_id offset 0
) as gone
order by 1, 2
"""

#: `offset 0` again: the index of merged contacts is partial, and tempts the planner to read it.
SURVIVORS = """
select asked.contact_id, held.merged_into
from unnest($1::bigint[]) as asked (contact_id)
cross join lateral (
  select merged_into from contacts where contact_id = asked.contact_id offset 0
) as held
where held.merged_into is not null
"""

#: An update by way of ON CONFLICT, as in contacts.py. What is known of a merged contact is known of
#: its survivor; who had been merged into it follows.
REDIRECT = """
insert into contacts (contact_id, created_at, merged_into)
select contact_id, $3, survivor
from unnest($1::bigint[], $2::bigint[]) as moved (contact_id, survivor)
on conflict (contact_id) do update set merged_into = excluded.merged_into, profile = null
"""

#: A merge that was undone takes place anew if its event is published again.
LOG = """
insert into merges (merge_id, survivor, merged, merged_at, topic, partition, "offset", stream_epoch,
  event_id, undo)
select merge_id, survivor, merged, $9, topic, partition, "offset", $10, event_id, undo
from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::integer[], $6::bigint[],
    $7::text[], $8::json[])
  as new (merge_id, survivor, merged, topic, partition, "offset", event_id, undo)
on conflict (merge_id) do update set survivor = excluded.survivor, merged_at = excluded.merged_at,
  topic = excluded.topic, partition = excluded.partition, "offset" = excluded."offset",
  stream_epoch = excluded.stream_epoch, undo = excluded.undo, undone_at = null, undone_by = null
"""


async def load_absorbed(session: Session, contact_ids: Collection[int]) -> dict[int, list[int]]:
    """Return, for each contact, the contacts whose history it has taken over."""
    absorbed: dict[int, list[int]] = defaultdict(list)
    for kept, gone in await session.rows(ABSORBED, list(contact_ids)):
        absorbed[kept].append(gone)
    return absorbed


async def load_survivors(session: Session, contact_ids: Collection[int]) -> dict[int, int]:
    """Return whom contacts were merged into; those that were not are left out."""
    rows = await session.rows(SURVIVORS, list(contact_ids))
    return {row["contact_id"]: row["merged_into"] for row in rows}


async def save_merges(session: Session, merges: Sequence[Merge], epoch: str) -> None:
    """Redirect merged contacts, and all that were merged into them, to their survivors; log it."""
    if not merges:
        return
    home: dict[int, int] = {}
    for merge in merges:
        home.update(
            dict.fromkeys((merge.merged.contact_id, *merge.merged.absorbed), merge.survivor)
        )
    while any(survivor in home for survivor in home.values()):
        home = {gone: home.get(survivor, survivor) for gone, survivor in home.items()}
    now = merges[0].merged_at
    await session.run(REDIRECT, list(home), list(home.values()), now)
    rows = [
        (
            one.merge_id,
            one.survivor,
            one.merged.contact_id,
            *one.coordinates,
            one.event_id,
            undo_text(one),
        )
        for one in merges
    ]
    await session.run(LOG, *columns_of(rows), now, epoch)


def undo_text(merge: Merge) -> str:
    """Return what it takes to undo a merge, as JSON."""
    return json_text(
        {
            "absorbed": merge.merged.absorbed,
            "links": [_link_document(link) for link in merge.merged.links],
            "profile_kept": profile_document(merge.survivor_profile),
            "profile_gone": profile_document(merge.merged.profile),
            "moved_runs": merge.moved_runs,
            "decided_runs": merge.decided_runs,
        }
    )


def _link_document(link: Link) -> dict[str, object]:
    how = {"linked_at": link.linked_at, "linked_by": link.linked_by}
    return {**link.identifier._asdict(), **how}
