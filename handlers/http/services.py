"""What routes are given to work with; `stream` wires it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from msgspec import Struct

from handlers.http.bucket import Allowance
from handlers.http.gatekeeper import Gatekeeper, require, require_allowance
from state.api_key import ApiKey, Scope, parse_token
from state.postgres.session import Session
from state.reading import StoredRun


class Services(Struct, frozen=True):
    """The world as routes see it.

    `reading()` lends a session that only reads, `writing()` one for a change of definitions, which
    is committed at its end. `publish` puts an event, given as the plain form's document, on Kafka,
    and returns its id once all replicas have it; `event_key` tells by which key (rule E1) an event
    is stored that was published under an id. `schema_of` tells what an event's payload must be
    like. `cancel_runs_of` ends the live runs of a deleted automation in the name of who deleted it,
    `cancel_run` one run of a contact's, if it is still live; `retry_run` returns the new run's id.
    `explain` tells what an event did. `change_contact` puts contact events about one person on
    Kafka, in order, and returns once a worker has applied them. `record_of` tells of a stored run
    what every dialect renders. `troubles` says what is away.
    """

    reading: Callable[[], AbstractAsyncContextManager[Session]]
    writing: Callable[[], AbstractAsyncContextManager[Session]]
    publish: Callable[[Mapping[str, object]], Awaitable[str]]
    cancel_runs_of: Callable[[UUID, str], Awaitable[int]]
    cancel_run: Callable[[int, UUID, str], Awaitable[bool]]
    retry_run: Callable[[UUID, str], Awaitable[UUID]]
    explain: Callable[[str], Awaitable[Mapping[str, object]]]
    gatekeeper: Gatekeeper
    troubles: Callable[[], Awaitable[Mapping[str, str]]]
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]
    event_key: Callable[[str], UUID]
    change_contact: Callable[[Sequence[Mapping[str, object]]], Awaitable[None]]
    schema_of: Callable[[str], Awaitable[Mapping[str, str] | None]]
    record_of: Callable[[StoredRun], dict[str, object]]


async def services_of(request: Request) -> Services:
    """Return what the application was given."""
    services = request.app.state.services
    assert isinstance(services, Services), "build() sets it"
    return services


#: The parameter by which a route asks for the services.
Given = Annotated[Services, Depends(services_of)]


async def actor_of(request: Request) -> str:
    """Return in whose name a request changes things, for the audit: its key's (rule O4)."""
    return f"api key {request.state.key_id}"


#: The parameter by which a route asks for that; its key was proved before.
Actor = Annotated[str, Depends(actor_of)]


async def admit(request: Request, sent: str | None, scope: Scope) -> ApiKey:
    """Let a request in that carries a good key with this scope and an allowance.

    Raises:
        Fault: it does not.
    """
    gatekeeper = (await services_of(request)).gatekeeper
    token = None if sent is None else parse_token(sent)
    request.state.key_claimed = None if token is None else token.key_id  # for logs, not proved yet
    key = await gatekeeper.prove(sent)
    allowance = gatekeeper.allowance(key)
    request.state.key_id = key.key_id
    request.state.allowance = allowance
    require_allowance(allowance)
    require(key, scope)
    return key


def allowance_of(state: Mapping[str, object]) -> Allowance | None:
    """Return what `admit` found of a request, None where it never came so far."""
    found = state.get("allowance")
    return found if isinstance(found, Allowance) else None
