"""`waitline migrate`, `topics create` and `config`: what is done once, before the first worker."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stream import access, terminal
from stream.commands import options
from stream.operator import who_operates
from stream.trouble import Trouble

if TYPE_CHECKING:
    from stream.topics import TopicState

topics = typer.Typer(no_args_is_help=True, help="Make the Kafka topics.")


@topics.callback()
def _topics() -> None:
    """Make the Kafka topics."""


def migrate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be applied, and change nothing.")
    ] = False,
) -> None:
    """Bring the database's schema up to date. Safe to repeat, and for several at once.

    Example: DATABASE_URL=postgresql://localhost/waitline waitline migrate
    """
    from state.postgres import migrate as migrations

    config = access.settings()
    with access.postgres_troubles(config):
        url = config.database_url
        names = access.run(
            migrations.pending(url) if dry_run else migrations.migrate(url, who_operates())
        )
    for name in names:
        terminal.say(f"would apply {name}" if dry_run else f"applied {name}")
    if not names:
        terminal.say("nothing to apply: the database is up to date")


@topics.command("create")
def create(
    partitions: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many partitions a new topic gets.")
    ] = 8,
) -> None:
    """Make the topics that are missing; those that exist stay as they are.

    Example: waitline topics create --partitions 12
    """
    found = access.run(_created(partitions))
    for topic in found:
        verb = "created" if topic.is_new else "exists"
        terminal.say(
            f"{verb} {topic.name}: {topic.partitions} partitions, "
            f"records kept {_kept(topic.retention)}"
        )
        for warning in topic.warnings:
            terminal.note(f"warning: {topic.name}: {warning}")
    made = [topic for topic in found if topic.is_new]
    if made:
        access.run(_recorded(made))


def _kept(retention: timedelta | None) -> str:
    if retention is None:
        return "for ever"
    days = retention / timedelta(days=1)
    return f"for {days:g} days"


async def _created(partitions: int) -> list[TopicState]:
    from stream.clock import SystemClock
    from stream.kafka import kafka_client_options
    from stream.topics import create_topics

    config = access.settings()
    names = (*config.topics_in, config.topics_receipts, config.topics_dead_letters)
    with access.kafka_troubles(config):
        return await create_topics(
            kafka_client_options(config),
            names,
            partitions=partitions,
            retention=config.topic_retention,
            clock=SystemClock(),
        )


async def _recorded(made: list[TopicState]) -> None:
    """Write down which topics were made, if the database is there already; Kafka comes first."""
    from state.postgres import audit
    from state.postgres.marks import database_now

    try:
        async with access.operating(access.settings()) as session:
            action = audit.Action(who_operates(), await database_now(session))
            for topic in made:
                after = {"partitions": topic.partitions, "retention": _kept(topic.retention)}
                await audit.record(session, action, "topics.create", topic.name, (None, after))
    except Trouble as trouble:
        terminal.note(f"this is not in the audit log: {trouble}")


def config(
    as_json: options.AsArray = False,
) -> None:
    """List every setting: its variable, value, default and meaning. Passwords are masked.

    Example: WAITLINE_TIMEOUT_GRACE=0 waitline config
    """
    from stream.config import describe

    found = describe(access.settings())
    if as_json:
        terminal.print_json([setting._asdict() for setting in found])
        return
    terminal.print_table(("variable", "value", "default", "meaning"), found, empty="")
