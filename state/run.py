"""One contact in one version of an automation: where it stands, and how it came there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from state.effect import Settlement, effect_key
from state.event import Coordinates
from state.ids import name_uuid

#: The namespace of run ids. Never change it: a run's id is its deduplication key (rule S1).
RUN_NAMESPACE = UUID("0b3c8f9e-63a5-5c57-8d0f-2f6a54b1d7aa")

RunStatus = Literal["running", "completed", "failed", "cancelled"]
Reason = Literal[
    "completed_end",
    "completed_no_branch",
    "exited_rule",
    "exited_goal",
    "failed_step",
    "engine_error",
    "cancelled_operator",
    "cancelled_automation_deleted",
    "contact_deleted",
    "merged_duplicate",
    "expired",
    "exited_before_start",
]

#: Every ending has a reason, and every reason one status (rule R2).
STATUS_OF: Mapping[Reason, RunStatus] = {
    "completed_end": "completed",
    "completed_no_branch": "completed",
    "exited_rule": "completed",
    "exited_goal": "completed",
    "failed_step": "failed",
    "engine_error": "failed",
    "cancelled_operator": "cancelled",
    "cancelled_automation_deleted": "cancelled",
    "contact_deleted": "cancelled",
    "merged_duplicate": "cancelled",
    "expired": "cancelled",
    "exited_before_start": "cancelled",
}


def run_id_of(automation_id: UUID, trigger_key: UUID, occurrence: int = 0) -> UUID:
    """Return a run's id, derived from its cause: redelivery of the trigger changes nothing (S1)."""
    return name_uuid(RUN_NAMESPACE, f"{automation_id}:{trigger_key}:{occurrence}")


def retry_id_of(run: Run) -> UUID:
    """Return the id of the run that tries this failed one again: there can be one (rule R3)."""
    return _lineage_id(run, run.retry + 1)


def lineage_of(run: Run) -> list[UUID]:
    """Return the ids of the runs that this one tries again, the first one first, and its own."""
    return [_lineage_id(run, number) for number in range(run.retry + 1)]


def _lineage_id(run: Run, number: int) -> UUID:
    cause = run.automation_id, run.trigger.key, run.occurrence
    if not number:
        return run_id_of(*cause)
    return name_uuid(RUN_NAMESPACE, ":".join((*map(str, cause), f"retry {number}")))


class Resolved(NamedTuple):
    """The identifier that led to the contact, and the path to it (rule I4)."""

    kind: str
    value: str
    path: str


class Trigger(Struct, frozen=True, omit_defaults=True):
    """The event that started a run, kept whole so that the run outlives the topic (rule R4)."""

    key: UUID
    id: str
    name: str
    occurred_at: datetime
    recorded_at: datetime
    coordinates: Coordinates
    payload: Mapping[str, object]
    v: datetime
    hops: int = 0
    caused_by: Mapping[str, object] | None = None


class LateMatch(NamedTuple):
    """The first event that came too late for a wait (rule W5).

    `verdict` is `late_arrival` or `after_deadline`; the lateness counts from the deadline.
    """

    event_id: str
    verdict: str
    lateness_seconds: float


class KeptAnswer(Struct, frozen=True):
    """How an effect was settled while its automation was paused (rules F3, T3)."""

    settlement: Settlement
    code: str | None
    text: str | None
    provider_id: str | None
    at: datetime


class HeldStart(Struct, frozen=True):
    """Parked before its first step, because its automation was paused when it started (T3).

    It is due at once, and begins when a sweep may see it. `holds_for_lag`: as for a delay.
    """

    step_key: str
    entered_at: datetime
    due_at: datetime
    holds_for_lag: bool
    is_held: bool = False
    input: Mapping[str, object] | None = None
    output: Mapping[str, object] | None = None


class ArmMet(Struct, frozen=True):
    """The event that met an arm of a wait; `place` is the arm's, as declared (rule W7)."""

    place: int
    key: UUID
    id: str
    name: str
    occurred_at: datetime
    coordinates: Coordinates
    payload: Mapping[str, object]


class Waiting(Struct, frozen=True):
    """Parked for an event: until `deadline` by event time, judged from `floor` on (W2, W3).

    `due_at` is deadline + grace, when the timeout may fire at the earliest (T2). `is_held` says
    that a due timeout was held back for lag (W4), `is_truncated` that the floor was cut (W2).
    `output` is what was known at decide. `met` are the arms met so far, in the order in which they
    were (W7). From `kept_at` on the last of them closes the wait, once it is released: it is due
    then. `frozen` is by how much freezes have moved both instants (T3).
    """

    step_key: str
    entered_at: datetime
    floor: datetime
    deadline: datetime | None
    due_at: datetime | None
    input: Mapping[str, object] | None = None
    is_held: bool = False
    is_truncated: bool = False
    late: LateMatch | None = None
    output: Mapping[str, object] | None = None
    met: tuple[ArmMet, ...] = ()
    kept_at: datetime | None = None
    frozen: timedelta = timedelta()

    @property
    def holds_for_lag(self) -> bool:
        """Tell whether lag may hold what is due: a timeout, but no event that has come (W4)."""
        return self.kept_at is None


