"""Carries effects from the outbox to the sender, and the answers back through the door (F2, F3)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

import structlog

from handlers.consent import refusal
from state.effect import (
    NO_CONSENT,
    RUN_ENDED,
    Answer,
    Claimed,
    Effect,
    Settlement,
    withdrawal,
)
from state.turn import Moved, Unavailable
from stream.clock import Clock
from stream.processor import Processor
from stream.seam import OutboxStore
from stream.senders.sender import Accepted, Declined, NotNow, Outcome, Sender, Senders, Unsure
from stream.telemetry import Counters

#: How long an idle relay waits before it looks again, in seconds; a new effect rings sooner.
IDLE_SECONDS = 1.0

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
        senders: Senders,
        clock: Clock,
        counters: Counters,
        limits: RelayLimits,
    ) -> None:
        self._store = store
        self._processor = processor
        self._senders = senders
        self._clock = clock
        self._counters = counters
        self._limits = limits
        self._is_stopping = False

    def stop(self) -> None:
        """Claim no more: `run` ends when what is under way has been settled."""
        self._is_stopping = True

    async def run(self) -> None:
        """Send until stopped. A send that is cancelled keeps its lease, as if we had died."""
        while not self._is_stopping:
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
            tasks = [group.create_task(self._send(each)) for each in claimed]
        answers = [answer for task in tasks if (answer := task.result()) is not None]
        if answers:
            await self._processor.apply_answers(answers)
        return len(answers)

    async def _send(self, claimed: Claimed) -> Answer | None:
        """Try one effect once; None: it is to be tried again later.

        One whose run ended meanwhile, or whose contact stands so that it must not be sent, is not
        tried; it was claimed to be settled (rule F4).
        """
        if claimed.withdrawn is not None:
            self._counters.count("effects_withdrawn")
            return _withdrawn(claimed, claimed.withdrawn, RUN_ENDED)
        refused = refusal(claimed.effect, claimed.standing)
        if refused is not None:
            self._counters.count("effects_refused", code=refused)
            return _withdrawn(claimed, refused, NO_CONSENT)
        sender = self._senders[claimed.effect.channel]
        if claimed.was_unsure and not sender.honours_keys:
            # It may have been sent, and a second attempt would send it twice (rule F3).
            claimed = claimed._replace(attempts=claimed.attempts - 1)
            outcome: Outcome = Unsure("answer_lost", "an attempt ended without an answer")
        else:
            outcome = await self._try(sender, claimed.effect)
        is_unsure = isinstance(outcome, Unsure) or claimed.was_unsure
        if self._may_try_again(sender, outcome, claimed.attempts):
            await self._postpone(claimed, outcome, is_unsure=is_unsure)
            return None
        answer = _answer(claimed, outcome, is_unsure=is_unsure)
        self._counters.count("effects_settled", settlement=answer.settlement)
        return answer

    async def _try(self, sender: Sender, effect: Effect) -> Outcome:
        try:
            async with asyncio.timeout(self._limits.lease.total_seconds() / 2):
                return await sender.send(effect)
        except Exception as error:  # noqa: BLE001 - nobody knows how far it came
            return Unsure(type(error).__name__, "the sender did not answer")

    def _may_try_again(self, sender: Sender, outcome: Outcome, attempts: int) -> bool:
        if attempts >= self._limits.attempts_max:
            return False
        is_repeatable = isinstance(outcome, Unsure) and sender.honours_keys
        return isinstance(outcome, NotNow) or is_repeatable

    async def _postpone(self, claimed: Claimed, outcome: Outcome, *, is_unsure: bool) -> None:
        assert isinstance(outcome, NotNow | Unsure), "what is settled is not tried again"
        effect, attempts = claimed.effect, claimed.attempts
        backoff = min(BACKOFF_FIRST * 2 ** (attempts - 1), BACKOFF_MAX)
        jittered = timedelta(seconds=self._clock.jittered(backoff.total_seconds()))
        wanted = outcome.retry_after if isinstance(outcome, NotNow) else None
        due_in = max(jittered, wanted or timedelta())
        self._counters.count("effects_postponed")
        log.warning(
            "effect.postponed",
            effect_id=str(effect.effect_id),
            run_id=str(effect.run_id),
            attempts=attempts,
            code=outcome.code,
            due_in_seconds=round(due_in.total_seconds(), 1),
        )
        error = {"code": outcome.code, "text": outcome.text, "is_unsure": is_unsure}
        try:
            await self._store.postpone_effect(effect.effect_id, due_in, error)
        except (Moved, Unavailable) as fault:
            # It must not stop the sends beside it; its lease ends, and then it is tried again.
            log.warning("effect.not_postponed", effect_id=str(effect.effect_id), reason=str(fault))


def _answer(claimed: Claimed, outcome: Outcome, *, is_unsure: bool) -> Answer:
    """Return how an effect is settled; after one attempt of unknown outcome nothing is sure."""
    settlement: Settlement
    match outcome:
        case Accepted(provider_id):
            settlement, provider, code, text = "sent", provider_id, None, None
        case Declined(code, text):
            settlement, provider = "failed", None
        case NotNow(code, text) | Unsure(code, text):
            settlement, provider = ("unknown" if is_unsure else "failed"), None
            text = f"{text}, {claimed.attempts} times" if claimed.attempts > 1 else text
        case _:
            assert_never(outcome)
    effect = claimed.effect
    return Answer(
        effect.effect_id,
        effect.run_id,
        effect.contact_id,
        settlement,
        claimed.attempts,
        provider,
        code,
        text,
    )


def _withdrawn(claimed: Claimed, why: str, text: str) -> Answer:
    """Return how an effect is settled that is claimed and not tried: this was no attempt."""
    return withdrawal(
        claimed.effect,
        why,
        claimed.attempts - 1,
        is_unsure=claimed.was_unsure,
        text=text,
    )
