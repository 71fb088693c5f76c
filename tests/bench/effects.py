"""Messages a second that two workers send by the recorder, each settled and its run advanced."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from deploy.local.stack import LocalStack
from tests.bench.figures import Figure, Goal
from tests.bench.house import LOOK_SECONDS, House, house
from tests.bench.journeys import PLAIN, START, record
from tests.bench.machine import Meter, peak_memory
from tests.integration.doors import EVENTS, Log, open_door

MESSAGES = 20_000

#: How many messages a worker has in flight: a folder is not a server that would mind.
IN_FLIGHT = "500"

#: How many runs one turn starts beforehand.
STARTED_AT_ONCE = 1_000

SETTLED = "select count(*) from messages"
WAITING = "select count(*) from outbox"
#: What each is to be: sent at the first attempt, its run at its end.
RIGHT = """
select count(*) from messages join runs_done using (run_id)
where messages.status = 'sent' and attempts = 1 and reason = 'completed_end'
"""


def automation() -> dict[str, Any]:
    """Return trigger, e-mail, end."""
    mail = {"template": {"id": "mail", "variables": {"N": {"var": "trigger.n"}}}}
    return {
        "name": "Mail",
        "steps": [
            {"key": "start", "type": "trigger", "config": {"event_name": START}},
            {"key": "mail", "type": "send_email", "config": mail},
        ],
        "connections": [{"from": "start", "to": "mail"}],
        "templates": {"mail": {"subject": "Number {{{N}}}", "text": "This is number {{{N}}}."}},
    }


async def measure(stack: LocalStack, messages: int = MESSAGES) -> list[Figure]:
    """Start runs that each ask for one message; then let two workers send them all."""
    async with house(stack, [automation()]) as made:
        await _started(made, messages)
        rate, peak = await _sent(made, messages)
        await _see_that_all_is_right(made, messages)
    return [
        Figure("two workers, settled", "messages/s", [rate], Goal("at least", 3_000)),
        Figure("peak of a worker", "MB", [peak], Goal("at most", 200)),
    ]


async def _started(made: House, messages: int) -> None:
    """Start the runs, by turns of a worker that sends nothing."""
    log = Log()
    async with open_door(made.dsn, "starter", (EVENTS, 0), folder=made.stack.folder) as door:
        for first in range(0, messages, STARTED_AT_ONCE):
            people = range(first, min(first + STARTED_AT_ONCE, messages))
            await door.feed([log.raw(record(PLAIN, START, number)[1]) for number in people])
    waiting = await made.value(WAITING)
    assert waiting == messages, f"{waiting:.0f} of {messages} messages were asked for"


async def _sent(made: House, messages: int) -> tuple[float, float]:
    """Return how many messages a second were settled, and the peak of a worker's memory in MB."""
    with made.workers(2, WAITLINE_SEND_CONCURRENCY=IN_FLIGHT) as process:
        first = await _until_settled(made, 1)
        meter = Meter({"workers": process})
        await _until_settled(made, messages)
        spent = meter.read()
        peak = peak_memory(process.children(recursive=True))
    return (messages - first) / spent.wall, peak


async def _until_settled(made: House, count: int) -> float:
    while (settled := await made.value(SETTLED)) < count:  # noqa: ASYNC110 - only Postgres knows
        await asyncio.sleep(LOOK_SECONDS)
    return settled


async def _see_that_all_is_right(made: House, messages: int) -> None:
    right = await made.value(RIGHT)
    assert right == messages, f"{right:.0f} of {messages} were sent once, their runs ended"
    files = len(os.listdir(made.environment["WAITLINE_OUTBOX_DIR"]))
    assert files == messages, f"{files} of {messages} files were written"
