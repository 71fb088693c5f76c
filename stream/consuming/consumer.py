"""The consumer: a member of the group for as long as the process lives (rules E3, D1, W4).

Offsets are Postgres's alone. Kafka decides who reads which partition; Postgres decides who may
write for it, and from where. The protocol, and where each step lives:

1. A rebalance gives us partitions: they are paused at once, nothing else (`client`, `assignment`).
2. They are taken in Postgres, which mints an epoch that fences the last owner; the offset found
   there is checked against the log and sought; then they flow (`takeover`).
3. Records are read in turns and decoded while the last batch commits (`reader`, `batches`), merged
   (`order`), and applied with their offsets in one transaction, under the epoch (`process`).
4. Ends are asked for again and again: `low` follows, our presence is renewed, and a client that
   has silently stopped is noticed (`refresher`, `watermark`, `watchdog`).
5. A rebalance, or the end, takes everything away at once; the batch in flight may finish
   (`membership`).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from state.automation import Catalogue
from state.share import Share
from stream.clock import Clock
from stream.config import Settings
from stream.consuming.batches import Batch, BatchResult
from stream.consuming.client import KafkaClient
from stream.consuming.membership import Membership
from stream.consuming.refresher import Ending
from stream.consuming.terms import PartitionStore, Terms
from stream.decoding.decode import Sources
from stream.decoding.skim import Skimmer
from stream.kafka import kafka_group_options
from stream.telemetry import Counters

log = structlog.get_logger()

#: How many bytes of records may wait for the processor beside the cap in records.
BATCH_BYTES_MAX = 16 * 1024 * 1024
#: The longest pause between two attempts to reach Kafka.
RETRY_SECONDS_MAX = 15.0
#: A stall that many stall timeouts after the last one is a new one; sooner, the new client was no
#: help.
STALL_MEMORY = 10


class StalledError(Exception):
    """Partitions stand still though the broker has more, with a new client too: end the process."""


class Engine(NamedTuple):
    """What stands behind a consumer: who applies batches, and what it is told of the state.

    `timers_due` says whether `low` is wanted soon, `catalogue` what the last turn saw of it.
    """

    process: Callable[[Batch], Awaitable[BatchResult]]
    timers_due: Callable[[], bool]
    catalogue: Callable[[], Catalogue]


class Consumer:
    """Reads the input topics and hands batches to the engine, whatever becomes of Kafka.

    `run` is for a TaskGroup of the caller's. `stop` ends it in order within the drain timeout;
    cancelling it ends it at once. It returns only after `stop`.
    """

    def __init__(
        self,
        settings: Settings,
        store: PartitionStore,
        clock: Clock,
        counters: Counters,
        engine: Engine,
    ) -> None:
        self._settings = settings
        self._clock = clock
        sources = Sources(settings.stream_epoch, frozenset(settings.topics_contacts))
        self._terms = Terms(
            store=store,
            clock=clock,
            counters=counters,
            read=Skimmer(sources, engine.catalogue).read,
            process=engine.process,
            timers_due=engine.timers_due,
            owner=f"{socket.gethostname()}:{os.getpid()}:{clock.new_id()}",
            records_max=settings.batch_max,
            bytes_max=BATCH_BYTES_MAX,
            stall_seconds=settings.stall_timeout.total_seconds(),
            drain_seconds=settings.drain_timeout.total_seconds(),
        )
        self._membership: Membership | None = None
        self._stopping = asyncio.Event()
        self._stalled_at: float | None = None

    def share(self) -> Share:
        """Return which due timers are this worker's; none are while it is no member (rule T2)."""
        return Share(1, ()) if self._membership is None else self._membership.share()

    def stop(self) -> None:
        """Let the batch in flight finish, give the partitions back, and let `run` return."""
        self._stopping.set()
        if self._membership is not None:
            self._membership.end(Ending.STOPPED)

    async def run(self) -> None:
        """Be a member of the group until stopped; begin again with a new client when one is lost.

        Raises:
            StalledError: a new client stands still as the last one did.
        """
        pause = 0.5
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            ending = await self._be_member()
            if ending is Ending.STALLED:
                self._note_stall()
            if self._clock.monotonic() - began > RETRY_SECONDS_MAX:
                pause = 0.5
            if ending is Ending.UNREACHABLE:
                await self._rest(self._clock.jittered(pause))
                pause = min(2 * pause, RETRY_SECONDS_MAX)

    async def _be_member(self) -> Ending:
        client = KafkaClient(self._settings.topics_in, kafka_group_options(self._settings))
        self._membership = Membership(client, self._terms)
        return await self._membership.run()

    def _note_stall(self) -> None:
        """Allow one new client; if that one stands still too, let the process begin anew."""
        now = self._clock.monotonic()
        memory = STALL_MEMORY * self._terms.stall_seconds
        if self._stalled_at is not None and now - self._stalled_at < memory:
            raise StalledError("partitions stand still with a new client too")
        self._stalled_at = now
        self._terms.counters.count("kafka_clients_replaced")

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
