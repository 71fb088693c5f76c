"""The seam that every provider fills: one message in, one outcome out (rules F3, F5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from state.effect import Channel, Effect


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
    """A way to send messages.

    `honours_keys`: the provider sends a key once however often it is asked, so an attempt of
    unknown outcome may be repeated. Where it does not, such an attempt is the last (rule F3).
    """

    honours_keys: bool

    async def send(self, effect: Effect) -> Outcome:
        """Send one message; what it raises, or a time that runs out, counts as `Unsure`."""
        ...

    async def close(self) -> None:
        """Let go of connections; nothing is sent afterwards."""
        ...

    async def forget(self, messages: Sequence[UUID]) -> None:
        """Delete what the sender itself keeps of these messages, if it keeps any (rule I5)."""
        ...


#: Who sends what.
Senders = Mapping[Channel, Sender]
