"""`waitline explain`: what became of one event, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.trouble import FAILED

Document = Mapping[str, Any]


def explain(
    event: Annotated[
        str, typer.Argument(metavar="EVENT_ID | TOPIC/PARTITION/OFFSET", help="Which event.")
    ],
    source: Annotated[
        str | None, typer.Option(help="The source of the id, where a CloudEvent named its own.")
    ] = None,
    as_json: options.AsObject = False,
) -> None:
    """Tell what an event did, or why it did nothing.

    Example: waitline explain order-17
    """
    document = access.run(_explained(event, source))
    if as_json:
        terminal.print_json(document)
    else:
        _tell(document)
    if document["verdict"] == "never_seen":
        raise typer.Exit(FAILED)


async def _explained(event: str, source: str | None) -> Document:
    from handlers.explaining.explain import explain as judge
    from stream.inquiry import investigate

    with _progress() as on_progress:
        case = await investigate(access.settings(), event, source, on_progress)
    return judge(case)


@contextmanager
def _progress() -> Iterator[Any]:
    """Show on standard error how far a search in Kafka is, once there is one."""
    from rich.console import Console
    from rich.status import Status

    status = Status("", console=Console(stderr=True))

    def on_progress(looked_at: int) -> None:
        status.update(f"searching Kafka: {looked_at} records looked at")
        status.start()

    try:
        yield on_progress
    finally:
        status.stop()


def _tell(document: Document) -> None:
    """Print the story first, then what it rests on."""
    terminal.heading(document["verdict"].replace("_", " "))
    terminal.say(document["reason"])
    if document["advice"]:
        terminal.say(f"Next: {document['advice']}")
    _show_event(document["event"], document["identity"])
    _show_table(
        "Automations", document["automations"], ("automation", "verdict", "reason", "run_id")
    )
    _show_table("Waits", document["waits"], ("step_key", "verdict", "reason", "run_id"))
    _show_table("Exit rules", document["exits"], ("automation", "verdict", "reason", "run_id"))
    if len(document["records"]) > 1:
        columns = ("topic", "partition", "offset", "verdict", "reason")
        _show_table("Records with this id", document["records"], columns)


def _show_event(event: Document | None, identity: Document | None) -> None:
    if event is None:
        return
    facts = {
        "id": event["id"],
        "event": event["event"],
        "at": f"{event['topic']}/{event['partition']}/{event['offset']}",
        "occurred": terminal.instant(event.get("occurred_at")),
        "recorded": terminal.instant(event.get("recorded_at")),
        "processed": terminal.instant(event.get("processed_at")),
    }
    if event.get("skewed"):
        facts["judged by"] = f"{event['verdict_time']} (its claim lies ahead of Kafka's clock)"
    if identity is not None:
        facts["contact"] = identity["contact_id"]
        if "path" in identity:
            kind, value = identity["resolved_identity_type"], identity["resolved_identity_value"]
            facts["known by"] = f"{kind} {value}, {identity['path']}"
        for note in identity["notes"]:
            facts[note["verdict"].replace("_", " ")] = note["reason"]
    terminal.say()
    terminal.print_facts(facts)


def _show_table(title: str, entries: list[Document], columns: tuple[str, ...]) -> None:
    if not entries:
        return
    terminal.say()
    terminal.heading(title)
    rows = [[entry.get(column) for column in columns] for entry in entries]
    terminal.print_table([column.replace("_", " ") for column in columns], rows, empty="")
