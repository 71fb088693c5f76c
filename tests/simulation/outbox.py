"""The simulated outbox: what runs asked of the world, who claimed it when, what came of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from state.effect import Answer, Effect, withdrawal
from state.turn import Changes, Withdrawn
from tests.simulation.audiences import AudienceTables


@dataclass(slots=True)
class OutboxRow:
    effect: Effect
    due_at: datetime
    attempts: int = 0
    claimed_by: str | None = None
    is_unsure: bool = False
    withdrawn: str | None = None


class Message(NamedTuple):
    effect: Effect
    answer: Answer
    settled_at: datetime
    sent_after_cancel: bool = False


class ClaimMade(NamedTuple):
    """A worker has taken an effect to send it."""

    at: datetime
    worker: str


@dataclass(slots=True)
class OutboxTables(AudienceTables):
    outbox: dict[UUID, OutboxRow] = field(default_factory=dict)
    messages: dict[UUID, Message] = field(default_factory=dict)
    set_aside: list[Message] = field(default_factory=list)
    #: Every claim that there ever was, for the auditor.
    claims: dict[UUID, list[ClaimMade]] = field(default_factory=dict)

    def claim(
        self,
        worker: str,
        now: datetime,
        limit: int,
        lease: timedelta,
        paused: Collection[UUID],
    ) -> list[tuple[OutboxRow, bool]]:
        """Let a worker have what is due; tell of each whether it may have been sent before."""
        due = sorted(
            (row.due_at, row.effect.effect_id)
            for row in self.outbox.values()
            if row.due_at <= now
            and (row.withdrawn or UUID(row.effect.key.partition(":")[0]) not in paused)
        )
        claimed = []
        for _, effect_id in due[:limit]:
            row = self.outbox[effect_id]
            claimed.append((row, bool(row.claimed_by or row.is_unsure)))
            row.attempts += 1
            row.claimed_by, row.due_at = worker, now + lease
            self.claims.setdefault(effect_id, []).append(ClaimMade(now, worker))
        return claimed

    def postpone(
        self, worker: str, effect_id: UUID, now: datetime, due_in: timedelta, *, is_unsure: bool
    ) -> None:
        """Have an effect tried again later, if this worker has it still."""
        row = self.outbox.get(effect_id)
        if row is not None and row.claimed_by == worker:
            waits = due_in if row.withdrawn is None else timedelta()
            row.claimed_by, row.due_at = None, now + waits
            row.is_unsure = is_unsure

    def write_outbox(self, changes: Changes) -> None:
        """Write what a turn asks of the world, called back, and was answered."""
        for effect_id, _ in changes.resent:
            assert self.messages[effect_id].answer.settlement in ("failed", "skipped")
            self.set_aside.append(self.messages.pop(effect_id))
        for effect in changes.effects:
            known = effect.effect_id in self.outbox or effect.effect_id in self.messages
            assert not known, "an effect is asked for once"
            self.outbox[effect.effect_id] = OutboxRow(effect, effect.created_at)
        answers = [*self._withdraw(changes.withdrawn), *changes.answers]
        for answer in answers:
            row = self.outbox.pop(answer.effect_id, None)
            if row is not None:
                is_late = row.withdrawn is not None and answer.settlement == "sent"
                message = Message(row.effect, answer, changes.now, is_late)
                self.messages[answer.effect_id] = message

    def _withdraw(self, withdrawn: Sequence[Withdrawn]) -> list[Answer]:
        """Mark what must not go out any more; return the answers for what nobody has claimed."""
        answers = []
        for one in withdrawn:
            row = self.outbox.get(one.effect_id)
            if row is not None:
                row.withdrawn = one.why
                if row.claimed_by is None:
                    answers.append(
                        withdrawal(row.effect, one.why, row.attempts, is_unsure=row.is_unsure)
                    )
        return answers

    def effects_of(self, changes: Changes) -> dict[UUID, Effect]:
        """Return every effect there was, if some of them may suppress an address."""
        if not changes.suppressions:
            return {}
        sent = {message_id: one.effect for message_id, one in self.messages.items()}
        return sent | {message_id: row.effect for message_id, row in self.outbox.items()}
