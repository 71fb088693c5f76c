"""What happened: an event as it was decoded from one Kafka record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct

#: The kinds of identifier, strongest first (rule I1).
KINDS = ("contact_id", "external_id", "email", "phone", "anonymous_id")

#: How far a claimed instant may lie ahead of the broker's before it is distrusted (rule E1).
SKEW_MAX = timedelta(minutes=5)

#: Through how many runs an event may have been caused and still start one (rule S6).
HOPS_MAX = 8

CONTACT_EVENTS = frozenset(
    f"contact.{verb}"
    for verb in (
        "created",
        "updated",
        "identified",
        "merged",
        "subscribed",
        "unsubscribed",
        "deleted",
    )
)


class Identifier(NamedTuple):
    """One name of a person: a kind of `KINDS` and its normalised value."""

    kind: str
    value: str


class Coordinates(NamedTuple):
    """Where a record stands in Kafka; its text form is `topic/partition/offset`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Event(Struct, frozen=True):
    """An event as its producer said it, with what Kafka adds (rule E1).

    `key` is the hash of (source, id), or of the coordinates where the producer gave no id; `id` is
    then the coordinates' text. `occurred_at` is the claim, or the record's own instant when
    `claims_time` is false. `body_hash` covers name, explicit occurred_at, identifiers and payload
    (rule E4). `is_contact_event` says that the event came by the contacts topic. `raw` is the
    record's value as it was, for quarantine. `hops` counts the runs through which it was caused,
    `caused_by` names the last of them: `{run_id, step_key, automation_id}` (rule S6).
    """

    key: UUID
    source: str
    id: str
    name: str
    occurred_at: datetime
    recorded_at: datetime
    coordinates: Coordinates
    identifiers: tuple[Identifier, ...]
    payload: Mapping[str, object]
    payload_text: str
    body_hash: UUID
    claims_time: bool
    is_contact_event: bool
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes = b""
    hops: int = 0
    caused_by: Mapping[str, object] | None = None

    def recorded_by(self, now: datetime) -> datetime:
        """Return when Kafka recorded it; an instant too far ahead of `now` counts as `now`."""
        return trusted(self.recorded_at, now)

    def verdict_time(self, now: datetime) -> tuple[datetime, bool]:
        """Return V, the instant that rules judge by, and whether the claim was skewed (rule E1)."""
        recorded_at = self.recorded_by(now)
        if not self.claims_time:
            return recorded_at, False
        if self.occurred_at > recorded_at + SKEW_MAX:
            return recorded_at, True
        return self.occurred_at, False


def trusted(recorded_at: datetime, now: datetime) -> datetime:
    """Return when a record was recorded; too far ahead of `now`, or unknown, it is `now` (E1)."""
    return now if recorded_at > now + SKEW_MAX else recorded_at


#: How much of a rejected record is kept (rule E5).
RAW_MAX = 64 * 1024


class Rejected(Struct, frozen=True):
    """A record that cannot be understood, on its way to quarantine (rule E5).

    `raw` is the first 64 KiB of the value; `sha256` covers the whole of it. `detail` names the
    field and says what is wrong; `fingerprint` groups rejections of one cause.
    """

    reason: str
    detail: str
    coordinates: Coordinates
    recorded_at: datetime
    raw: bytes
    sha256: bytes
    headers: tuple[tuple[str, str], ...]
    event_id: str | None = None

    @property
    def fingerprint(self) -> str:
        """Return a short hash of topic, reason and detail."""
        text = f"{self.coordinates.topic}|{self.reason}|{self.detail}"
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


class Tombstone(Struct, frozen=True):
    """A record with a null value: counted, nothing else (rule E2)."""

    coordinates: Coordinates
    recorded_at: datetime


Decoded = Event | Rejected | Tombstone


class Mention(Struct, frozen=True, gc=False):
    """An event of which nothing but its name counted for who read it (rule E7).

    It is sound and names one person. Whether its name is of interest is known for sure only in the
    turn that applies it; there `whole` decodes the rest of it. A backlog has a million of these: so
    all that it takes to count them is here as it came, and the garbage collector passes them over.
    """

    name: str
    topic: str
    partition: int
    offset: int
    recorded_at: datetime
    record: Any
    decode: Callable[[Any], Decoded]

    @property
    def coordinates(self) -> Coordinates:
        """Where it stands."""
        return Coordinates(self.topic, self.partition, self.offset)

    def whole(self) -> Decoded:
        """Decode all of it."""
        return self.decode(self.record)


#: What a reader makes of a record.
Read = Decoded | Mention
