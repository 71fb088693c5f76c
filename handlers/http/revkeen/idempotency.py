"""`Idempotency-Key`: what was answered once is answered again, for a day from the key's first use.

A key counts for one API key, method and path; on routes that only read it says nothing. Refusals
are kept as well, but not what went wrong on our side: then nothing was done, or what was done is
named by the occasion, so that the next attempt does the same and not another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from typing_extensions import override

from handlers.http.fault import Fault
from handlers.http.revkeen.errors import render
from handlers.http.services import Given, services_of
from handlers.http.translate import fault_of
from state.postgres.keyed_requests import Answer, Claim, claim_request, give_up, keep_answer
from state.postgres.session import Session

HEADER, REPLAYED_HEADER = "Idempotency-Key", "Idempotency-Replayed"

KEY_MAX = 255


class _Answered(Exception):
    """The request was answered before."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


async def _claim(
    request: Request,
    given: Given,
    key: Annotated[
        str | None, Header(alias=HEADER, description="The same key asks for the same, for a day.")
    ] = None,
) -> Claim | None:
    if key is None:
        return None
    scope, body = _scope(request, key), _meaning(await request.body())
    async with given.writing() as session:
        claim = await claim_request(session, scope, body, given.new_id())
    if isinstance(claim, Answer):
        raise _Answered(claim)
    request.state.claim = claim
    return claim


#: The dependency of a route that heeds keys; it stands behind the one that asks for an API key.
ONCE = Depends(_claim)

#: The parameter by which such a route asks for what the request was taken by; None without a key.
Claimed = Annotated[Claim | None, ONCE]


class OnceRoute(APIRoute):
    """A route whose answers to requests with a key are kept, whether they are successes or not."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route, which answers again what was answered before."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await _kept(request, await handler(request))
            except _Answered as known:
                return _again(known.answer)
            except Exception as error:
                claim = _held(request)
                fault = fault_of(error)
                if claim is None:
                    raise
                refusal = render(fault)
                if refusal.status_code < 500:
                    return await _kept(request, refusal)
                async with (await services_of(request)).writing() as session:
                    await give_up(session, claim)
                raise

        return answer


async def keep_with(session: Session, request: Request, response: Response) -> None:
    """Keep an answer in the transaction that does what is answered: both, or neither."""
    claim = _held(request)
    if claim is not None:
        await keep_answer(session, claim, _answer(response))


async def _kept(request: Request, response: Response) -> Response:
    claim = _held(request)
    if claim is not None:
        async with (await services_of(request)).writing() as session:
            await keep_answer(session, claim, _answer(response))
    return response


def _held(request: Request) -> Claim | None:
    claim: Claim | None = getattr(request.state, "claim", None)
    return claim


def _scope(request: Request, key: str) -> bytes:
    """Return what a key counts for.

    Raises:
        Fault: the key has not 1 to 255 characters.
    """
    if not 1 <= len(key) <= KEY_MAX:
        told = f"The {HEADER} must have 1 to {KEY_MAX} characters"
        raise Fault("idempotency_key_invalid", told)
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    said = ("revkeen", request.state.key_id, request.method, path, key)
    return hashlib.sha256(json.dumps(said).encode()).digest()


def _meaning(body: bytes) -> bytes:
    """Return the same for bodies that say the same, however they are written."""
    said = json.dumps(json.loads(body), sort_keys=True) if body else ""
    return hashlib.sha256(said.encode()).digest()


def _answer(response: Response) -> Answer:
    return Answer(response.status_code, dict(response.headers), bytes(response.body))


def _again(answer: Answer) -> Response:
    return Response(answer.body, answer.status, {**answer.headers, REPLAYED_HEADER: "true"})
