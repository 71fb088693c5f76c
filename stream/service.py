"""One worker: its parts, wired once, and the way they end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from handlers.world import Rules
from state.postgres.migrate import pending
from state.postgres.outgoing import Role
from state.postgres.store import PostgresStore
from state.turn import Moved, Unavailable, Unknown
from stream import garbage
from stream.announcer import Announcer
from stream.clock import Clock, SystemClock
from stream.config import ConfigError, Settings
from stream.consuming.consumer import Consumer, Engine
from stream.eraser import Eraser
from stream.expiry import Expiry
from stream.kafka import kafka_client_options
from stream.metrics.endpoint import offered
from stream.metrics.registry import make_registry
from stream.processor import Processor
from stream.producer import Publisher
from stream.relay import Relay, RelayLimits
from stream.retention import Doer, is_time, retention_of
from stream.senders.choice import close_senders, concurrency, open_senders
from stream.stop import Stop
from stream.telemetry import Counters
from stream.wake import Wake

#: How often partitions of tables are made ahead and what is over is forgotten, in seconds.
HOUSEKEEPING_SECONDS = 600.0

log = structlog.get_logger()


class Worker:
    """The parts of one worker process, each with a `run` of its own."""

    def __init__(
        self, settings: Settings, store: PostgresStore, publisher: Publisher, clock: Clock
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._stopping = asyncio.Event()
        self._retention = retention_of(settings)
        self.counters = Counters()
        self.metrics = make_registry(self.counters, {})
        self._processor = Processor(store, rules_of(settings), clock, self.counters)
        self._wake = Wake(store, self._processor, clock, lambda: self._consumer.share())
        self._senders = open_senders(settings)
        self._eraser = Eraser(store, self._senders, clock, self.counters)
        self._relay = Relay(
            store,
            self._processor,
            self._senders,
            clock,
            self.counters,
            RelayLimits(concurrency(settings), settings.send_lease, settings.send_attempts_max),
        )
        topics: dict[Role, str] = {
            "receipts": settings.topics_receipts,
            "dead-letters": settings.topics_dead_letters,
            "events": settings.topics_events[0],
            "contacts": settings.topics_contacts[0],
        }
        self._expiry = Expiry(store, self._processor, settings.run_age_max)
        self._announcer = Announcer(store, publisher, topics, self._processor.outgoing_made, clock)
        self._consumer = Consumer(
            settings,
            store,
            clock,
            self.counters,
            Engine(
                self._processor.apply_batch,
                lambda: self._wake.is_pressing,
                lambda: self._processor.catalogue,
            ),
        )

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._stopping.set()
        self._consumer.stop()
        self._relay.stop()

    async def run(self) -> None:
        """Work until stopped: the batch and the sends in flight are finished.

        Partitions are given back, connections are closed.
        """
        try:
            await self._run()
        finally:
            await close_senders(self._senders)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            relay = group.create_task(self._relay.run())
            parts = [
                relay,
                *(
                    group.create_task(part)
                    for part in (
                        self._wake.run(),
                        self._announcer.run(),
                        self._eraser.run(),
                        self._keep_house(),
                    )
                ),
            ]
            consumer = group.create_task(self._consumer.run())
            await self._stopping.wait()
            log.info("worker.draining")
            await self._drain(consumer, relay)
            # What is cut short here holds a lease or a lock, and is done again by its key; a send
            # whose provider knows no keys is stated as unknown (rule F3).
            for part in parts:
                part.cancel()

    async def _drain(self, consumer: asyncio.Task[None], relay: asyncio.Task[None]) -> None:
        limit, began = self._settings.drain_timeout.total_seconds(), self._clock.monotonic()
        async with asyncio.timeout(limit):
            await consumer
        await asyncio.wait([relay], timeout=limit - (self._clock.monotonic() - began))

    async def _keep_house(self) -> None:
        """Do each chore every now and then; one that fails, however often, keeps no other back."""
        while True:
            for chore in (self._keep_tables, self._expiry.sweep, self._keep_retention):
                try:
                    await chore()
                except (Moved, Unavailable, Unknown) as fault:
                    log.warning("housekeeping.retried", reason=str(fault))
            await self._clock.sleep(self._clock.jittered(HOUSEKEEPING_SECONDS))

    async def _keep_tables(self) -> None:
        await self._store.keep_house(await self._store.database_now())

    async def _keep_retention(self) -> None:
        if self._settings.retention == "on" and await is_time(self._store):
            await self._retention.keep(self._store, Doer("worker", is_operator=False))


def rules_of(settings: Settings) -> Rules:
    """Return the durations that decisions obey."""
    return Rules(
        grace=settings.timeout_grace,
        cap=settings.timeout_cap,
        slack=settings.lookback_slack,
        event_age_max=settings.max_event_age,
        topic_retention=settings.topic_retention,
        run_age_max=settings.run_age_max,
    )


async def run_worker(settings: Settings, index: int = 0) -> None:
    """Run one worker until SIGTERM, SIGINT or SIGHUP; a second one leaves at once.

    `index` counts those that were started together.

    Raises:
        ConfigError: the database is not migrated.
        CannotListen: metrics cannot be offered where the settings want them.
    """
    assert __debug__, "assertions are part of the engine: do not run Python with -O"
    stop = Stop()
    try:
        missing = await pending(str(settings.database_url))
        if missing:
            raise ConfigError(f"the database lacks {', '.join(missing)}: run `waitline migrate`")
        async with _opened(settings) as worker, offered(settings, index, worker.metrics):
            garbage.settle()
            log.info("worker.started", pid=os.getpid())
            stop.ends(worker)
            await worker.run()
    except asyncio.CancelledError:
        if not stop.is_asked:
            raise
    log.info("worker.drained")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Worker]:
    clock = SystemClock()
    store = await PostgresStore.open(
        str(settings.database_url),
        worker_id=f"{socket.gethostname()}:{os.getpid()}:{clock.new_id()}",
        stream_epoch=settings.stream_epoch,
        input_topics=settings.topics_in,
        pool_max=settings.pool_max,
        command_timeout=settings.command_timeout.total_seconds(),
    )
    publisher = Publisher(kafka_client_options(settings), clock)
    try:
        await publisher.start()
        yield Worker(settings, store, publisher, clock)
    finally:
        await publisher.stop()
        await store.close()
