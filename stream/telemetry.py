"""What the service says of itself: structured logs without persons in them, and counters."""

from __future__ import annotations

import logging
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, TextIO
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

#: Keys whose values are personal, a producer's own, or secret: masked wherever they stand.
MASKED_KEYS = frozenset({
    "email", "phone", "external_id", "anonymous_id", "identifier", "identifiers",
    "resolved_identity_value", "value", "values", "first_name", "last_name", "properties",
    "payload", "payload_text", "headers", "raw", "key", "to", "reply_to", "subject", "title",
    "text", "html", "password",
})  # fmt: skip
MASK = "***"

#: What may hold a person or a secret inside a text, an exception's above all, and what stays of it;
#: before it what such a text must hold: most hold none of these, and are told apart much sooner.
_SCRUBBED = (
    ("://", re.compile(r"(://[^\s:/@]*:)[^\s/]*@"), rf"\1{MASK}@"),
    ("DETAIL:", re.compile(r"^DETAIL:.*$", re.MULTILINE), f"DETAIL: {MASK}"),
    ("CONTEXT:", re.compile(r"^CONTEXT:.*$", re.MULTILINE), f"CONTEXT: {MASK}"),
    ("invalid input ", re.compile(r"(invalid input [^:\n]*:).*"), rf"\1 {MASK}"),
    ("@", re.compile(r"[^\s@\"'<>(),;:=/]+@[^\s@\"'<>(),;:=/]+"), MASK),
    ("+", re.compile(r"\+[0-9][0-9 ().\-]{5,18}[0-9]"), MASK),
)


#: A fresh broker makes its offsets topic, and a broker that is away is `kafka.unreachable`.
_TOLD_BY_US = ("GroupCoordinatorNotAvailableError", "Unable connect to", "Marking the coordinator")


class Counters:
    """How often things happened since the process started, by name and labels."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()

    def count(self, name: str, n: int = 1, **labels: str) -> None:
        """Add `n` to a counter, which its first use makes."""
        self._counts[name, tuple(sorted(labels.items()))] += n

    def value(self, name: str, **labels: str) -> int:
        """Return one counter, 0 if it has never counted."""
        return self._counts[name, tuple(sorted(labels.items()))]

    def samples(self) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], int]:
        """Return all counters as they are, by name and sorted labels; other threads may ask."""
        return dict(self._counts)

    def snapshot(self) -> dict[str, int]:
        """Return all counters, as `name` or `name{label=value,...}`, sorted."""
        return dict(sorted((_counter(*key), number) for key, number in self._counts.items()))


def configure_logs(
    log_format: Literal["json", "console", "auto"], level: str, out: TextIO = sys.stderr
) -> None:
    """Send all logs, the libraries' too, to `out` in one form; standard output is for answers."""
    as_json = log_format == "json" or (log_format == "auto" and not out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_persons,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(out)
    handler.addFilter(_is_news)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(as_json, out),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Its INFO tells of every join; below that it logs the records that it sends, key and value.
    quiet = logging.INFO if level == "DEBUG" else logging.WARNING
    logging.getLogger("aiokafka").setLevel(max(root.level, quiet))


def _is_news(record: logging.LogRecord) -> bool:
    """Hide what aiokafka says many times over and our own lines say once, with a remedy."""
    is_theirs = record.name.startswith("aiokafka")
    return not (is_theirs and any(known in record.getMessage() for known in _TOLD_BY_US))


def mask_persons(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Take payloads, identifiers and secrets out of a line, whatever it was given."""
    return {
        name: said if name.startswith("_") else _masked(name, said) for name, said in line.items()
    }


def _masked(name: str, said: object) -> object:
    if name in MASKED_KEYS and said is not None:
        return MASK
    return _plain(said)


def _plain(said: object) -> object:
    """Return what may be printed of a value; of an object that is not known, its type alone."""
    match said:
        case str():
            return scrub(said)
        case None | bool() | int() | float():
            return said
        case datetime():
            return said.isoformat()
        case UUID():
            return str(said)
        case BaseException():
            return scrub(f"{type(said).__name__}: {said}")
        case Mapping():
            return {str(name): _masked(str(name), part) for name, part in said.items()}
        case tuple() if hasattr(said, "_asdict"):
            return _plain(said._asdict())
        case list() | tuple() | set() | frozenset():
            return [_plain(part) for part in said]
        case _:
            return f"<{type(said).__name__}>"


def scrub(text: str) -> str:
    """Return a text without addresses, numbers, passwords and the values that Postgres quotes."""
    for mark, pattern, rest in _SCRUBBED:
        if mark in text:
            text = pattern.sub(rest, text)
    return text


def _renderer(as_json: bool, out: TextIO) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _counter(name: str, labels: Iterable[tuple[str, str]]) -> str:
    inner = ",".join(f"{label}={said}" for label, said in labels)
    return f"{name}{{{inner}}}" if inner else name
