"""A provider that sends each key once, and a sender that may lose its answers on the way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from state.effect import Effect
from stream.senders.sender import Accepted, Declined, NotNow, Outcome, Unsure
from tests.simulation.process import Process


class Sent(NamedTuple):
    """A message that went out."""

    at: datetime
    key: str
    effect_id: UUID
    message: Mapping[str, object]


class Attempt(NamedTuple):
    """A worker's word to the provider that a message shall go out."""

    at: datetime
    worker: str
    key: str
    effect_id: UUID


class Provider:
    """The ledger of the outside world: what was asked for, and what went out."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.sent: dict[str, Sent] = {}
        self.declined: set[str] = set()

    def send(self, effect: Effect, at: datetime) -> None:
        """Send a message, unless one went out under its key before."""
        sent = Sent(at, effect.key, effect.effect_id, effect.message)
        self.sent.setdefault(effect.key, sent)


class SimSender:
    """One worker's way to the provider."""

    honours_keys = True

    def __init__(self, provider: Provider, process: Process) -> None:
        self._provider = provider
        self._process = process

    async def send(self, effect: Effect) -> Outcome:
        process, provider = self._process, self._provider
        await process.checkpoint()
        now = process.loop.now()
        provider.attempts.append(Attempt(now, process.name, effect.key, effect.effect_id))
        outcome = await self._fault(effect)
        if outcome is not None:
            return outcome
        provider.send(effect, now)
        if process.faults.strikes("executed_then_hangs"):
            await process.loop.create_future()
        await process.checkpoint()
        return Accepted(f"sim:{effect.effect_id}")

    async def _fault(self, effect: Effect) -> Outcome | None:
        """Return an outcome that is not the good one, if the seed wants one now."""
        process, faults = self._process, self._process.faults
        if faults.strikes("hangs"):
            await process.loop.create_future()
        if faults.strikes("raises"):
            raise ConnectionResetError
        if faults.strikes("not_now"):
            return NotNow("busy", "try again", timedelta(seconds=faults.random.uniform(0, 5)))
        if effect.key in self._provider.sent:
            return None  # it knows the key, and says what it said before
        if effect.key in self._provider.declined or faults.strikes("declined"):
            self._provider.declined.add(effect.key)
            return Declined("declined", "no such person")
        if faults.strikes("unsure"):
            if faults.random.random() < 0.5:
                self._provider.send(effect, process.loop.now())
            return Unsure("lost", "the answer was lost")
        return None
