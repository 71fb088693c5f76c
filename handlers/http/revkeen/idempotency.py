"""`Idempotency-Key`: the same key on the same path asks for the same run, as it is the same event.

What was asked for is remembered as long as events are. A key says nothing on routes that only read.
"""

from __future__ import annotations

import hashlib

from handlers.http.fault import Fault

HEADER, REPLAYED_HEADER = "Idempotency-Key", "Idempotency-Replayed"

KEY_MAX = 255


def event_id_of(idempotency_key: str, key_id: str, path: str) -> str:
    """Return the id of the event that a request causes: by its key, who sends it, and to where.

    Raises:
        Fault: the key has not 1 to 255 characters.
    """
    if not 1 <= len(idempotency_key) <= KEY_MAX:
        told = f"The {HEADER} must have 1 to {KEY_MAX} characters"
        raise Fault("idempotency_key_invalid", told)
    said = "\n".join((key_id, path, idempotency_key))
    return f"revkeen:{hashlib.sha256(said.encode()).hexdigest()}"
