"""Errors as Sendrealm says them: `{status, error: {code, message, details}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse

from handlers.http.fault import Fault, Kind
from handlers.http.sendrealm.envelopes import CODES, ErrorEnvelope, refused

#: The status of each kind of fault.
STATUS: Mapping[Kind, int] = {
    "key_missing": 401,
    "key_invalid": 401,
    "key_restricted": 403,
    "rate_limited": 429,
    "body_too_large": 413,
    "body_too_slow": 408,
    "body_unreadable": 400,
    "field_missing": 422,
    "field_invalid": 422,
    "id_invalid": 422,
    "not_possible": 422,
    "idempotency_key_invalid": 422,
    "idempotency_mismatch": 409,
    "idempotency_in_progress": 409,
    "not_found": 404,
    "route_unknown": 404,
    "method_unknown": 405,
    "conflict": 409,
    "unavailable": 503,
    "broken": 500,
}

#: For the documentation of routes: what each may answer besides.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorEnvelope, "description": CODES[status]}
    for status in sorted(set(STATUS.values()) - {405})
}


def render(fault: Fault) -> JSONResponse:
    """Return the answer that says a fault; what is wrong with which field are its details."""
    details: dict[str, object] = {} if fault.field is None else {"field": fault.field}
    if fault.reasons:
        details["fields"] = fault.reasons
    status = STATUS[fault.kind]
    return JSONResponse(
        refused(status, fault.message, details or None), status, dict(fault.headers)
    )
