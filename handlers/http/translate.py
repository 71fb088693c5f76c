"""Turns what frameworks and the store raise into faults, which dialects know how to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from handlers.http.fault import Fault, unavailable
from state.postgres.audience_changes import StillUsed, UnknownAudience
from state.postgres.keyed_requests import AskedOtherwise, StillAnswered
from state.postgres.keyset import UnknownCursor
from state.postgres.reading import NotMigrated
from state.postgres.refusals import NameTaken, NotFound
from state.problem import Problem, ProblemsError
from state.turn import Moved, Refused, Unavailable, Unknown

#: Where pydantic says that a field was found: in what part of the request.
_PARTS = frozenset({"body", "query", "path", "header"})

#: What pydantic calls a problem whose sentence is our own.
_OWN = "value_error"


def _misfit(error: RequestValidationError) -> Fault:
    """Return the fault of the first problem, which most clients show, with the others beside it."""
    first, *_ = found = error.errors()
    problems = [Problem(_field(one), _sentence(one)) for one in found]
    part, *path = first["loc"]
    field = _field(first)
    if first["type"] == "missing" and not path:
        return Fault("field_missing", "The request has no body: send a JSON object")
    if first["type"] == "missing":
        told = f"Missing `{field}` field."
        return Fault("field_missing", told, field=field, problems=problems)
    if part == "path":
        told = f"The `{field}` must be a valid UUID."
        return Fault("id_invalid", told, field=field, problems=problems)
    said = _sentence(first)
    if first["type"] != _OWN:
        said = f"`{field}`: {said}" if field else f"The body: {said}"
    return Fault("field_invalid", said, field=field or None, problems=problems)


def _field(problem: Mapping[str, Any]) -> str:
    _, *path = problem["loc"]
    return ".".join(str(step) for step in path if step not in _PARTS)


def _sentence(problem: Mapping[str, Any]) -> str:
    said = str(problem["msg"])
    return said.removeprefix("Value error, ") if problem["type"] == _OWN else said


def _refused_by_framework(error: HTTPException) -> Fault:
    match error.status_code:
        case 404:
            return Fault("route_unknown", "The requested endpoint does not exist")
        case 405:
            return Fault("method_unknown", "The method is not allowed for this endpoint")
        case _:
            return Fault("body_unreadable", str(error.detail))


def _not_kept(_: Refused) -> Fault:
    return Fault("field_invalid", "The request holds text or a number that cannot be kept")


def _away(_: Exception) -> Fault:
    return unavailable("The database cannot answer now: try again")


def _lost(_: Unknown) -> Fault:
    return unavailable("The database was lost while it wrote: look whether it was done, try again")


def _still_used(error: StillUsed) -> Fault:
    named = ", ".join(f'"{name}"' for name in error.automations)
    return Fault("conflict", f"Steps of automations name it: {named}. Change or delete those first")


#: What each exception means. Whoever lets routes meet another one adds it here.
MEANINGS: Mapping[type[Exception], Callable[[Any], Fault]] = {
    Fault: lambda fault: fault,
    RequestValidationError: _misfit,
    HTTPException: _refused_by_framework,
    NotFound: lambda error: Fault("not_found", f"{error.what.capitalize()} not found"),
    NameTaken: lambda error: Fault("conflict", str(error), field=error.field),
    UnknownAudience: lambda error: Fault("not_found", str(error)),
    StillUsed: _still_used,
    UnknownCursor: lambda error: Fault("field_invalid", str(error), field=error.field),
    ProblemsError: lambda error: Fault("field_invalid", str(error), problems=error.problems),
    AskedOtherwise: lambda _: Fault(
        "idempotency_mismatch", "The idempotency key was used before, with another body"
    ),
    StillAnswered: lambda _: Fault(
        "idempotency_in_progress", "The first request with this idempotency key is under way"
    ),
    Refused: _not_kept,
    Unavailable: _away,
    Moved: _away,
    Unknown: _lost,
    NotMigrated: _away,
}


def fault_of(error: Exception) -> Fault:
    """Return the fault that an exception means; one that is not known is a mistake of ours."""
    for known, meaning in MEANINGS.items():
        if isinstance(error, known):
            return meaning(error)
    return Fault("broken", "Something went wrong on our side")
