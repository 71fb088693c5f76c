"""Who may come in: keys are found, proved, counted and remembered as used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from handlers.http.bucket import Allowance, Buckets
from handlers.http.fault import Fault
from state.api_key import ApiKey, Scope, parse_token

#: How long a key is believed to be as it was found: so long a revoked one may still work.
BELIEVED_SECONDS = 5.0

#: How many keys are believed at a time; beyond that they are looked up anew.
BELIEVED_MAX = 10_000


class Time(Protocol):
    """The clock, as far as it is needed here."""

    def utc_now(self) -> datetime:
        """Return the wall clock's instant."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...


class Gatekeeper:
    """Proves keys; `find` looks one up by its id."""

    def __init__(
        self, find: Callable[[str], Awaitable[ApiKey | None]], buckets: Buckets, time: Time
    ) -> None:
        self._find = find
        self._buckets = buckets
        self._time = time
        self._believed: dict[str, tuple[ApiKey, float]] = {}
        self._uses: dict[str, datetime] = {}

    async def prove(self, sent: str | None) -> ApiKey:
        """Return the live key that a client has proved to hold.

        Raises:
            Fault: it sent none, or none that is good.
        """
        if sent is None:
            raise Fault("key_missing", "Missing API key in the authorization header")
        token = parse_token(sent)
        key = None if token is None else await self._known(token.key_id)
        # One answer for all: who guesses learns nothing, not even that a key was once good.
        if token is None or key is None or not key.proves(token):
            raise Fault("key_invalid", "API key is invalid")
        if not key.is_live(self._time.utc_now()):
            raise Fault("key_invalid", "API key is invalid")
        self._uses[key.key_id] = self._time.utc_now()
        return key

    def allowance(self, key: ApiKey) -> Allowance:
        """Take one request from the key's allowance; it says whether there was one."""
        return self._buckets.take(key.key_id, self._time.monotonic())

    def uses(self) -> dict[str, datetime]:
        """Return when keys were used since the last call, for writing down from time to time."""
        uses, self._uses = self._uses, {}
        return uses

    async def _known(self, key_id: str) -> ApiKey | None:
        now = self._time.monotonic()
        known, until = self._believed.get(key_id, (None, now))
        if known is not None and now < until:
            return known
        found = await self._find(key_id)
        if found is None:
            self._believed.pop(key_id, None)
            return None
        if len(self._believed) >= BELIEVED_MAX:
            self._believed.clear()
        self._believed[key_id] = (found, now + BELIEVED_SECONDS)
        return found


def require(key: ApiKey, scope: Scope) -> None:
    """Refuse a key whose scope does not reach.

    Raises:
        Fault: it may not do this.
    """
    if not key.allows(scope):
        raise Fault(
            "key_restricted",
            f"This API key has the scope `{key.scope}`, and this endpoint needs `{scope}`",
        )


def require_allowance(allowance: Allowance) -> None:
    """Refuse a key that has used its allowance up.

    Raises:
        Fault: it has, and when to come again.
    """
    if not allowance.is_granted:
        raise Fault(
            "rate_limited",
            f"Too many requests: this key may make {allowance.limit} in "
            f"{allowance.window_seconds} s. Try again in {allowance.retry_seconds} s",
            headers={"retry-after": str(allowance.retry_seconds)},
        )
