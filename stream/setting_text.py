"""Settings as `waitline config` shows them: spans in words, no password."""

from __future__ import annotations

import re
from datetime import timedelta

from pydantic import SecretStr

MASK = "***"

#: In a URL: user:PASSWORD@host, and the ?password=PASSWORD that libpq's form allows.
_PASSWORDS = re.compile(r"(://[^:/@?]*:).*(?=@)|([?&][a-z]*password=)[^&]*")
_UNITS = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}


def setting_text(value: object) -> str:
    """Return a setting's value for people to read; passwords are masked."""
    match value:
        case None:
            return ""
        case SecretStr():
            return MASK
        case timedelta():
            return span_text(value)
        case tuple():
            return ",".join(map(str, value))
        case _:
            return _PASSWORDS.sub(rf"\1\2{MASK}", str(value))


def span_text(span: timedelta) -> str:
    """Return a span in the largest unit that it is a whole number of, else in seconds."""
    for unit, length in _UNITS.items():
        count, rest = divmod(span, length)
        if count and not rest:
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{span.total_seconds():g}"
