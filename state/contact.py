"""A person: identifiers, profile and consent, each with the instant of its last writer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct, field

from state.audience import Audiences
from state.event import KINDS, Identifier
from state.ids import uuid_of

#: How many identifiers of a kind one contact may hold (rule I2).
LIMITS = {"external_id": 1, "email": 5, "phone": 5, "anonymous_id": 100}

_PREFIX = 0x7761_6974_6C69_8000 << 64  # a fixed head with UUID version 8
_VARIANT = 0b10 << 62
_SPAN = 1 << 62
_FACTOR = 0x2545_F491_4F6C_DD1D  # odd, so that it has an inverse modulo 2**62
_INVERSE = pow(_FACTOR, -1, _SPAN)


def contact_uuid(contact_id: int) -> UUID:
    """Return the public id of a contact: its number, spread over a UUID's low bits, reversible."""
    return uuid_of((_PREFIX | _VARIANT | (contact_id * _FACTOR % _SPAN)).to_bytes(16))


def contact_number(public_id: UUID) -> int | None:
    """Return the number behind a public contact id, or None if it is not one of ours."""
    if public_id.int >> 62 != (_PREFIX | _VARIANT) >> 62:
        return None
    return (public_id.int % _SPAN) * _INVERSE % _SPAN


class Stamp(NamedTuple):
    """The last writer of a field: its V, ties broken by the coordinates' text (rule I6)."""

    at: datetime
    by: str


def writer_text(by: str) -> str:
    """Return a stamp's writer as it is asked for: an event's place, or the run's id and its step.

    Stamps hold places with zeros before the numbers, and mark runs by a tilde: they sort so.
    """
    topic, *numbers = by.rsplit("/", 2)
    if by.startswith("~") or len(numbers) != 2:
        return by.removeprefix("~")
    return "/".join((topic, *(number.lstrip("0") or "0" for number in numbers)))


class Profile(Struct, frozen=True):
    """What is known of a person.

    `fields` holds first_name, last_name, email, phone, external_id, time_zone and unsubscribed;
    `topics` the subscription per topic key (True: subscribed), `segments` the membership per id as
    text; `stamps` the last writer of each, under its name, `properties.<key>`, `topics.<key>` or
    `segments.<id>`.
    """

    fields: Mapping[str, object] = field(default_factory=dict)
    properties: Mapping[str, object] = field(default_factory=dict)
    topics: Mapping[str, bool] = field(default_factory=dict)
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    segments: Mapping[str, bool] = field(default_factory=dict)

    @property
    def is_unsubscribed(self) -> bool:
        """Tell whether the person has left all marketing."""
        return bool(self.fields.get("unsubscribed", False))


class Link(NamedTuple):
    """One identifier of a contact and how it came to it (rule I4).

    `linked_by` is an event's id, `linked_at` when Kafka recorded that event: it does not depend on
    how the stream was cut (rule D1), nor does the order of links therefore. `erased_before`: it
    named somebody who was deleted; events about it with V before that are erased (rule I5).
    """

    identifier: Identifier
    linked_at: datetime
    linked_by: str
    erased_before: datetime | None = None


def in_order(links: Iterable[Link]) -> tuple[Link, ...]:
    """Return links as a contact has them: the first linked first, of one event the strongest."""
    return tuple(sorted(links, key=_link_order))


def _link_order(link: Link) -> tuple[datetime, int, str]:
    kind, value = link.identifier
    return link.linked_at, KINDS.index(kind), value


class Contact(Struct, frozen=True):
    """A contact as loaded under its lock. `links` are in order (`in_order`).

    `absorbed` are the contacts that were merged into it, and those merged into them (rule I3).
    `deleted_at` is the V of its deletion, from when on it is nobody (rule I5).
    """

    contact_id: int
    created_at: datetime
    links: tuple[Link, ...] = ()
    profile: Profile = field(default_factory=Profile)
    absorbed: tuple[int, ...] = ()
    deleted_at: datetime | None = None

    def value_of(self, kind: str) -> str | None:
        """Return the contact's value of a kind: the profile's, else the first linked, else None."""
        chosen = self.profile.fields.get(kind)
        if isinstance(chosen, str):
            return chosen
        held = (link.identifier.value for link in self.links if link.identifier.kind == kind)
        return next(held, None)

    def count_of(self, kind: str) -> int:
        """Return how many identifiers of a kind the contact holds."""
        return sum(link.identifier.kind == kind for link in self.links)

    def scope(self, audiences: Audiences) -> dict[str, object]:
        """Return what `contact.*` reads in rules and variables.

        `segments` are the names of those the contact is in, `topics` what holds for each topic. A
        property that it has not reads its fallback, if one is defined.
        """
        read = {kind: self.value_of(kind) for kind in KINDS[1:]}
        read = {kind: value for kind, value in read.items() if value is not None}
        return {
            "id": str(contact_uuid(self.contact_id)),
            "contact_id": str(contact_uuid(self.contact_id)),
            "unsubscribed": False,
            **self.profile.fields,
            **read,
            "properties": self._properties(audiences.fallbacks),
            "segments": self.segment_names(audiences),
            "topics": {
                **{one.key: one.default == "opt_in" for one in audiences.topics.values()},
                **self.profile.topics,
            },
        }

    def _properties(self, fallbacks: Mapping[str, object]) -> Mapping[str, object]:
        held = self.profile.properties
        if not fallbacks:
            return held
        return {**held, **{key: fallbacks[key] for key in fallbacks if held.get(key) is None}}

    def segment_names(self, audiences: Audiences) -> list[str]:
        """Return the names of the segments it is in; those that were deleted are left out."""
        joined = (text for text, is_member in self.profile.segments.items() if is_member)
        found = (audiences.segments.get(text) for text in joined)
        return sorted(one.name for one in found if one is not None)
