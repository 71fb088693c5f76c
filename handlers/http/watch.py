"""What stands before everything: each request gets an id, is measured, counted and logged."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol
from uuid import UUID

import structlog
from msgspec import Struct
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The header that carries a request's id: a proxy's, if it sends one, and in every answer.
REQUEST_ID = "x-request-id"
_OTHERS_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

#: Methods that are told apart; a client may invent others without end.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

#: The name of what no dialect answers: /healthz and /readyz.
HEALTH = "health"

#: Which answers are logged above DEBUG: all, or those of 400 and more.
AccessLog = Literal["all", "errors"]

log = structlog.get_logger()


class Answered(Struct, frozen=True):
    """One answer. `status` is 0 where none was begun, `refusal` the kind of fault, if it is one.

    `route` is the template that the path fits, never the path, which may hold an address; empty
    where none does.
    """

    dialect: str
    method: str
    route: str
    status: int
    seconds: float
    refusal: str | None


class Meter(Protocol):
    """Where answers are counted."""

    def begin(self) -> None:
        """A request has come."""
        ...

    def end(self, answered: Answered) -> None:
        """It was answered."""
        ...


class Means(Struct, frozen=True):
    """What a watch works with; `monotonic` are seconds that never go back."""

    meter: Meter
    monotonic: Callable[[], float]
    new_id: Callable[[], UUID]
    access_log: AccessLog


class Watch:
    """Watches the requests of an application."""

    def __init__(self, app: ASGIApp, means: Means) -> None:
        self._app = app
        self._means = means
        self._log = log.bind()  # once: a line an answer is written

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and watch what becomes of it."""
        if scope["type"] != "http":
            return
        began = self._means.monotonic()
        request_id = self._id_of(scope)
        state: dict[str, Any] = dict(scope.get("state") or {})
        scope["state"] = state
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        self._means.meter.begin()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            except Exception:
                status = status or 500  # which the server answers
                raise
            finally:
                seconds = self._means.monotonic() - began
                self._report(_answered(scope, state, status, seconds), state)

    def _id_of(self, scope: Scope) -> str:
        """Return the id that came with a request, if it can be one, else a fresh one."""
        theirs = Headers(scope=scope).get(REQUEST_ID, "")
        return theirs if _OTHERS_ID.fullmatch(theirs) else self._means.new_id().hex

    def _report(self, answered: Answered, state: Mapping[str, Any]) -> None:
        self._means.meter.end(answered)
        level = self._level(answered)
        if not self._log.is_enabled_for(level):
            return
        self._log.log(
            level,
            "http.answered",
            dialect=answered.dialect,
            method=answered.method,
            route=answered.route,
            status=answered.status,
            ms=round(answered.seconds * 1000, 1),
            key_id=state.get("key_id") or state.get("key_claimed"),
            **({} if answered.refusal is None else {"refusal": answered.refusal}),
        )

    def _level(self, answered: Answered) -> int:
        """Return how urgent an answer is; health is asked all the time, and may be bad at first."""
        is_health = answered.dialect == HEALTH
        if answered.status >= 500:
            return logging.INFO if is_health else logging.WARNING
        is_routine = answered.status < 400 and (is_health or self._means.access_log == "errors")
        return logging.DEBUG if is_routine else logging.INFO


def _answered(scope: Scope, state: Mapping[str, Any], status: int, seconds: float) -> Answered:
    method = scope["method"]
    return Answered(
        dialect=state.get("dialect", HEALTH),
        method=method if method in _METHODS else "other",
        route=getattr(scope.get("route"), "path", ""),
        status=status,
        seconds=seconds,
        refusal=state.get("refusal"),
    )
