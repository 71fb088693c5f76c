"""What a changed profile means for the lists of segments and topics, which are its index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

from state.audience import Choice, Membership
from state.contact import Profile
from state.turn import Changes


def note_audiences(changes: Changes, contact_id: int, before: Profile, after: Profile) -> None:
    """Note what a profile's change does to who is in a segment and who has chosen a topic.

    What stands in the profile decides (rule I6), whoever changes it: an event, a step, a merge.
    """
    for text, is_member in _differing(before.segments, after.segments):
        stamp = after.stamps.get(f"segments.{text}")
        at, by = (changes.now, "") if stamp is None else stamp
        membership = Membership(UUID(text), contact_id, bool(is_member), at, by)
        changes.memberships[membership[:2]] = membership
    for topic, is_subscribed in _differing(before.topics, after.topics):
        stamp = after.stamps.get(f"topics.{topic}")
        at, by = (changes.now, "") if stamp is None else stamp
        choice = Choice(topic, contact_id, is_subscribed, at, by)
        changes.choices[choice[:2]] = choice


def _differing(
    before: Mapping[str, bool], after: Mapping[str, bool]
) -> Iterator[tuple[str, bool | None]]:
    """Yield what differs with its new value, None where it is gone."""
    if before is after:
        return
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            yield name, after.get(name)
