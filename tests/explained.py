"""Plans of Postgres, as EXPLAIN (FORMAT JSON) tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def nodes(top: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's node and all nodes below it."""
    yield top
    for child in top.get("Plans", ()):
        yield from nodes(child)
