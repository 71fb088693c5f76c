"""What the tables hold, in the words in which people are told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct, field

from state.erasure import ERASED
from state.event import Coordinates, Decoded, Identifier
from state.pausing import NEVER_PAUSED, Mode, Pausing
from state.run import Resolved, Run

Document = Mapping[str, object]


# --- runs -----------------------------------------------------------------------------------------


class MessageRow(NamedTuple):
    """A message of a run, queued, on its way or settled; `title` is an e-mail's subject.

    `error` is `{code, message}`, why it was not sent, or not yet: then it is tried again at
    `next_attempt_at` (F5). `sent_after_cancel` says that it was under way when its run ended (F4).
    """

    message_id: UUID
    run_id: UUID
    channel: str
    step_key: str
    recipient: str
    title: str | None
    status: str
    last_event: str | None
    created_at: datetime
    error: Document | None = None
    sent_after_cancel: bool = False
    next_attempt_at: datetime | None = None


class VersionRow(NamedTuple):
    """The version that a run is pinned to, as it was published."""

    automation_id: UUID
    name: str
    number: int
    definition: Document


class ActionRow(NamedTuple):
    """One action of an operator; `before` and `after` are what it changed, as far as it did."""

    id: int
    at: datetime
    who: str
    what: str
    target: str
    before: Document | None
    after: Document | None


class StoredRun(Struct, frozen=True):
    """A run with all that is kept apart from it.

    `late` is the late match by step key (W5), `pausing` how its automation is paused (T3),
    `actions` what operators did with it, `retried_as` the run that tries it again.
    """

    run: Run
    version: VersionRow
    messages: Sequence[MessageRow] = ()
    late: Mapping[str, Document] = field(default_factory=dict)
    pausing: Pausing = NEVER_PAUSED
    actions: Sequence[ActionRow] = ()
    retried_as: UUID | None = None


class WaitRow(NamedTuple):
    """An open wait; `contact_id` is the number, `deadline` where freezes have moved it (T3)."""

    run_id: UUID
    automation_id: UUID
    automation_name: str
    version: int
    step_key: str
    contact_id: int
    opened_at: datetime
    floor: datetime
    deadline: datetime | None
    due_at: datetime | None
    is_held: bool
    pause: Mode | None
    kept_event: str | None


# --- events ---------------------------------------------------------------------------------------


class EventRow(Struct, frozen=True):
    """A stored event with the findings that say what it did."""

    key: UUID
    source: str
    id: str
    name: str
    occurred_at: datetime
    recorded_at: datetime
    processed_at: datetime
    v: datetime
    is_skewed: bool
    coordinates: Coordinates
    contact_id: int
    resolved: Resolved
    identifiers: tuple[Identifier, ...]
    payload: Document
    findings: Sequence[Document]

    @property
    def is_erased(self) -> bool:
        """Tell an event whose person was deleted: what it said and found is gone (rule I5)."""
        return self.resolved.path == ERASED


class DuplicateRow(NamedTuple):
    """A record that was dropped because the same event was stored before (rule E4)."""

    event_id: str
    coordinates: Coordinates
    recorded_at: datetime
    dropped_at: datetime
    winner: Coordinates


class QuarantineRow(NamedTuple):
    """A record set aside (rule E5); `winner` is the event it conflicts with, if it does."""

    coordinates: Coordinates
    recorded_at: datetime
    quarantined_at: datetime
    reason: str
    detail: str
    fingerprint: str
    event_id: str | None
    winner: str | None
    raw: bytes
    sha256: bytes
    headers: Sequence[tuple[str, str]]


class NoteRow(NamedTuple):
    """What an event did, or could not do, to who is who (rule I2)."""

    contact_id: int
    event_id: str
    coordinates: Coordinates
    verdict: str
    reason: str
    noted_at: datetime


class NameRow(NamedTuple):
    """An event name that was seen, over all partitions."""

    name: str
    times: int
    first_at: datetime
    last_at: datetime
    last: Coordinates


class NameUse(NamedTuple):
    """An automation that listens to a name, with an enabled version or with live runs."""

    name: str
    automation_id: UUID
    automation_name: str
    is_enabled: bool


# --- the stream -----------------------------------------------------------------------------------


class PartitionRow(NamedTuple):
    """How far one input partition is; `next_offset` is None if it was never consumed."""

    topic: str
    partition: int
    next_offset: int | None
    low: datetime | None
    resumed_since: datetime | None
    advanced_at: datetime | None
    seen_at: datetime | None
    owner: str | None


class Log(NamedTuple):
    """What Kafka holds of a partition: from `start` up to, not with, `end`."""

    start: int
    end: int


# --- contacts -------------------------------------------------------------------------------------


# --- an event's evidence --------------------------------------------------------------------------


class Traces(Struct, frozen=True):
    """All that is stored about one event id, or about one place in a topic."""

    events: Sequence[EventRow] = ()
    duplicates: Sequence[DuplicateRow] = ()
    quarantined: Sequence[QuarantineRow] = ()
    notes: Sequence[NoteRow] = ()

    def __bool__(self) -> bool:
        return bool(self.events or self.duplicates or self.quarantined or self.notes)


class Found(Struct, frozen=True):
    """A record read from Kafka because nothing of it is stored, and where its partition stands."""

    decoded: Decoded | None
    position: PartitionRow | None
    log: Log | None