class Sleeping(Struct, frozen=True):
    """Parked for an instant. `holds_for_lag`: its run has exit rules, so lag holds it (T2).

    `output` is what was known at decide, `frozen` by how much freezes have moved the instant (T3).
    """

    step_key: str
    entered_at: datetime
    due_at: datetime
    holds_for_lag: bool
    is_past_due: bool = False
    input: Mapping[str, object] | None = None
    is_held: bool = False
    output: Mapping[str, object] | None = None
    frozen: timedelta = timedelta()


class Sending(Struct, frozen=True):
    """Parked until the world settles one effect (rule F3); `output` is what was known at decide.

    An answer that is `kept` makes it due at once (T3).
    """

    holds_for_lag: ClassVar[bool] = False
    is_held: ClassVar[bool] = False

    step_key: str
    entered_at: datetime
    effect_id: UUID
    output: Mapping[str, object] | None = None
    input: Mapping[str, object] | None = None
    kept: KeptAnswer | None = None

    @property
    def due_at(self) -> datetime | None:
        """Return since when an answer is there to go on with; None while there is none."""
        return None if self.kept is None else self.kept.at


Parked = Waiting | Sleeping | Sending | HeldStart

#: A start that is held waits for no event, so it counts as delayed: R1's list is closed.
ACTIVITY: Mapping[type, str] = {
    Waiting: "waiting",
    Sleeping: "delayed",
    Sending: "sending",
    HeldStart: "delayed",
}


class Failure(Struct, frozen=True):
    """Why a run failed: the step, a code and a text for people (rule F5)."""

    step_key: str | None
    code: str
    message: str

    def document(self) -> dict[str, object]:
        """Return the failure as the run record shows it."""
        return {"step_key": self.step_key, "code": self.code, "message": self.message}


class Run(Struct, frozen=True):
    """A run. `parked` is set exactly while it is running; `reason` exactly when it has ended.

    `past` is the stored history: JSON objects joined by commas, never decoded on a resume. `fresh`
    are the entries of this turn, each `{"step": {...}}` or `{"wait": {...}}`, times as RFC 3339.
    `retry` counts how often its cause was tried before; `retried_from` is the run that failed (R3).
    `used` are the keys of events that closed a wait of this run, or an arm of one that has ended
    (rule W1); those of an open wait are in its `met`.
    """

    run_id: UUID
    contact_id: int
    automation_id: UUID
    version: int
    trigger: Trigger
    resolved: Resolved
    created_at: datetime
    started_at: datetime
    updated_at: datetime
    occurrence: int = 0
    parked: Parked | None = None
    status: RunStatus = "running"
    reason: Reason | None = None
    failure: Failure | None = None
    completed_at: datetime | None = None
    business_key: str | None = None
    outputs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    wait_events: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    used: frozenset[UUID] = frozenset()
    steps_done: int = 0
    past: str = ""
    fresh: tuple[Mapping[str, object], ...] = ()
    retry: int = 0
    retried_from: UUID | None = None

    def __post_init__(self) -> None:
        assert (self.status == "running") == (self.reason is None), "an ending has a reason"
        assert (self.status == "running") == (self.completed_at is None), "an ending has a time"
        assert self.parked is None or self.status == "running", "a finished run is not parked"

    @property
    def activity(self) -> str | None:
        """Return what a running run does meanwhile (rule R1), None for a finished one."""
        if self.status != "running":
            return None
        return "executing" if self.parked is None else ACTIVITY[type(self.parked)]

    def effect_key(self, step_key: str) -> str:
        """Return the key of what a step of this run sends, derived from its cause (rule F2)."""
        return effect_key(self.automation_id, self.trigger.key, step_key, self.occurrence)

    def end(self, reason: Reason, now: datetime, failure: Failure | None = None) -> Run:
        """Return the run ended for this reason; a finished run never moves again (rules R2, R3)."""
        assert self.status == "running", "a finished run never moves"
        return replace(
            self,
            parked=None,
            status=STATUS_OF[reason],
            reason=reason,
            failure=failure,
            completed_at=now,
            updated_at=now,
        )

    def noting(self, *entries: Mapping[str, object]) -> Run:
        """Return the run with these entries added to its history."""
        return replace(self, fresh=(*self.fresh, *entries))
