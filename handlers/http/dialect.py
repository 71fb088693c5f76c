"""What makes a dialect: its routes, how it says what went wrong, and its application of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from msgspec import Struct
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Scope

from handlers.http.body import BodyLimits
from handlers.http.bucket import Allowance
from handlers.http.docs import add_docs
from handlers.http.documenting import document_headers
from handlers.http.fault import Fault
from handlers.http.guard import Guard
from handlers.http.services import Services
from handlers.http.translate import MEANINGS, fault_of

#: The methods that routes may have.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Dialect(Struct, frozen=True):
    """One vendor's interface over our records.

    `prefix` is where it is mounted. `render` says a fault as the vendor does, `headers` how much of
    a key's allowance is left.
    """

    name: str
    title: str
    description: str
    prefix: str
    routers: tuple[APIRouter, ...]
    render: Callable[[Fault], JSONResponse]
    headers: Callable[[Allowance], Mapping[str, str]]


def build(dialect: Dialect, services: Services, limits: BodyLimits) -> ASGIApp:
    """Return the dialect's application, guarded; it shares nothing with other dialects'."""
    app = FastAPI(
        title=dialect.title,
        description=dialect.description,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_url="/openapi.json",
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.services = services

    async def say(request: Request, error: Exception) -> JSONResponse:
        fault = fault_of(error)
        if fault.kind == "method_unknown":
            fault.headers = {"allow": _allowed(app.routes, request.scope)}
        request.state.refusal = fault.kind
        return dialect.render(fault)

    handlers: Any = app.add_exception_handler  # its type takes no handler of several classes
    for known in (*MEANINGS, Exception):
        handlers(known, say)
    for router in dialect.routers:
        app.include_router(router)
    add_docs(app)
    document_headers(app, dialect.headers)
    return Guard(app, dialect.name, dialect.render, dialect.headers, limits)


def _allowed(routes: Sequence[BaseRoute], scope: Scope) -> str:
    """Return the methods that a path has, as the header `Allow` lists them (RFC 9110, 15.5.6)."""

    def is_allowed(method: str) -> bool:
        asked = {**scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in routes)

    return ", ".join(method for method in METHODS if is_allowed(method))
