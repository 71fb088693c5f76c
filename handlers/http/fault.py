"""What can go wrong with a request, in no dialect's words; each dialect says it in its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal[
    "key_missing",
    "key_invalid",
    "key_restricted",
    "rate_limited",
    "body_too_large",
    "body_too_slow",
    "body_unreadable",
    "field_missing",
    "field_invalid",
    "id_invalid",
    "idempotency_key_invalid",
    "not_found",
    "route_unknown",
    "method_unknown",
    "conflict",
    "unavailable",
    "broken",
]


class Fault(Exception):
    """A request that is not done: what kind of fault it is, and words for the one who sent it.

    `field` is the path of the field at fault, such as `payload` or `steps.0.key`. `headers` go
    into the answer as they are.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.field = field
        self.headers: Mapping[str, str] = headers or {}


def unavailable(what: str, retry_seconds: int = 1) -> Fault:
    """Return the fault of something that is away for now; nothing was done."""
    return Fault("unavailable", what, headers={"retry-after": str(retry_seconds)})
