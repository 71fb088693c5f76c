"""What the service says of itself, and what it never says."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
import structlog

from state.event import Identifier
from stream.telemetry import MASKED_KEYS, Counters, configure_logs
from tests.records import Record

CANARY = "PII_CANARY"
ADDRESS = "canary@example.com"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was."""
    root, library = logging.getLogger(), logging.getLogger("aiokafka")
    before = root.handlers[:], root.level, library.level
    yield
    root.handlers[:], root.level, library.level = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_says_what_when_and_where(out: io.StringIO) -> None:
    configure_logs("json", "INFO", out)
    structlog.contextvars.bind_contextvars(worker=3)
    structlog.get_logger("waitline.consumer").info(
        "batch", events=2, at=datetime(2026, 11, 22, tzinfo=UTC), run_id=UUID(int=1)
    )
    [line] = lines(out)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "batch",
        "level": "info",
        "logger": "waitline.consumer",
        "worker": 3,
        "events": 2,
        "at": "2026-11-22T00:00:00+00:00",
        "run_id": "00000000-0000-0000-0000-000000000001",
    }


def test_lines_below_the_level_are_not_written(out: io.StringIO) -> None:
    configure_logs("json", "WARNING", out)
    structlog.get_logger("waitline").info("batch")
    logging.getLogger("library").info("hello")
    assert out.getvalue() == ""


def test_auto_is_console_on_a_terminal_and_json_elsewhere(out: io.StringIO) -> None:
    terminal = Terminal()
    for stream in (terminal, out):
        configure_logs("auto", "INFO", stream)
        structlog.get_logger("waitline").info("batch", events=2)
    assert "batch" in terminal.getvalue()
    with pytest.raises(json.JSONDecodeError):
        lines(terminal)
    assert lines(out)[0]["events"] == 2


@pytest.mark.parametrize("key", sorted(MASKED_KEYS))
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_personal_keys_are_masked_at_any_depth(out: io.StringIO, key: str, log_format) -> None:
    """Never a payload or an identifier in clear."""
    configure_logs(log_format, "INFO", out)
    log = structlog.get_logger("waitline")
    log.info("one", **{key: CANARY})
    log.info("two", found=[{"deep": {key: {"a": CANARY}}}])
    structlog.contextvars.bind_contextvars(**{key: CANARY})
    log.info("three")
    logging.getLogger("library").warning("four", extra={key: CANARY})
    assert out.getvalue().count("***") >= 4
    assert CANARY not in out.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_addresses_numbers_and_passwords_are_masked_inside_texts(
    out: io.StringIO, log_format
) -> None:
    """Never an identifier in clear, where somebody put it into a sentence either."""
    configure_logs(log_format, "INFO", out)
    log = structlog.get_logger("waitline")
    log.info(f"sent to {ADDRESS}")
    log.info("sent", note=f"<{ADDRESS}>, +33 6 12 34 56 78, +33612345678")
    log.info("connected", url="postgresql://user:hunter2@host/db")
    logging.getLogger("library").warning("bad recipient %s", ADDRESS)
    for personal in (ADDRESS, "hunter2", "12 34", "33612345"):
        assert personal not in out.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_exceptions_do_not_tell_what_postgres_quotes(out: io.StringIO, log_format) -> None:
    """Never an identifier in clear: a unique violation names the value in its detail."""
    configure_logs(log_format, "INFO", out)
    log = structlog.get_logger("waitline")
    for text in (
        f"duplicate key value\nDETAIL:  Key (kind, value)=(external_id, {CANARY}) exists.",
        f"invalid input for query argument $1: '{CANARY}' (expected int)",
        f'invalid input syntax for type uuid: "{CANARY}"',
        f"550 no such user {ADDRESS}",
    ):
        try:
            raise ValueError(text)
        except ValueError as error:
            log.exception("failed")
            log.warning("failed", error=error)
    assert "ValueError" in out.getvalue()
    assert CANARY not in out.getvalue()
    assert ADDRESS not in out.getvalue()


def test_objects_are_named_not_printed(out: io.StringIO) -> None:
    """Never a payload in clear: a whole record or event may be handed to a logger by mistake."""
    configure_logs("json", "INFO", out)
    structlog.get_logger("waitline").info(
        "seen",
        identifier_like=Identifier("external_id", CANARY),
        record=Record(key=CANARY.encode(), value=CANARY.encode()),
        thing=io.StringIO(CANARY),
        bytes=CANARY.encode(),
    )
    [line] = lines(out)
    assert line["thing"] == "<StringIO>"
    assert CANARY not in out.getvalue()


def test_what_a_fresh_broker_is_called_is_no_error_of_ours(out: io.StringIO) -> None:
    configure_logs("json", "INFO", out)
    log = logging.getLogger("aiokafka.consumer.group_coordinator")
    log.error(
        "Group Coordinator Request failed: %s", "[Error 15] GroupCoordinatorNotAvailableError"
    )
    log.error("Unable connect to %s", "127.0.0.1:1")
    log.info("(Re-)joining group")
    assert out.getvalue() == ""
    log.error("Heartbeat failed")
    assert lines(out)[0]["event"] == "Heartbeat failed"


def test_aiokafka_does_not_log_the_records_that_it_sends(out: io.StringIO) -> None:
    """Never a payload in clear: at DEBUG, the library logs each key and value."""
    configure_logs("json", "DEBUG", out)
    logging.getLogger("aiokafka.producer.producer").debug("Sending (value=%s)", CANARY)
    structlog.get_logger("waitline").debug("ours")
    assert [line["event"] for line in lines(out)] == ["ours"]


def test_counters_count_by_name_and_labels() -> None:
    counters = Counters()
    counters.count("events")
    counters.count("events", 2)
    counters.count("rejected", reason="not_json", topic="t")
    counters.count("rejected", topic="t", reason="not_json")
    assert counters.value("events") == 3
    assert counters.value("rejected", reason="not_json", topic="t") == 2
    assert counters.value("never") == 0
    assert counters.snapshot() == {"events": 3, "rejected{reason=not_json,topic=t}": 2}
