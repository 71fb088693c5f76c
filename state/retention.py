"""What is kept and for how long: leaves of tables by time, and what may still need them (O5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

#: The tables that are kept in leaves, each a span of time.
Family = Literal["events", "runs_done"]


class Periods(NamedTuple):
    """How long things are kept: events, finished runs, notes of what was refused or dropped."""

    events: timedelta
    runs: timedelta
    notes: timedelta

    def of(self, family: Family) -> timedelta:
        """Return how long a leaf of this table is kept after its end."""
        return self.events if family == "events" else self.runs


class StoredLeaf(NamedTuple):
    """A leaf as the database has it: the half-open span of its rows, about how many, how large.

    Events are put into leaves by the instant of their processing, but looked for by V. `newest_v`
    is the newest V in the leaf; None: none that any look-back reaches, or not asked for. `rows` is
    an estimate; None: there is none yet. `is_half_detached`: somebody began to detach it by hand.
    """

    family: Family
    name: str
    lower: datetime
    upper: datetime
    rows: int | None
    size: int
    is_half_detached: bool = False
    newest_v: datetime | None = None


class LiveRuns(NamedTuple):
    """Parked runs at one step of one version, alike in which leaves they may look into.

    `looks_back_to` is the oldest instant that one of them counts from: its trigger's V, or the
    floor of its open wait. `run_id` is one of the runs.
    """

    automation_id: UUID
    version: int
    step_key: str
    looks_back_to: datetime
    run_id: UUID
    total: int


class Holder(NamedTuple):
    """What may still look into a leaf: a live run, and how many others; or runs still to start.

    `run_id` is None for runs that are still to start, whose step looks back a fixed span.
    """

    automation: str
    step_key: str
    looks_back_to: datetime
    run_id: UUID | None = None
    others: int = 0


class LeafVerdict(NamedTuple):
    """What becomes of a leaf, and why (rule O5).

    `drop`; `young` until `due_at`; `held` by `holder`, a live run or one that may still start.
    """

    leaf: StoredLeaf
    verdict: Literal["drop", "young", "held"]
    due_at: datetime | None = None
    holder: Holder | None = None


class OldRows(NamedTuple):
    """Rows of a table without leaves whose time is over: those from before `cutoff`."""

    table: str
    cutoff: datetime
    total: int


class Survey(NamedTuple):
    """All that retention would do: verdicts on leaves, leaves half dropped, rows that are over."""

    leaves: list[LeafVerdict]
    unfinished: list[str]
    rows: list[OldRows]
