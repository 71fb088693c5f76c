"""What a dialect's OpenAPI document tells beyond its routes: headers, and no status that is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI

from handlers.http.bucket import Allowance

#: The answers that say when to come again, in every dialect, and how they do.
_RETRIED = frozenset({"429", "503"})
_RETRY_AFTER: Mapping[str, Any] = {
    "Retry-After": {
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "description": "In how many seconds to try again.",
    }
}

#: What it says of the answer that FastAPI documents by itself, and that no dialect gives.
_NOT_OURS = "HTTPValidationError"


def document_headers(app: FastAPI, headers: Callable[[Allowance], Mapping[str, str]]) -> None:
    """Let the document tell the headers: when to try again, and of successes a key's allowance.

    It is written when it is first asked for, and the same from then on.
    """
    plain = app.openapi
    shown = {
        name: {"required": True, "schema": {"type": "string"}, "description": f"Such as `{value}`."}
        for name, value in headers(Allowance(10, 1, 9, 1, 0, is_granted=True)).items()
    }

    def openapi() -> dict[str, Any]:
        document = plain()
        for operations in document["paths"].values():
            for operation in operations.values():
                _complete(operation["responses"], shown)
        for name in (_NOT_OURS, "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI tells to extend it


def _complete(responses: dict[str, Any], shown: Mapping[str, Any]) -> None:
    """Complete the answers of one operation; to do so again changes nothing."""
    if _NOT_OURS in str(responses.get("422")):
        del responses["422"]
    for status, answer in responses.items():
        told = _RETRY_AFTER if status in _RETRIED else shown if status.startswith("2") else {}
        if told:
            answer["headers"] = {**answer.get("headers", {}), **told}
