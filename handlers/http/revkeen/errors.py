"""Errors as RevKeen says them: `{error: {type, code, message, param?, details?}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse

from handlers.http.fault import Fault, Kind
from handlers.http.revkeen.envelopes import (
    KINDS,
    VERSION,
    VERSION_HEADER,
    ErrorEnvelope,
    refused,
)

#: The status of each kind of fault, and its code where the status alone does not say it.
SAID: Mapping[Kind, tuple[int, str | None]] = {
    "key_missing": (401, "authentication_failed"),
    "key_invalid": (401, None),
    "key_restricted": (403, None),
    "rate_limited": (429, None),
    "body_too_large": (413, None),
    "body_too_slow": (408, None),
    "body_unreadable": (400, None),
    "field_missing": (400, None),
    "field_invalid": (400, None),
    "id_invalid": (400, None),
    "not_possible": (422, None),
    "idempotency_key_invalid": (400, None),
    "idempotency_mismatch": (409, "idempotency_conflict"),
    "idempotency_in_progress": (409, "idempotency_in_progress"),
    "not_found": (404, None),
    "route_unknown": (404, None),
    "method_unknown": (405, None),
    "conflict": (409, None),
    "unavailable": (503, None),
    "broken": (500, None),
}

#: For the documentation of routes: what each may answer besides.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorEnvelope, "description": KINDS[status].code}
    for status in sorted({status for status, _ in SAID.values()} - {405})
}

_CHALLENGE = {"www-authenticate": 'Bearer realm="revkeen-api"'}


def render(fault: Fault) -> JSONResponse:
    """Return the answer that says a fault."""
    status, code = SAID[fault.kind]
    more: dict[str, object] = {}
    if fault.reasons:
        fields = {name: list(reasons) for name, reasons in fault.reasons.items()}
        more = {"param": fault.field or next(iter(fields)), "details": {"fields": fields}}
    if status == 429 and "retry-after" in fault.headers:
        more["details"] = {"retry_after": int(fault.headers["retry-after"])}
    headers = {VERSION_HEADER: VERSION, **(_CHALLENGE if status == 401 else {}), **fault.headers}
    return JSONResponse(refused(status, fault.message, code, **more), status, headers)
