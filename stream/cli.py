"""`waitline ...`: the commands joined, and the one place where what goes wrong is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from stream import terminal
from stream.commands import (
    audit,
    automations,
    cancel,
    contacts,
    dead_letters,
    delete,
    events,
    explain,
    keys,
    merges,
    pauses,
    publish,
    release,
    retention,
    retry,
    runs,
    segments,
    serve,
    setup,
    stream_state,
    subscription_topics,
    suppressions,
    waits,
    work,
)
from stream.trouble import FAILED, Trouble

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Commands(TyperGroup):
    @override
    def invoke(self, ctx: Any) -> Any:
        with _troubles_said():
            return super().invoke(ctx)


app = typer.Typer(
    name="waitline",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
    help="Event-driven automation runs on Kafka and Postgres.\n\n"
    "KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL say where they are; `waitline config` lists every "
    "setting. First steps: waitline migrate; waitline topics create; waitline automations apply "
    "FILE; waitline run.",
)
_SET_UP, _OPERATE, _LOOK = "Set up", "Operate", "Look"
app.command(rich_help_panel=_SET_UP)(setup.migrate)
app.add_typer(setup.topics, name="topics", rich_help_panel=_SET_UP)
app.command(rich_help_panel=_SET_UP)(setup.config)
automations.commands.command()(delete.delete)
for command in (pauses.hold, pauses.freeze, pauses.release):
    automations.commands.command()(command)
app.add_typer(automations.commands, name="automations", rich_help_panel=_OPERATE)
app.command(rich_help_panel=_OPERATE)(publish.publish)
app.command(rich_help_panel=_OPERATE)(work.run)
app.command(rich_help_panel=_OPERATE)(serve.serve)
app.add_typer(keys.commands, name="keys", rich_help_panel=_OPERATE)
app.command(rich_help_panel=_OPERATE)(retention.retention)
app.add_typer(runs.commands, name="runs", rich_help_panel=_OPERATE)
app.add_typer(segments.commands, name="segments", rich_help_panel=_OPERATE)
app.add_typer(subscription_topics.commands, name="subscription-topics", rich_help_panel=_OPERATE)
app.add_typer(suppressions.commands, name="suppressions", rich_help_panel=_OPERATE)
app.command(rich_help_panel=_LOOK)(explain.explain)
runs.commands.command()(release.release)
runs.commands.command()(cancel.cancel)
runs.commands.command()(retry.retry)
app.command(rich_help_panel=_LOOK)(waits.waits)
app.command(rich_help_panel=_LOOK)(stream_state.lag)
app.add_typer(events.commands, name="events", rich_help_panel=_LOOK)
contacts.commands.command()(merges.merges)
contacts.commands.command()(merges.unmerge)
app.add_typer(contacts.commands, name="contacts", rich_help_panel=_LOOK)
app.command(rich_help_panel=_LOOK)(audit.audit)
app.add_typer(dead_letters.commands, name="dead-letters", rich_help_panel=_LOOK)


def invoke(arguments: Sequence[str]) -> int:
    """Run one command in this process and return its exit code."""
    try:
        app(args=list(arguments), prog_name="waitline")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def main() -> None:
    """Run the command that was typed."""
    sys.exit(invoke(sys.argv[1:]))


@contextmanager
def _troubles_said() -> Iterator[None]:
    """Turn what went wrong into lines on standard error and an exit code, never a traceback."""
    try:
        yield
    except Trouble as trouble:
        terminal.note(f"waitline: {trouble}")
        raise typer.Exit(trouble.code) from None
    except Exception as error:
        if _is_foreseen(error) or _wants_tracebacks():
            raise
        said = str(error).split("\n", 1)[0]
        terminal.note(f"waitline: this should not happen: {type(error).__name__}: {said}")
        terminal.note("WAITLINE_LOG_LEVEL=DEBUG shows where; please report it")
        raise typer.Exit(FAILED) from None


def _is_foreseen(error: Exception) -> bool:
    """Tell what the framework knows how to say: refusals, endings, a pipe that was closed."""
    module = type(error).__module__
    return isinstance(error, BrokenPipeError) or module.startswith(("typer", "click"))


def _wants_tracebacks() -> bool:
    from stream.config import ConfigError, load_settings

    try:
        return load_settings().log_level == "DEBUG"
    except ConfigError:
        return False
