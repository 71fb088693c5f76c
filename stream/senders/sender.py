"""The seam that every provider fills: one message in, one outcome out (rules F3, F5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from state.effect import Effect


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has the message; `provider_id` is its own name for it."""

    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider will never take it: a wrong address, a refused content."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """It was not sent, and may be later; `retry_after` is what the provider asked for."""

    code: str
    text: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unsure:
    """It may have been sent: the answer was lost, and the provider does not know keys (F3)."""

    code: str
    text: str


Outcome = Accepted | Declined | NotNow | Unsure


class Sender(Protocol):
    """A way to send messages. It must honour `effect.key`: one key, one message, however often."""

    async def send(self, effect: Effect) -> Outcome:
        """Send one message within a bounded time; what it raises counts as `NotNow`."""
        ...
