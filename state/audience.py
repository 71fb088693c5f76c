"""Segments and topics: the groups that people belong to, and what people choose to be sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple, Self
from uuid import UUID

from msgspec import Struct, field

Subscription = Literal["opt_in", "opt_out"]


class Segment(NamedTuple):
    """A group of contacts, by its name."""

    segment_id: UUID
    name: str


class Topic(NamedTuple):
    """What a message may be about; `default` holds for whoever has not chosen."""

    topic_id: UUID
    key: str
    default: Subscription


class Audiences(Struct, frozen=True):
    """All segments and topics there are, each by its name or key and by its id as text.

    `fallbacks` are what properties of contacts read by key where a contact has none.
    """

    segments: Mapping[str, Segment] = field(default_factory=dict)
    topics: Mapping[str, Topic] = field(default_factory=dict)
    fallbacks: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        segments: Iterable[Segment] = (),
        topics: Iterable[Topic] = (),
        fallbacks: Mapping[str, object] | None = None,
    ) -> Self:
        """Return the audiences of these; a name counts before an id that reads like it."""
        segments, topics = list(segments), list(topics)
        return cls(
            {str(one.segment_id): one for one in segments} | {one.name: one for one in segments},
            {str(one.topic_id): one for one in topics} | {one.key: one for one in topics},
            fallbacks or {},
        )

    def segment(self, named: str) -> Segment | None:
        """Return the segment of this name or id, None if there is none."""
        return self.segments.get(named) or self.segments.get(_id_text(named))

    def topic(self, named: str) -> Topic | None:
        """Return the topic of this key or id, None if there is none."""
        return self.topics.get(named) or self.topics.get(_id_text(named))


class Membership(NamedTuple):
    """What became of one contact in one segment, since when, by whose word.

    `is_member` false: it is one no more.
    """

    segment_id: UUID
    contact_id: int
    is_member: bool
    at: datetime
    by: str


class Choice(NamedTuple):
    """What one contact has chosen about the topic of a key; None: its choice is forgotten."""

    topic: str
    contact_id: int
    is_subscribed: bool | None
    at: datetime
    by: str


def _id_text(text: str) -> str:
    """Return the one form in which an id is written, or the text itself if it is no id."""
    try:
        return str(UUID(text))
    except ValueError:
        return text
