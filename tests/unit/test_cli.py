"""The commands as far as they need no servers: help, wrong use, exit codes, answers."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from stream import access, terminal
from stream.announcement import BadEvent, check, fresh_id, read_lines
from stream.cli import app, invoke
from stream.clock import SystemClock
from stream.config import Settings
from stream.inquiry import parse_place
from stream.wire_form import Way, WireForm
from tests.kit import NOW

ROOT = Path(__file__).parents[2]


def _leaves(command: Any, path: list[str]) -> Iterator[list[str]]:
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield path
    for name, one in (subcommands or {}).items():
        yield from _leaves(one, [*path, name])


COMMANDS = list(_leaves(typer.main.get_command(app), []))

READING = [
    ["automations", "list"], ["automations", "show", "A"], ["runs", "list"],
    ["runs", "show", "0b3c8f9e-63a5-5c57-8d0f-2f6a54b1d7aa"], ["events", "names"], ["waits"],
    ["contacts", "show", "email:ann@x.io"], ["dead-letters", "list"],
    ["dead-letters", "show", "waitline.events/0/1"], ["explain", "evt"], ["audit"],
]  # fmt: skip


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def waitline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command in this process, with servers that are not there."""
    for variable in [name for name in os.environ if name.startswith("WAITLINE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("DATABASE_URL", "postgresql://waitline:secret@127.0.0.1:1/nowhere")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: str) -> Said:
        code = invoke(arguments)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


# --- help -----------------------------------------------------------------------------------------


def test_help_names_every_command_and_the_first_steps(waitline) -> None:
    said = waitline("--help")
    assert said.code == 0
    for command in COMMANDS:
        assert command[0] in said.out
    assert "waitline migrate" in said.out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_teaches_by_an_example(waitline, command: list[str]) -> None:
    said = waitline(*command, "--help")
    assert said.code == 0
    assert "Example: " in said.out
    assert re.search(r"[A-Z][^.]+[.:;,]", said.out)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("serve", ["WAITLINE_HTTP_RATE", "WAITLINE_METRICS_PORT", "WAITLINE_HTTP_PORT"]),
        ("keys", ["DATABASE_URL", "WAITLINE_HTTP_RATE", "WAITLINE_HTTP_BURST"]),
    ],
)
def test_help_about_http_teaches_the_request_and_names_settings(
    waitline, command: str, named: list[str]
) -> None:
    said = " ".join(waitline(command, "--help").out.split())
    settings = {one["variable"] for one in json.loads(waitline("config", "--json").out)}
    assert set(named) <= settings
    assert all(name in said for name in named)
    assert "Example: waitline" in said
    assert "Authorization: Bearer" in said
    assert "waitline keys create" in said


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'asyncpg', 'aiokafka', 'pydantic', 'structlog', 'yaml', 'asyncio'}"
    code = f"import sys, stream.cli; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# --- wrong use ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command"),
        (["runs", "list", "--nonsense"], "No such option"),
        (["runs", "list", "--status", "done"], "one of running, completed, failed, cancelled"),
        (["runs", "list", "--contact", "ann@x.io"], "no KIND:VALUE"),
        (["runs", "list", "--contact", "mail:ann@x.io"], 'did you mean "email"?'),
        (["runs", "list", "--contact", "phone:12"], "E.164"),
        (["runs", "list", "--limit", "0"], "--limit"),
        (["runs", "show", "seven"], "no run id"),
        (["run", "--workers", "0"], "--workers"),
        (["dead-letters", "show", "seven"], "TOPIC/PARTITION/OFFSET"),
        (["publish"], "name the event"),
        (["publish", "order.completed"], "expected at least one of contact_id"),
        (["publish", "order.completed", "--phone", "12"], "phone: expected a phone number"),
        (["publish", "order.completed", "--email", "a@x.io", "--payload", "[1]"], "an object"),
        (["publish", "order.completed", "--email", "a@x.io", "--payload", "{"], "not JSON"),
        (["publish", "x", "--email", "a@x.io", "--payload", "@nowhere.json"], "nowhere.json"),
        (["publish", "x", "--email", "a@x.io", "--occurred-at", "noon"], "RFC 3339"),
        (["publish", "x", "--file", "events.jsonl"], "--file brings whole events"),
        (["automations", "delete", "A"], "add --yes"),
        (["runs", "cancel"], "by their ids, or one automation"),
        (["runs", "cancel", "seven"], "no run id"),
        (["runs", "cancel", "seven", "--automation", "A"], "by their ids, or one automation"),
        (["audit", "--since", "yesterday"], "RFC 3339"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_was_expected(
    waitline, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    found = waitline(*arguments)
    assert found.code == 2
    assert said in found.err
    assert found.out == ""
    assert "Traceback" not in found.err


def test_a_misspelt_setting_is_told_with_the_one_that_was_meant(waitline, monkeypatch) -> None:
    """Others may own names with our prefix: only what is nearly a setting is spoken of."""
    monkeypatch.setenv("WAITLINE_RETENTION_EVENT", "14 days")
    monkeypatch.setenv("WAITLINE_SERVICE_HOST", "10.0.0.1")
    said = waitline("config", "--json")
    assert (said.code, said.err) == (
        0,
        "waitline: WAITLINE_RETENTION_EVENT is no setting and is ignored; "
        "did you mean WAITLINE_RETENTION_EVENTS?\n",
    )
    assert json.loads(said.out)


def test_an_environment_that_cannot_be_used_is_named(waitline, monkeypatch) -> None:
    monkeypatch.setenv("WAITLINE_TIMEOUT_GRACE", "soon")
    found = waitline("config")
    assert found.code == 2
    assert "WAITLINE_TIMEOUT_GRACE" in found.err


# --- servers that are not there -------------------------------------------------------------------


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_postgres_that_cannot_be_reached_is_named_without_the_password(
    waitline, command: list[str]
) -> None:
    found = waitline(*command, "--json")
    assert found.code == 1
    assert "Postgres at 127.0.0.1:1/nowhere cannot be used" in found.err
    assert "secret" not in found.err
    assert found.out == ""
    assert len(found.err.splitlines()) <= 3
    assert "Traceback" not in found.err


@pytest.mark.parametrize(
    "command", [["migrate"], ["run"], ["automations", "stop", "A"]], ids=" ".join
)
def test_commands_that_write_say_the_same(waitline, command: list[str]) -> None:
    found = waitline(*command)
    assert found.code == 1
    assert "Postgres at 127.0.0.1:1/nowhere cannot be used" in found.err
    assert "secret" not in found.err


@pytest.mark.parametrize(
    "command", [["topics", "create"], ["publish", "x", "--email", "ann@x.io"]], ids=" ".join
)
def test_kafka_that_cannot_be_reached_is_named(waitline, command: list[str]) -> None:
    found = waitline(*command)
    assert found.code == 1
    assert "Kafka at 127.0.0.1:1 cannot be used" in found.err
    assert len(found.err.splitlines()) == 2


def test_libraries_are_quiet_only_while_a_command_asks_its_question(waitline) -> None:
    """A worker in this process must still hear them: `run` asks before it works."""
    before = logging.getLogger("aiokafka").level
    waitline("topics", "create")
    assert logging.getLogger("aiokafka").level == before


def test_what_should_not_happen_is_said_in_a_line_and_traced_only_on_demand(
    waitline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug\nwith details")

    monkeypatch.setattr(terminal, "print_json", fail)
    found = waitline("config", "--json")
    assert found.code == 1
    assert "RuntimeError: a bug" in found.err
    assert "Traceback" not in found.err
    monkeypatch.setenv("WAITLINE_LOG_LEVEL", "DEBUG")
    with pytest.raises(RuntimeError):
        waitline("config", "--json")


# --- answers --------------------------------------------------------------------------------------


def test_config_lists_every_setting_with_its_meaning_and_masks_passwords(waitline) -> None:
    found = waitline("config", "--json")
    assert (found.code, found.err) == (0, "")
    settings = {one["variable"]: one for one in json.loads(found.out)}
    assert settings["WAITLINE_TIMEOUT_GRACE"]["value"] == "30 seconds"
    assert settings["WAITLINE_TIMEOUT_GRACE"]["meaning"]
    assert "secret" not in found.out
    assert "secret" not in waitline("config").out


def test_a_pipe_gets_whole_lines_without_colours(waitline) -> None:
    found = waitline("config")
    assert "\x1b" not in found.out
    assert "…" not in found.out
    (line,) = [one for one in found.out.splitlines() if one.startswith("WAITLINE_STREAM_EPOCH")]
    assert line.rstrip().endswith("other records.")


def test_control_characters_of_producers_do_not_reach_the_terminal() -> None:
    assert terminal.visible("a\x1b[31mb\rc\n") == "a\\x1b[31mb\\x0dc\n"


def test_instants_are_short_for_people() -> None:
    assert terminal.instant(NOW) == "2026-11-22 10:00:00.000Z"
    assert terminal.instant(None) == "-"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://me:pass@db:5432/waitline", "db:5432/waitline"),
        ("postgresql://me:p@ss@db/waitline?sslmode=require", "db/waitline"),
        ("postgresql:///waitline", "localhost/waitline"),
    ],
)
def test_addresses_are_shown_without_passwords(url: str, address: str) -> None:
    assert access.postgres_address(url) == address


def test_places_are_read_as_they_are_printed() -> None:
    assert parse_place("waitline.events/3/17") == ("waitline.events", 3, 17)
    assert parse_place("order/17") is None
    assert parse_place("a/b/c") is None


# --- publishing -----------------------------------------------------------------------------------


def test_a_file_with_bad_lines_is_refused_whole_and_each_is_named(waitline, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    good = json.dumps({"event": "order.completed", "email": "ann@x.io"})
    file.write_text(f'{good}\n\n{{"event": "x"}}\nnot json\n[1]\n{good}\n')
    found = waitline("publish", "--file", str(file))
    assert found.code == 1
    assert "nothing was published" in found.err
    assert "line 3: expected at least one of" in found.err
    assert "line 4: not JSON" in found.err
    assert "line 5: expected a JSON object" in found.err
    assert "Kafka" not in found.err


def test_only_some_of_many_bad_lines_are_named(waitline, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("x\n" * 30)
    assert "and 20 more" in waitline("publish", "--file", str(file)).err


@pytest.mark.parametrize(
    ("file", "said"), [("nowhere.jsonl", "No such file"), ("/dev/null", "holds no events")]
)
def test_a_file_that_says_nothing(waitline, file: str, said: str) -> None:
    found = waitline("publish", "--file", file)
    assert found.code != 0
    assert said in found.err


def test_only_a_cloudevent_has_a_source(waitline) -> None:
    found = waitline("publish", "go", "--email", "a@x.io", "--source", "/shop")
    assert found.code == 2
    assert "add --format cloudevents" in found.err


def test_a_source_that_is_none_is_refused_before_anything_is_published() -> None:
    """E6: in CloudEvents' own words."""
    way = Way(form=WireForm.CLOUDEVENTS, source="s" * 256)
    with pytest.raises(BadEvent, match="source: expected a string of 1 to 255"):
        check({"event": "x", "email": "a@x.io", "id": "1"}, Settings(), NOW, way)


def test_contact_events_go_to_the_contacts_topic() -> None:
    document = {"id": "1", "email": "Ann@x.io", "external_id": "c-1"}
    ordinary = check(document | {"event": "order.completed"}, Settings(), NOW)
    assert ordinary.record.topic == "waitline.events"
    assert ordinary.record.key == b"c-1"
    contact = check(document | {"event": "contact.updated"}, Settings(), NOW)
    assert contact.record.topic == "waitline.contacts"
    other = check(document | {"event": "contact.updated"}, Settings(), NOW, Way("other"))
    assert other.record.topic == "other"


def test_what_the_engine_would_set_aside_is_not_published() -> None:
    with pytest.raises(BadEvent, match="event: expected one of contact"):
        check({"event": "x", "email": "a@x.io"}, Settings(), NOW, Way("waitline.contacts"))
    with pytest.raises(BadEvent, match="at most 262144 bytes"):
        check({"event": "x", "email": "a@x.io", "payload": {"a": "x" * 300_000}}, Settings(), NOW)


def test_an_id_is_made_where_none_is_given() -> None:
    made = fresh_id(SystemClock().new_id())
    assert re.fullmatch(r"evt_[0-9a-f]{32}", made)


def test_lines_are_counted_from_one_and_empty_ones_passed_over() -> None:
    assert [number for number, _ in read_lines('{}\n\n{"a": 1}\n')] == [1, 3]
