"""Two contacts that became one, with enough to take it back; and the taking back (rule I3)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from state.contact import Contact, Link, Profile
from state.event import Coordinates
from state.ids import name_uuid

#: The namespace of merge ids. Never change it: a merge's id derives from its cause.
MERGE_NAMESPACE = UUID("7a4f0c7e-9a4b-5d3e-8d56-0d4c1f2b6e03")


def merge_id_of(event_key: UUID, merged: int) -> UUID:
    """Return a merge's id: its event, and who was merged by it."""
    return name_uuid(MERGE_NAMESPACE, f"{event_key}:{merged}")


class Merge(Struct, frozen=True):
    """A merge as it is logged: who survived, who was merged, by which event, and what it moved.

    `merged` is the other contact as it was; `survivor_profile` the survivor's profile before.
    `moved_runs` are the active runs that changed hands; `decided_runs` those of either side that
    the merge itself ended or resumed, after which it cannot be undone.
    """

    merge_id: UUID
    survivor: int
    merged: Contact
    survivor_profile: Profile
    merged_at: datetime
    event_id: str
    coordinates: Coordinates
    moved_runs: tuple[UUID, ...]
    decided_runs: tuple[UUID, ...]


class Undo(Struct, frozen=True):
    """What a merge took, as its log kept it: the merged contact as it was, and the runs.

    `links` and `profile_gone` are the merged contact's before, `profile_kept` the survivor's;
    `absorbed` are those who had been merged into the merged one.
    """

    absorbed: tuple[int, ...]
    links: tuple[Link, ...]
    profile_kept: Profile
    profile_gone: Profile
    moved_runs: tuple[UUID, ...]
    decided_runs: tuple[UUID, ...]


class LoggedMerge(Struct, frozen=True):
    """A merge read from the log; `undo` is None once what it took was erased (rules E7, I5)."""

    merge_id: UUID
    survivor: int
    merged: int
    merged_at: datetime
    event_id: str
    coordinates: Coordinates
    undo: Undo | None
    undone_at: datetime | None = None
    undone_by: str | None = None


class MergeRecord(Struct, frozen=True):
    """A merge and what has happened to its survivor since, in the tables that only grow.

    `later` is the newest merge that has to be undone first, `event` the id of an event that came
    with the merge or since, beside the merging one; `run` a run that ended then.
    """

    merge: LoggedMerge
    later: UUID | None = None
    event: str | None = None
    run: UUID | None = None


class Unmerge(Struct, frozen=True):
    """A merge taken back: `merged` is itself again, and has `absorbed` again."""

    merge_id: UUID
    merged: int
    absorbed: tuple[int, ...]
    who: str
