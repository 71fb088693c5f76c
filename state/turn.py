"""What one turn of the door reads and writes: the words between the processor and the store.

A turn is one transaction: the catalogue under its shared lock, contacts under their row locks, a
decision, and all its writes together with the offsets that caused it (rule E3). Any cause of motion
is a turn: a batch of records, due timers, answers of effects, an operator's command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct, field

from state.audience import Choice, Membership
from state.contact import Contact, Link, Profile
from state.effect import Answer, Effect
from state.erasure import Erasure
from state.event import Coordinates, Event, Identifier, Rejected
from state.evidence import Finding
from state.ledger import Ledger
from state.merge import Merge, MergeRecord, Unmerge
from state.run import LateMatch, Resolved, Run

#: A timer held for less than this is on time: lows are refreshed a few times a second (rule T2).
HOLD_NOTICE = timedelta(seconds=2)


class Moved(Exception):
    """The ground moved between resolve and lock (identifiers, claims): begin the turn again."""


class Fenced(Exception):
    """Partitions in this turn belong to somebody else now; nothing was written (rule E3)."""

    def __init__(self, partitions: frozenset[tuple[str, int]]) -> None:
        super().__init__(f"fenced: {sorted(partitions)}")
        self.partitions = partitions


class Refused(Exception):
    """The database refuses the turn's data for good (SQLSTATE class 22, 23514, 54): bisect (E5)."""

    def __init__(self, sqlstate: str, text: str) -> None:
        super().__init__(f"{sqlstate}: {text}")
        self.sqlstate = sqlstate
        self.text = text


class Unavailable(Exception):
    """The database cannot be reached or cannot serve now: nothing was written, try again later."""


class Unknown(Exception):
    """The connection was lost at COMMIT: only `landed(lane, turn)` tells whether it took place."""

    def __init__(self, turn: int) -> None:
        super().__init__(f"turn {turn} was lost at its commit")
        self.turn = turn


# --- what is read ---------------------------------------------------------------------------------


class Claim(NamedTuple):
    """An identifier nobody held, reserved before the lock for this contact.

    `is_first_sight`: the contact is new too, created at `created_at` with this number.
    """

    identifier: Identifier
    contact_id: int
    created_at: datetime
    linked_by: str
    is_first_sight: bool = True


class LockRequest(Struct, frozen=True):
    """Whom to lock and what to load.

    `identifiers` are resolved again after the lock; `event_keys` are looked up among stored events,
    `partitions` for how far they were ever applied (E4). `reads_watermark`: timers are judged (W4).
    `finished` are runs that may be retried (R3).
    `undoing` are merges that may be taken back (I3).
    """

    contact_ids: Sequence[int] = ()
    identifiers: Sequence[Identifier] = ()
    event_keys: Sequence[UUID] = ()
    partitions: Sequence[tuple[str, int]] = ()
    reads_watermark: bool = False
    finished: Sequence[UUID] = ()
    undoing: Sequence[UUID] = ()


class Seen(NamedTuple):
    """A stored event of the same key (rule E4)."""

    body_hash: UUID
    coordinates: Coordinates
    id: str


class Finished(NamedTuple):
    """A run that has ended, as far as a retry must know (rule R3).

    `message` is the status of what its last step asked for under `effect_id`, None if it asked for
    nothing; `retried_as` is the run that tries it again already.
    """

    run: Run
    effect_id: UUID | None = None
    message: str | None = None
    retried_as: UUID | None = None


class Enrolment(NamedTuple):
    """The memory of re-entry: the V of the newest trigger that entered (rule S2)."""

    last_v: datetime


class ClosedWait(Struct, frozen=True):
    """A wait that timed out within the last 24 h and has no late match yet (rule W5).

    `trigger_payload` and `outputs` are what its filter may read; empty if it has no filter. `met`
    are the places of the arms that were met before (rule W7).
    """

    contact_id: int
    run_id: UUID
    automation_id: UUID
    version: int
    step_key: str
    floor: datetime
    deadline: datetime
    closed_at: datetime
    used: frozenset[UUID]
    trigger_payload: Mapping[str, object]
    outputs: Mapping[str, Mapping[str, object]]
    met: frozenset[int] = frozenset()


class PartitionState(NamedTuple):
    """How far one input partition is, for rule W4.

    `low` is the newest instant at which its end was asked and has since been committed; None if it
    was never consumed. `resumed_since` is None while it is unowned, paused or its owner is silent.
    `advanced_at` is the instant of its last progress.
    """

    topic: str
    partition: int
    low: datetime | None
    resumed_since: datetime | None
    advanced_at: datetime | None


class Snapshot(Struct, frozen=True):
    """The world as one turn sees it, all of it read after the locks were taken.

    `owners` maps every requested identifier that somebody holds to the contact. `runs` are the
    active runs by contact; `enrolments` by (contact, automation). `applied` is the highest offset
    of each requested partition that was ever applied: what comes again up to it is redelivered.
    `survivors` maps contacts that commands name to whom they were merged into (rule I3), `erased`
    identifiers that this turn claimed to the V of the deletion of whom they named (rule I5).
    `undoing` are merges that commands want undone, with what has happened since.
    """

    now: datetime
    owners: Mapping[Identifier, int] = field(default_factory=dict)
    contacts: Mapping[int, Contact] = field(default_factory=dict)
    runs: Mapping[int, Sequence[Run]] = field(default_factory=dict)
    closed_waits: Mapping[int, Sequence[ClosedWait]] = field(default_factory=dict)
    enrolments: Mapping[tuple[int, UUID], Enrolment] = field(default_factory=dict)
    seen: Mapping[UUID, Seen] = field(default_factory=dict)
    partitions: Sequence[PartitionState] = ()
    applied: Mapping[tuple[str, int], int] = field(default_factory=dict)
    survivors: Mapping[int, int] = field(default_factory=dict)
    erased: Mapping[Identifier, datetime] = field(default_factory=dict)
    finished: Mapping[UUID, Finished] = field(default_factory=dict)
    undoing: Mapping[UUID, MergeRecord] = field(default_factory=dict)

    def was_applied(self, at: Coordinates) -> bool:
        """Tell whether the record that stands here was applied by an earlier turn (rule E4)."""
        return at.offset <= self.applied.get((at.topic, at.partition), -1)


