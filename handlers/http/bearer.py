"""Keys as most vendors' clients send them: `Authorization: Bearer re_...`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from handlers.http.services import admit
from state.api_key import Scope

_BEARER = HTTPBearer(auto_error=False, description="A key of `waitline keys create`.")


def allow(scope: Scope) -> Any:
    """Return the dependency of a route that needs a key with this scope."""

    async def check(
        request: Request,
        sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> None:
        await admit(request, None if sent is None else sent.credentials, scope)

    return Depends(check)
