"""Errors as Resend says them: `{statusCode, message, name}`, in that order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from handlers.http.fault import Fault, Kind

#: Status and name of each kind; where sources disagree, what Python's client maps to a class.
SAID: Mapping[Kind, tuple[int, str]] = {
    "key_missing": (401, "missing_api_key"),
    "key_invalid": (403, "invalid_api_key"),
    "key_restricted": (401, "restricted_api_key"),
    "rate_limited": (429, "rate_limit_exceeded"),
    "body_too_large": (413, "validation_error"),
    "body_too_slow": (408, "validation_error"),
    "body_unreadable": (400, "validation_error"),
    "field_missing": (422, "missing_required_field"),
    "field_invalid": (422, "validation_error"),
    "id_invalid": (422, "invalid_parameter"),
    "not_possible": (422, "validation_error"),
    "idempotency_key_invalid": (400, "invalid_idempotency_key"),
    "idempotency_mismatch": (409, "invalid_idempotent_request"),
    "idempotency_in_progress": (409, "concurrent_idempotent_requests"),
    "not_found": (404, "not_found"),
    "route_unknown": (404, "not_found"),
    "method_unknown": (405, "method_not_allowed"),
    "conflict": (409, "validation_error"),
    "unavailable": (503, "service_unavailable"),
    "broken": (500, "application_error"),
}


class ErrorBody(BaseModel):
    """What went wrong, and the name that clients tell errors by."""

    statusCode: int  # noqa: N815 - Resend's own spelling
    message: str
    name: str


#: For the documentation of routes: what each may answer besides.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": ", ".join(names)}
    for status in sorted({status for status, _ in SAID.values()} - {405})
    if (names := sorted({name for at, name in SAID.values() if at == status}))
}


def render(fault: Fault) -> JSONResponse:
    """Return the answer that says a fault."""
    status, name = SAID[fault.kind]
    body = {"statusCode": status, "message": fault.message, "name": name}
    return JSONResponse(body, status, dict(fault.headers))
