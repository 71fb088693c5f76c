"""A record that is strange or worse, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

#: What becomes of a record that is not set aside.
TOMBSTONE = "tombstone"
FINE = "fine"

#: Set aside by the engine, not by the decoder: it takes the tables to know.
LATER = frozenset({"no_usable_identifier"})

Headers = Sequence[tuple[str, bytes | None]]

STRUCTURED: Headers = [("content-type", b"application/cloudevents+json")]
ANN = "ann@example.com"
STRANGER = str(UUID(int=0x77616974_6C69_8000_8000_00FFFFFFFFFF))


class Shape(NamedTuple):
    """One record, what becomes of it, and what the detail of its rejection says."""

    name: str
    value: bytes | None
    reason: str
    said: str = ""
    headers: Headers = ()
    key: bytes | None = None


def plain(event: str, more: str = '"x":1') -> bytes:
    """Return an event of Ann's with more fields, as they would be written."""
    return f'{{"event":"{event}","email":"{ANN}",{more}}}'.encode()


def said(document: object) -> bytes:
    return json.dumps(document).encode()


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth
