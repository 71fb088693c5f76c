"""Two contacts that became one, with enough to take it back (rule I3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from state.contact import Contact, Profile
from state.event import Coordinates

#: The namespace of merge ids. Never change it: a merge's id derives from its cause.
MERGE_NAMESPACE = UUID("7a4f0c7e-9a4b-5d3e-8d56-0d4c1f2b6e03")


def merge_id_of(event_key: UUID, merged: int) -> UUID:
    """Return a merge's id: its event, and who was merged by it."""
    return uuid5(MERGE_NAMESPACE, f"{event_key}:{merged}")


@dataclass(frozen=True, slots=True)
class Merge:
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
