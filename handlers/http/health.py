"""Whether this process lives, and whether what it needs is there; no key is asked for."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from handlers.http.services import Services


def health_routes(services: Services) -> list[Route]:
    """Return `/healthz` and `/readyz`, which no dialect has."""

    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def ready(_: Request) -> JSONResponse:
        troubles = await services.troubles()
        if troubles:
            return JSONResponse({"status": "not_ready", "away": dict(troubles)}, 503)
        return JSONResponse({"status": "ready"})

    return [Route("/healthz", live), Route("/readyz", ready)]
