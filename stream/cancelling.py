"""Ends runs at an operator's word, one or all of an automation; safe to interrupt and repeat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from rich.console import Console
from rich.progress import Progress

from handlers.ending import Cancel, Cancellation
from state.postgres.reading_live import Live, count_live, live_pages
from stream.access import door, tables
from stream.config import Settings
from stream.operator import who_operates
from stream.terminal import say

#: How many runs one turn ends at most; each holds its contact's lock until the commit.
CANCELLED_MAX = 500


class Order(NamedTuple):
    """What an operator wants: the reason that the runs end with, and why, for the audit log."""

    reason: Cancellation
    why: str | None


def say_live(live: Live) -> None:
    """Say how many runs stand where, and what can no longer be called back."""
    for activity, count in live.by_activity.items():
        say(f"  {activity}: {count}")
    if live.under_way:
        say(f"  of these, with a message on its way that may still go out: {live.under_way}")


async def count_all(config: Settings, automation_ids: Sequence[UUID]) -> Live:
    """Return how many runs would be cancelled now."""
    async with tables(config) as session:
        return await count_live(session, automation_ids)


async def cancel_some(config: Settings, runs: Iterable[tuple[int, UUID]], order: Order) -> None:
    """End these runs, given as (contact, run), where they are still active."""
    async with door(config) as processor:
        await processor.apply_commands("cancels", _inputs(runs, order))


async def cancel_all(
    config: Settings, automation_ids: Sequence[UUID], order: Order, expected: int
) -> int:
    """End every run of these automations that is active now; return how many were.

    Some end by themselves meanwhile. What was done when it is interrupted stays done, and to call
    it again does the rest.
    """
    cancelled = 0
    async with door(config) as processor, tables(config) as session:
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("cancelling", total=expected)
            async for page in live_pages(session, automation_ids, CANCELLED_MAX):
                inputs = _inputs([(run.contact_id, run.run_id) for run in page], order)
                tally = await processor.apply_commands("cancels", inputs)
                cancelled += tally["runs_cancelled"]
                progress.advance(task, len(page))
    return cancelled


def _inputs(runs: Iterable[tuple[int, UUID]], order: Order) -> list[Cancel]:
    who = who_operates()
    return [Cancel(contact_id, run_id, who, order.why, order.reason) for contact_id, run_id in runs]
