"""What stands before each dialect's application: bounds, headers, the last resort."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.http.body import BodyLimits, read_body, replayed
from handlers.http.bucket import Allowance
from handlers.http.fault import Fault
from handlers.http.services import allowance_of

log = structlog.get_logger()


class Guard:
    """Reads the body within bounds, adds the dialect's headers, and answers what nobody caught."""

    def __init__(
        self,
        app: ASGIApp,
        name: str,
        render: Callable[[Fault], JSONResponse],
        headers: Callable[[Allowance], Mapping[str, str]],
        limits: BodyLimits,
    ) -> None:
        self._app = app
        self._name = name
        self._render = render
        self._headers = headers
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        state["dialect"] = self._name
        scope.pop("route", None)  # what led here; the dialect's own is what is told of
        is_begun = False

        async def answer(message: Message) -> None:
            nonlocal is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                allowance = allowance_of(state)
                if allowance is not None:
                    MutableHeaders(scope=message).update(self._headers(allowance))
            await send(message)

        try:
            body = await read_body(receive, self._limits)
        except Fault as fault:
            state["refusal"] = fault.kind
            await self._render(fault)(scope, receive, answer)
        else:
            _call_it_json(scope, body)
            try:
                await self._app(scope, replayed(body, receive), answer)
            except Exception:
                log.exception("http.broken", dialect=self._name, route=_route(scope))
                if not is_begun:
                    raise


def _call_it_json(scope: Scope, body: bytes) -> None:
    """Say that the body is JSON, which it is: clients say so, something else, or nothing."""
    if body:
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
        scope["headers"] = [*headers, (b"content-type", b"application/json")]


def _route(scope: Scope) -> str | None:
    return getattr(scope.get("route"), "path", None)
