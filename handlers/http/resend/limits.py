"""Rate limits as Resend tells them, on every answer to a key that was proved."""

from __future__ import annotations

from collections.abc import Mapping

from handlers.http.bucket import Allowance


def headers(allowance: Allowance) -> Mapping[str, str]:
    """Return the headers that say what a key may still do."""
    return {
        "ratelimit-limit": str(allowance.limit),
        "ratelimit-remaining": str(allowance.remaining),
        "ratelimit-reset": str(allowance.reset_seconds),
        "ratelimit-policy": f"{allowance.limit};w={allowance.window_seconds}",
    }
