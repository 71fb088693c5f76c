"""Records as a Kafka client hands them over, made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple


class Record(NamedTuple):
    topic: str = "waitline.events"
    partition: int = 0
    offset: int = 7
    timestamp: int = 1_795_341_600_000
    key: bytes | None = None
    value: bytes | None = b"{}"
    headers: Sequence[tuple[str, bytes | None]] = ()


def event_record(document: object, **place: object) -> Record:
    """Return a record whose value is the document as JSON."""
    return Record(value=json.dumps(document).encode())._replace(**place)
