"""Carries effects from the outbox to the sender, and the answers back through the door (F2, F3)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

import structlog

from state.effect import Answer, Effect, Settlement
from state.turn import Moved, Unavailable
from stream.clock import Clock
from stream.processor import Processor
from stream.seam import OutboxStore
from stream.senders.sender import Accepted, Declined, NotNow, Outcome, Sender, Unsure
from stream.telemetry import Counters

#: How long an idle relay waits before it looks again, in seconds; a new effect rings sooner.
IDLE_SECONDS = 0.5

#: The back-off between attempts: the first, and the longest (rule F5).
BACKOFF_FIRST = timedelta(seconds=1)
BACKOFF_MAX = timedelta(minutes=5)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """How many effects are in flight, how long one is leased, how often one is tried."""

    concurrency: int = 16
    lease: timedelta = timedelta(seconds=60)
    attempts_max: int = 8


class Relay:
    """Claims effects, sends them, lets their runs go on; any number may run side by side."""

    def __init__(
        self,
        store: OutboxStore,
        processor: Processor,
        sender: Sender,
        clock: Clock,
        counters: Counters,
        limits: RelayLimits,
    ) -> None:
        self._store = store
        self._processor = processor
        self._sender = sender
        self._clock = clock
        self._counters = counters
        self._limits = limits

    async def run(self) -> None:
        """Send until cancelled. A cancelled send keeps its lease and is tried again by its key."""
        while True:
            try:
                settled = await self.sweep()
            except (Moved, Unavailable) as fault:
                log.warning("relay.retried", reason=str(fault))
                settled = 0
            if not settled:
                await self._processor.effects_made.wait_for(IDLE_SECONDS)

    async def sweep(self) -> int:
        """Send what is due, at most `concurrency` at once; return how many were settled."""
        claimed = await self._store.claim_effects(self._limits.concurrency, self._limits.lease)
        if not claimed:
            return 0
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._send(*each)) for each in claimed]
        answers = [answer for task in tasks if (answer := task.result()) is not None]
        if answers:
            await self._processor.apply_answers(answers)
        return len(answers)

    async def _send(self, effect: Effect, attempts: int) -> Answer | None:
        """Try one effect once; None: it is to be tried again later."""
        try:
            async with asyncio.timeout(self._limits.lease.total_seconds() / 2):
                outcome = await self._sender.send(effect)
        except Exception as error:  # noqa: BLE001 - a sender's fault is an attempt that failed
            outcome = NotNow(type(error).__name__, "the sender failed")
        if isinstance(outcome, NotNow) and attempts < self._limits.attempts_max:
            await self._postpone(effect, attempts, outcome)
            return None
        answer = _answer(effect, attempts, outcome)
        self._counters.count("effects_settled", settlement=answer.settlement)
        return answer

    async def _postpone(self, effect: Effect, attempts: int, outcome: NotNow) -> None:
        backoff = min(BACKOFF_FIRST * 2 ** (attempts - 1), BACKOFF_MAX)
        jittered = timedelta(seconds=self._clock.jittered(backoff.total_seconds()))
        due_in = max(jittered, outcome.retry_after or timedelta())
        self._counters.count("effects_postponed")
        log.warning(
            "effect.postponed",
            effect_id=str(effect.effect_id),
            run_id=str(effect.run_id),
            attempts=attempts,
            code=outcome.code,
            due_in_seconds=round(due_in.total_seconds(), 1),
        )
        error = {"code": outcome.code, "text": outcome.text}
        try:
            await self._store.postpone_effect(effect.effect_id, due_in, error)
        except (Moved, Unavailable) as fault:
            # It must not stop the sends beside it; its lease ends, and then it is tried again.
            log.warning("effect.not_postponed", effect_id=str(effect.effect_id), reason=str(fault))


def _answer(effect: Effect, attempts: int, outcome: Outcome) -> Answer:
    def answer(settlement: Settlement, code: str | None, text: str | None) -> Answer:
        return Answer(
            effect.effect_id,
            effect.run_id,
            effect.contact_id,
            settlement,
            attempts,
            code=code,
            text=text,
        )

    match outcome:
        case Accepted(provider_id):
            return Answer(
                effect.effect_id, effect.run_id, effect.contact_id, "sent", attempts, provider_id
            )
        case Declined(code, text):
            return answer("failed", code, text)
        case NotNow(code, text):
            return answer("failed", code, f"{text}, {attempts} times")
        case Unsure(code, text):
            return answer("unknown", code, text)
        case _:
            assert_never(outcome)
