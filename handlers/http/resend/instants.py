"""Instants as Resend writes them: Postgres' text in UTC, with six digits of a second."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from state.moment import moment_text

#: Keys of the run record that hold instants, besides those that end in `_at`.
_INSTANTS = frozenset({"deadline", "floor"})


def instant(at: datetime | str) -> str:
    """Return an instant, or one that the run record holds, as `2026-10-01 12:00:00.000000+00`."""
    text = at if isinstance(at, str) else moment_text(at)
    return f"{text[:10]} {text[11:26]}+00"


def optional_instant(at: datetime | str | None) -> str | None:
    """Return an instant as `instant` does, and none as None."""
    return None if at is None else instant(at)


def with_instants(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of the run record with all its instants as Resend writes them."""
    return {name: _rewritten(name, value) for name, value in part.items()}


def _rewritten(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return with_instants(value)
    if isinstance(value, str) and (name.endswith("_at") or name in _INSTANTS):
        return instant(value)
    return value