class Need(NamedTuple):
    """A look-back: stored events of this contact with this name and V >= floor (rule W2)."""

    contact_id: int
    name: str
    floor: datetime


class StoredEvent(Struct, frozen=True):
    """An event as it was kept, for look-back; one that arrives also says what caused it (S6)."""

    key: UUID
    contact_id: int
    name: str
    v: datetime
    id: str
    occurred_at: datetime
    recorded_at: datetime
    coordinates: Coordinates
    payload: Mapping[str, object]
    hops: int = 0
    caused_by: Mapping[str, object] | None = None


# --- what is written ------------------------------------------------------------------------------


class EventRecord(Struct, frozen=True):
    """An event to store with what it did: its findings are the evidence `explain` reads."""

    event: Event
    contact_id: int
    v: datetime
    is_skewed: bool
    resolved: Resolved
    findings: tuple[Finding, ...]


class Quarantined(Struct, frozen=True):
    """A record set aside; `winner` names the stored event that it conflicts with, if any (E4)."""

    rejected: Rejected
    winner: str | None = None


class Duplicate(NamedTuple):
    """The same key and body at other coordinates: dropped, and recorded (rule E4)."""

    key: UUID
    event_id: str
    coordinates: Coordinates
    recorded_at: datetime
    winner: Coordinates


class RunChange(NamedTuple):
    """A run before this turn (None: it is new) and after it."""

    before: Run | None
    after: Run


class LateFound(NamedTuple):
    """The first late match of a wait that had timed out (rule W5)."""

    contact_id: int
    run_id: UUID
    step_key: str
    match: LateMatch


class IdentityNote(NamedTuple):
    """What an event did, or could not do, to who is who (rule I2).

    Kept apart from events, most of which are not stored. `verdict` is `merge_blocked`,
    `identifier_taken`, `identifier_released`, `merged`, `deleted` or `erased`.
    """

    contact_id: int
    event_id: str
    coordinates: Coordinates
    verdict: str
    reason: str


class Emitted(NamedTuple):
    """An event that a step has caused, for the input topic of this role (rule S6)."""

    role: Literal["events", "contacts"]
    document: Mapping[str, object]


class Suppression(NamedTuple):
    """An address that nothing is to be sent to: a message's recipient, else `address` (rule F4).

    `reason` is `bounced`, `complained` or `suppressed`, `source` where the event stands.
    """

    message_id: UUID | None
    address: str | None
    contact_id: int | None
    reason: str
    source: str


class Audited(NamedTuple):
    """What an operator did, kept in the transaction that did it (rule O4)."""

    who: str
    what: str
    target: str
    before: Mapping[str, object]
    after: Mapping[str, object]


class Withdrawn(NamedTuple):
    """An effect that must not go out any more: its run ended, for the reason `why` (rule R2)."""

    effect_id: UUID
    run_id: UUID
    contact_id: int
    why: str


class Fault(NamedTuple):
    """What the engine itself got wrong with one run: the kind, and the frames without values."""

    run_id: UUID
    kind: str
    frames: str


class NameSeen(NamedTuple):
    """How often a name was seen in one partition of this turn, and where last (rule E7)."""

    name: str
    topic: str
    partition: int
    times: int
    first_at: datetime
    last_at: datetime
    last_offset: int


class Position(NamedTuple):
    """The move of one partition under its fence: `epoch` was minted at assignment (rule E3).

    `low` is the instant at which an end offset <= `to_offset` was asked, if there is one (W4).
    """

    topic: str
    partition: int
    epoch: int
    from_offset: int
    to_offset: int
    low: datetime | None = None


class Changes(Ledger):
    """Everything one turn writes, in the order of decision; `tally` counts what leaves no row."""

    binds: list[tuple[int, Link]]
    unbinds: list[Identifier]
    new_contacts: list[Contact]
    forgotten_contacts: list[int]
    profiles: dict[int, Profile]
    events: list[EventRecord]
    duplicates: list[Duplicate]
    quarantined: list[Quarantined]
    runs: list[RunChange]
    closed_waits: list[ClosedWait]
    late: list[LateFound]
    enrolments: dict[tuple[int, UUID], Enrolment]
    effects: list[Effect]
    answers: list[Answer]
    message_events: list[tuple[UUID, int, str]]
    identity_notes: list[IdentityNote]
    audited: list[Audited]
    receipts: list[Mapping[str, object]]
    names: list[NameSeen]
    positions: list[Position]
    faults: list[Fault]
    withdrawn: list[Withdrawn]
    resent: list[tuple[UUID, UUID]]
    suppressions: list[Suppression]
    emitted: list[Emitted]
    memberships: dict[tuple[UUID, int], Membership]
    choices: dict[tuple[str, int], Choice]
    tally: Counter[str]
    merges: list[Merge]
    erasures: list[Erasure]
    unmerges: list[Unmerge]
