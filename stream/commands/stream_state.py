"""`waitline lag`: how far each input partition is behind, and what that holds back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stream import access, terminal
from stream.commands import options
from stream.trouble import Trouble

if TYPE_CHECKING:
    from state.reading import Log, PartitionRow


def lag(
    as_json: options.AsArray = False,
) -> None:
    """Show for each input partition how far it is consumed, who owns it and what it holds back.

    Example: waitline lag
    """
    found, held, paused, kafka_trouble = access.run(_lag())
    if kafka_trouble is not None:
        terminal.note(f"waitline: {kafka_trouble}\nwhat Postgres knows is shown without it")
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        (
            "partition",
            "end",
            "next",
            "behind",
            "consumed up to",
            "owner",
            "resumed",
            "holds timers",
        ),
        [
            (
                f"{part['topic']}/{part['partition']}",
                part["end_offset"],
                part["next_offset"],
                part["behind"],
                terminal.instant(part["low"]),
                part["owner"] or "nobody",
                terminal.instant(part["resumed_since"]),
                part["holds_timers"],
            )
            for part in found
        ],
        empty="no partition is known: `waitline topics create`, then `waitline run`",
    )
    if held and found:
        terminal.say(f"{held} due timers are held until the consumer has caught up")
    if paused:
        terminal.say(f"{paused} more are due and paused: `waitline automations list` says which")
    if any(part["owner"] is None for part in found):
        terminal.say("some partitions are nobody's: is a worker running? `waitline run`")


async def _lag() -> tuple[list[dict[str, Any]], int, int, Trouble | None]:
    from state.postgres.reading_stream import (
        held_timers,
        oldest_due,
        partition_rows,
        paused_timers,
    )

    config = access.settings()
    logs: dict[tuple[str, int], Log] = {}
    trouble = None
    try:
        async with access.topics(config) as look:
            logs = await look.logs()
    except Trouble as kafka:
        trouble = kafka
    async with access.tables(config) as session:
        rows = await partition_rows(session, config.stream_epoch)
        held, paused = await held_timers(session), await paused_timers(session)
        due_at = await oldest_due(session)
    return _merged(rows, logs, due_at), held, paused, trouble


def _merged(
    rows: Sequence[PartitionRow], logs: dict[tuple[str, int], Log], due_at: Any
) -> list[dict[str, Any]]:
    """Join what Postgres and Kafka know; a partition may be known to one of them only."""
    known = {(row.topic, row.partition): row for row in rows}
    return [_part(key, known.get(key), logs.get(key), due_at) for key in sorted({*known, *logs})]


def _part(
    key: tuple[str, int], row: PartitionRow | None, log: Log | None, due_at: Any
) -> dict[str, Any]:
    from state.moment import optional_moment_text

    next_offset = None if row is None else row.next_offset
    low = None if row is None else row.low
    return {
        "topic": key[0],
        "partition": key[1],
        "end_offset": None if log is None else log.end,
        "next_offset": next_offset,
        "behind": None if log is None else max(0, log.end - max(next_offset or 0, log.start)),
        "low": optional_moment_text(low),
        "owner": None if row is None else row.owner,
        "resumed_since": None if row is None else optional_moment_text(row.resumed_since),
        "advanced_at": None if row is None else optional_moment_text(row.advanced_at),
        "holds_timers": due_at is not None and (low is None or low < due_at),
    }
