"""Keys as RevKeen's clients send them, `x-api-key: rk_live_...`, and headers of every answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader

from handlers.http.bucket import Allowance
from handlers.http.revkeen.envelopes import VERSION, VERSION_HEADER
from handlers.http.services import admit
from state.api_key import Scope

_HEADER = APIKeyHeader(
    name="x-api-key", auto_error=False, description="A key of `waitline keys create`."
)


def allow(scope: Scope) -> Any:
    """Return the dependency of a route that needs a key with this scope."""

    async def check(request: Request, sent: Annotated[str | None, Depends(_HEADER)]) -> None:
        await admit(request, sent, scope)

    return Depends(check)


def headers(allowance: Allowance) -> Mapping[str, str]:
    """Return the version that is spoken, and what the key may still do."""
    return {
        VERSION_HEADER: VERSION,
        "x-ratelimit-limit": str(allowance.limit),
        "x-ratelimit-remaining": str(allowance.remaining),
    }
