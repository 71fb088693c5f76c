"""The one seam: what the moving parts ask of the store; the simulation has another behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from state.audience import Audiences
from state.automation import StoredVersion
from state.effect import Claimed
from state.event import Identifier
from state.share import EVERYBODYS, Share
from state.turn import Changes, Claim, LockRequest, Need, Snapshot, StoredEvent


class Transaction(Protocol):
    """One turn's transaction. `turn` names it among the turns of its lane."""

    turn: int

    async def catalogue_revision(self) -> int:
        """Return the catalogue's revision, which stays as it is until the turn ends (rule E7)."""
        ...

    async def definitions(self) -> tuple[list[StoredVersion], dict[str, datetime]]:
        """Return the versions that are not retired, and since when each name is of interest."""
        ...

    async def audiences(self) -> Audiences:
        """Return the segments and topics there are, which change with the revision only."""
        ...

    async def resolve(self, identifiers: Sequence[Identifier]) -> dict[Identifier, int]:
        """Return who holds which of these identifiers, without a lock."""
        ...

    async def survivors(self, contact_ids: Sequence[int]) -> dict[int, int]:
        """Return whom contacts were merged into, without a lock (rule I3)."""
        ...

    async def claim(self, claims: Sequence[Claim]) -> None:
        """Reserve identifiers that nobody holds; raises Moved where somebody was quicker."""
        ...

    async def lock(self, request: LockRequest) -> Snapshot:
        """Lock the contacts, then read everything a decision needs; raises Moved."""
        ...

    async def look_back(self, needs: Sequence[Need]) -> list[StoredEvent]:
        """Return the stored events that these needs ask for (rule W2)."""
        ...

    async def save(self, changes: Changes) -> None:
        """Write everything; raises Fenced where a partition has another owner (rule E3)."""
        ...


class TurnStore(Protocol):
    """What the processor needs."""

    def transaction(self, lane: str) -> AbstractAsyncContextManager[Transaction]:
        """Open a turn; leaving the context commits it.

        Raises:
            Moved: begin the turn again. Refused: its data are at fault for good. Unavailable:
                nothing was written. Unknown: only `landed` tells.
        """
        ...

    async def landed(self, lane: str, turn: int) -> bool:
        """Tell whether a turn whose commit was lost took place."""
        ...

    async def contact_ids(self, n: int) -> list[int]:
        """Return numbers for new contacts, ascending."""
        ...


class TimerStore(Protocol):
    """What the sweep of due timers needs."""

    async def due(
        self, limit: int, *, include_held: bool = False, share: Share = EVERYBODYS
    ) -> list[tuple[int, UUID]]:
        """Return (contact, run) of due timers that lag does not hold, the oldest first."""
        ...

    async def next_due_in(self) -> float | None:
        """Return the seconds until the next timer is due, None if there is none."""
        ...


class ExpiryStore(Protocol):
    """What the sweep of old runs needs."""

    async def expired(self, age: timedelta, limit: int) -> list[tuple[int, UUID]]:
        """Return (contact, run) of active runs of at least this age, the oldest first."""
        ...


class OutboxStore(Protocol):
    """What the relay needs."""

    async def claim_effects(self, limit: int, lease: timedelta) -> list[Claimed]:
        """Return effects to send; nobody else gets them for a lease."""
        ...

    async def postpone_effect(
        self, effect_id: UUID, due_in: timedelta, error: Mapping[str, object]
    ) -> None:
        """Give an effect back, to be tried again later (rule F5)."""
        ...
