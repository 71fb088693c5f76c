"""Whether an automation is paused, and what its pauses have done to deadlines (rule T3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from state.run import Run, Sleeping, Waiting

Mode = Literal["hold", "freeze"]

#: No run lives longer (rule R2, `expired`), so none remembers a freeze that ended before.
FREEZES_KEPT = timedelta(days=400)


class Freeze(NamedTuple):
    """A span in which time stood still for an automation's runs."""

    since: datetime
    until: datetime


class Pausing(Struct, frozen=True):
    """How an automation is paused: `mode` None while it is not. `freezes` are over, in order."""

    mode: Mode | None = None
    since: datetime | None = None
    freezes: tuple[Freeze, ...] = ()

    def begun(self, mode: Mode, now: datetime) -> Pausing:
        """Return what holds once it is paused like this; another mode ends as this one begins."""
        return replace(self.ended(now), mode=mode, since=now)

    def ended(self, now: datetime) -> Pausing:
        """Return what holds once it is released."""
        kept = [one for one in self.frozen(now) if one.until > now - FREEZES_KEPT]
        return Pausing(freezes=tuple(kept))

    def frozen(self, now: datetime | None) -> tuple[Freeze, ...]:
        """Return all freezes, one that lasts still as far as it has come; without `now`, not it."""
        if self.mode != "freeze" or now is None:
            return self.freezes
        assert self.since is not None, "a pause has begun at some instant"
        return (*self.freezes, Freeze(self.since, max(now, self.since)))

    def shift(self, deadline: datetime, entered_at: datetime, now: datetime | None) -> timedelta:
        """Return by how much freezes have moved a deadline that was set at `entered_at`.

        Each freeze that began before the deadline, as it stood by then, moves it by its own length;
        a deadline that had passed stays passed.
        """
        moved = timedelta()
        for since, until in self.frozen(now):
            if since < deadline + moved and until > entered_at:
                moved += until - max(since, entered_at)
        return moved


#: What holds for almost every automation.
NEVER_PAUSED = Pausing()


def with_freezes(run: Run, pausing: Pausing, now: datetime | None) -> Run:
    """Return a run whose deadline or instant is where the freezes so far have moved it (rule T3).

    What is stored is moved only when it falls due: `frozen` says how much of the shift the stored
    instants hold. So a freeze of a million waits writes one row, and what a crash leaves is right.
    """
    parked = run.parked
    if not pausing.frozen(now) or not isinstance(parked, Waiting | Sleeping):
        return run
    stood_until = parked.deadline if isinstance(parked, Waiting) else parked.due_at
    if stood_until is None or parked.due_at is None:
        return run
    frozen = pausing.shift(stood_until - parked.frozen, parked.entered_at, now)
    more = frozen - parked.frozen
    if not more:
        return run
    match parked:
        case Waiting():
            # What is kept is due at once, wherever the deadline stands.
            due_at = parked.due_at if parked.kept_at else parked.due_at + more
            moved = replace(parked, deadline=stood_until + more, due_at=due_at, frozen=frozen)
            return replace(run, parked=moved)
        case Sleeping():
            return replace(run, parked=replace(parked, due_at=parked.due_at + more, frozen=frozen))


def pausing_of(pausings: Mapping[UUID, Pausing], run: Run) -> Pausing:
    """Return how a run's automation is paused."""
    return pausings.get(run.automation_id, NEVER_PAUSED)
