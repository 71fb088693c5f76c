"""Turns what frameworks and the store raise into faults, which dialects know how to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from handlers.http.fault import Fault, unavailable
from state.postgres.keyset import UnknownCursor
from state.postgres.reading import NotMigrated
from state.postgres.refusals import NameTaken, NotFound
from state.problem import ProblemsError
from state.turn import Moved, Refused, Unavailable

#: What `fault_of` knows; anything else is a mistake of ours.
KNOWN: tuple[type[Exception], ...] = (
    Fault,
    RequestValidationError,
    HTTPException,
    NotFound,
    NameTaken,
    ProblemsError,
    UnknownCursor,
    Refused,
    Unavailable,
    Moved,
    NotMigrated,
)

#: Where pydantic says that a field was found: in what part of the request.
_PARTS = frozenset({"body", "query", "path", "header"})


def fault_of(error: Exception) -> Fault:
    """Return the fault that an exception means."""
    match error:
        case Fault():
            return error
        case RequestValidationError():
            return _misfit(error.errors())
        case HTTPException(status_code=404):
            return Fault("route_unknown", "The requested endpoint does not exist")
        case HTTPException(status_code=405):
            return Fault("method_unknown", "The method is not allowed for this endpoint")
        case HTTPException():
            return Fault("body_unreadable", str(error.detail))
        case NotFound(what=what):
            return Fault("not_found", f"{what.capitalize()} not found")
        case NameTaken(field=field):
            return Fault("conflict", str(error), field=field)
        case ProblemsError():
            return Fault("field_invalid", str(error))
        case UnknownCursor():
            return Fault("field_invalid", str(error), field=error.field)
        case Refused():
            return Fault("field_invalid", "The request holds text or a number that cannot be kept")
        case Unavailable() | Moved() | NotMigrated():
            return unavailable("The database cannot answer now: try again")
        case _:
            return Fault("broken", "Something went wrong on our side")


def _misfit(problems: Sequence[Mapping[str, Any]]) -> Fault:
    """Return the fault of the first problem: one at a time is what clients can show."""
    problem = problems[0]
    part, *path = problem["loc"]
    field = ".".join(str(step) for step in path if step not in _PARTS)
    if problem["type"] == "missing" and not path:
        return Fault("field_missing", "The request has no body: send a JSON object")
    if problem["type"] == "missing":
        return Fault("field_missing", f"Missing `{field}` field.", field=field)
    if part == "path":
        return Fault("id_invalid", f"The `{field}` must be a valid UUID.", field=field)
    if problem["type"] == "value_error":  # a sentence of our own
        said = str(problem["msg"]).removeprefix("Value error, ")
        return Fault("field_invalid", said, field=field or None)
    said = problem["msg"]
    told = f"`{field}`: {said}" if field else f"The body: {said}"
    return Fault("field_invalid", told, field=field or None)
