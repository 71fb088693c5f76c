"""Two known contacts meet: whether they are one, who survives, what is known of both (I3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from handlers.directory import Directory
from state.contact import LIMITS, Contact, Profile
from state.event import KINDS, Identifier


class Joined(NamedTuple):
    """A merge that took place in this turn: both contacts as they were before."""

    survivor: Contact
    merged: Contact


def refuses_merge(one: Contact, other: Contact) -> str | None:
    """Return why two contacts cannot be one person, None if they can (rule I2)."""
    if one.count_of("external_id") and other.count_of("external_id"):
        return "different_external_id"
    for kind, limit in LIMITS.items():
        if one.count_of(kind) + other.count_of(kind) > limit:
            return f"limit_{kind}"
    return None


def was_set_since(contact: Contact, identifier: Identifier, v: datetime) -> bool:
    """Tell whether a later update has set this kind of identifier: an old event undoes none."""
    last_set = contact.profile.stamps.get(identifier.kind)
    return last_set is not None and last_set.at > v


def survivor_first(one: Contact, other: Contact) -> tuple[Contact, Contact]:
    """Return survivor and merged: the strongest kind, then the older, then the lower id (I3)."""
    first, second = sorted((one, other), key=_seniority)
    return first, second


def join(people: Directory, survivor: Contact, merged: Contact) -> Joined:
    """Make two contacts one: identifiers and profile; what they were is returned."""
    profile = merged_profile(survivor.profile, merged.profile)
    people.absorb(survivor.contact_id, merged.contact_id)
    if profile != survivor.profile:
        people.set_profile(survivor.contact_id, profile)
    return Joined(survivor, merged)


def merged_profile(one: Profile, other: Profile) -> Profile:
    """Return what is known of both: the newest V wins; of consent, the stricter (rules I3, I6)."""
    stamps = dict(one.stamps)
    for name, stamp in other.stamps.items():
        stamps[name] = max(stamp, stamps.get(name, stamp))
    fields = _newest(one.fields, other.fields, one, other, "")
    if one.is_unsubscribed or other.is_unsubscribed:
        fields["unsubscribed"] = True
    return Profile(
        fields,
        _newest(one.properties, other.properties, one, other, "properties."),
        {
            key: one.topics.get(key, True) and other.topics.get(key, True)
            for key in (*one.topics, *other.topics)
        },
        stamps,
        {
            key: bool(is_member)
            for key, is_member in _newest(
                one.segments, other.segments, one, other, "segments."
            ).items()
        },
    )


def _seniority(contact: Contact) -> tuple[int, datetime, int]:
    kinds = (KINDS.index(link.identifier.kind) for link in contact.links)
    return min(kinds, default=len(KINDS)), contact.created_at, contact.contact_id


def _newest(
    mine: Mapping[str, object],
    theirs: Mapping[str, object],
    one: Profile,
    other: Profile,
    prefix: str,
) -> dict[str, object]:
    """Return each value of the one that wrote it last; a later clearing wins too."""
    chosen: dict[str, object] = {}
    for name in (*mine, *theirs):
        key = f"{prefix}{name}"
        ours, others = one.stamps.get(key), other.stamps.get(key)
        from_other = others is not None and (ours is None or others > ours)
        source = theirs if from_other else mine
        if name in source:
            chosen[name] = source[name]
    return chosen
