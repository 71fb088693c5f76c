"""`waitline publish`: puts events on Kafka, one from the command line or many from a file."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.trouble import MISUSED, Trouble
from stream.wire_form import Way, WireForm

if TYPE_CHECKING:
    from state.event import Coordinates
    from stream.announcement import Checked
    from stream.config import Settings
    from stream.producer import Publisher

#: How many bad lines of a file are named.
LINES_NAMED = 10

_Form = Annotated[
    WireForm, typer.Option("--format", help="Plain JSON, or a CloudEvent in either mode.")
]
_Source = Annotated[
    str | None, typer.Option(help="A CloudEvent's source; the topic if none is given.")
]


def publish(  # noqa: PLR0913 - each is an option of the command
    event: Annotated[str | None, typer.Argument(help="The event's name.")] = None,
    email: Annotated[str | None, typer.Option(help="The person's e-mail address.")] = None,
    external_id: Annotated[str | None, typer.Option(help="The person's id in your system.")] = None,
    phone: Annotated[str | None, typer.Option(help="The person's phone number, E.164.")] = None,
    anonymous_id: Annotated[str | None, typer.Option(help="The id of a device or visitor.")] = None,
    contact_id: Annotated[str | None, typer.Option(help="The contact's id in Waitline.")] = None,
    payload: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE", help="A JSON object, or a file of one.")
    ] = None,
    event_id: Annotated[
        str | None, typer.Option("--id", help="The event's id; one is made where none is given.")
    ] = None,
    occurred_at: Annotated[
        str | None, typer.Option(help="When it happened, RFC 3339 with an offset.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Another topic than the usual one.")] = None,
    file: Annotated[
        str | None, typer.Option(help="Events as JSON Lines, `-` for standard input.")
    ] = None,
    form: _Form = WireForm.JSON,
    source: _Source = None,
    as_json: options.AsObject = False,
) -> None:
    """Publish an event, or a file of them; contact.* events go to the contacts topic.

    A file is checked as a whole before anything of it is published.

    A CloudEvent whose source is the topic is the same event as a plain one of its id.

    Example: waitline publish order.completed --email ann@example.com --payload '{"total": 30}'
    """
    said = {
        "event": event,
        "id": event_id,
        "occurred_at": occurred_at,
        "contact_id": contact_id,
        "external_id": external_id,
        "email": email,
        "phone": phone,
        "anonymous_id": anonymous_id,
    }
    given = {name: value for name, value in said.items() if value is not None}
    way = _way(topic, form, source)
    if file is None:
        _publish_one(given, payload, way, as_json)
    elif given or payload is not None:
        raise Trouble("--file brings whole events: leave the other options out", MISUSED)
    else:
        _publish_file(file, way, as_json)


def _way(topic: str | None, form: WireForm, source: str | None) -> Way:
    if source is not None and form is WireForm.JSON:
        raise Trouble("--source is a CloudEvent's: add --format cloudevents", MISUSED)
    return Way(topic, form, source)


def _publish_one(given: dict[str, Any], payload: str | None, way: Way, as_json: bool) -> None:
    from stream.announcement import BadEvent, check, fresh_id
    from stream.clock import SystemClock

    if "event" not in given:
        raise Trouble("name the event, or give --file; `waitline publish --help`", MISUSED)
    config, clock = access.settings(), SystemClock()
    document = {"id": fresh_id(clock.new_id()), **given}
    if payload is not None:
        document["payload"] = _payload(payload)
    try:
        checked = check(document, config, clock.utc_now(), way)
    except BadEvent as error:
        raise Trouble(str(error), MISUSED) from None
    at = access.run(_send_one(config, checked))
    if as_json:
        terminal.print_json({"id": checked.event_id, **at._asdict()})
    else:
        terminal.say(f"published {checked.event_id} to {at}")


def _publish_file(file: str, way: Way, as_json: bool) -> None:
    from stream.clock import SystemClock

    config = access.settings()
    events = _checked_file(file, config, way, SystemClock())
    published = access.run(_send_all(config, events))
    if as_json:
        terminal.print_json({"published": published})
    else:
        terminal.say(f"published {published} events")


def _payload(text: str) -> object:
    source = _read(text[1:]) if text.startswith("@") else text
    try:
        return json.loads(source)
    except ValueError as error:
        raise Trouble(f"payload: not JSON: {error}", MISUSED) from None


def _checked_file(file: str, config: Settings, way: Way, clock: Any) -> list[Checked]:
    """Return the events of a file, all of them good."""
    from stream.announcement import BadEvent, check, fresh_id, read_lines

    events, bad = [], []
    for number, document in read_lines(_read(file)):
        try:
            if isinstance(document, BadEvent):
                raise document
            with_id = dict(document)
            if with_id.get("id") is None:
                with_id["id"] = fresh_id(clock.new_id())
            events.append(check(with_id, config, clock.utc_now(), way))
        except BadEvent as error:
            bad.append(f"line {number}: {error}")
    if bad:
        more = len(bad) - LINES_NAMED
        lines = [*bad[:LINES_NAMED], *([f"and {more} more"] if more > 0 else [])]
        raise Trouble(
            "nothing was published, since not all of the file can be:\n" + "\n".join(lines)
        )
    if not events:
        raise Trouble("the file holds no events")
    return events


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise Trouble(f"{file}: {error.strerror}", MISUSED) from None
    except UnicodeDecodeError:
        raise Trouble(f"{file}: expected UTF-8 text") from None


async def _send_one(config: Settings, event: Checked) -> Coordinates:
    record = event.record
    async with _publisher(config, {record.topic}) as publisher:
        return await publisher.publish(*record)


async def _send_all(config: Settings, events: Sequence[Checked]) -> int:
    from rich.console import Console
    from rich.progress import Progress

    async with _publisher(config, {event.record.topic for event in events}) as publisher:
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("publishing", total=len(events))
            return await publisher.publish_many(
                (event.record for event in events),
                lambda done: progress.update(task, completed=done),
            )


@asynccontextmanager
async def _publisher(config: Settings, topics: set[str]) -> AsyncIterator[Publisher]:
    """Open a publisher for topics that exist: to publish to another might make it, and wrongly."""
    from stream.clock import SystemClock
    from stream.kafka import kafka_client_options
    from stream.producer import Publisher
    from stream.topics import partition_counts

    options = kafka_client_options(config)
    with access.kafka_troubles(config):
        missing = topics - (await partition_counts(options, topics)).keys()
        if missing:
            names = ", ".join(sorted(missing))
            raise Trouble(f"Kafka has no topic {names}: run `waitline topics create`")
        publisher = Publisher(options, SystemClock())
        await publisher.start()
        try:
            yield publisher
        finally:
            await publisher.stop()
