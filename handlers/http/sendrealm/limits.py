"""Rate limits as Sendrealm tells them."""

from __future__ import annotations

from collections.abc import Mapping

from handlers.http.bucket import Allowance


def headers(_allowance: Allowance) -> Mapping[str, str]:
    """Return nothing: only a refusal says, by `retry-after`, what is left of an allowance."""
    return {}
