"""One process of `waitline serve`: its parts, wired once, and the way they end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from handlers.http.app import make_app
from handlers.http.body import BodyLimits
from handlers.http.bucket import Buckets
from handlers.http.gatekeeper import Gatekeeper
from handlers.http.records import Records
from handlers.http.services import Services
from handlers.http.watch import Means
from state.api_key import ApiKey
from state.postgres.api_keys import find_key, note_uses
from state.postgres.migrate import pending
from state.postgres.reading import NotMigrated, ReadingPool
from state.postgres.store import PostgresStore
from state.turn import Moved, Unavailable, Unknown
from stream import garbage
from stream.clock import Clock, SystemClock
from stream.config import ConfigError, Settings
from stream.decoding.decode import event_key
from stream.kafka import kafka_client_options
from stream.metrics.endpoint import offered
from stream.metrics.registry import make_registry
from stream.processor import Processor
from stream.producer import Publisher
from stream.service import rules_of
from stream.serving.contacts import ContactChanges
from stream.serving.meter import MEANINGS, HttpMeter
from stream.serving.operating import RunOperator
from stream.serving.publishing import EventPublisher
from stream.serving.schemas import Schemas
from stream.serving.server import HttpServer, http_server, listening
from stream.stop import Stop
from stream.telemetry import Counters

#: How often it is written down when keys were last used, in seconds.
USES_SECONDS = 30.0

#: How long a silent database is waited for, in seconds. Giving a statement up takes as long again:
#: whoever asked, and waits for 30 s mostly, is to hear of it.
SILENT_SECONDS = 10.0

#: How many requests write to the database at a time.
WRITERS_MAX = 4

log = structlog.get_logger()


class HttpService:
    """The parts of one serving process."""

    def __init__(
        self,
        settings: Settings,
        reading: ReadingPool,
        store: PostgresStore,
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._reading = reading
        self._store = store
        self._clock = clock
        self._events = EventPublisher(publisher, settings, clock)
        buckets = Buckets(settings.http_rate, settings.http_burst)
        self._gatekeeper = Gatekeeper(self._find_key, buckets, clock)
        counters = Counters()
        self.metrics = make_registry(counters, MEANINGS)
        self._meter = HttpMeter(counters, self.metrics)
        door = Processor(store, rules_of(settings), clock, counters)
        operator = RunOperator(settings, reading, store, door)
        services = Services(
            reading=reading.session,
            writing=store.session,
            publish=self._events.publish,
            cancel_runs_of=operator.cancel_runs_of,
            cancel_run=operator.cancel_run,
            retry_run=operator.retry_run,
            explain=operator.explain,
            gatekeeper=self._gatekeeper,
            troubles=self._troubles,
            now=clock.utc_now,
            new_id=clock.new_id,
            event_key=partial(event_key, settings.topics_events[0]),
            change_contact=ContactChanges(self._events, reading, settings, clock).change,
            schema_of=Schemas(reading.session).schema_of,
            record_of=Records().of,
        )
        limits = BodyLimits(settings.http_body_max, settings.http_body_timeout.total_seconds())
        hosts = {
            "resend": settings.http_hosts_resend,
            "sendrealm": settings.http_hosts_sendrealm,
            "revkeen": settings.http_hosts_revkeen,
        }
        watching = Means(self._meter, clock.monotonic, clock.new_id, settings.http_access_log)
        app = make_app(services, hosts, limits, watching)
        self._server: HttpServer = http_server(app, settings, self._meter.refuse_connection)
        self._meter.watch(
            connections=lambda: self._server.connections,
            is_connected=lambda: self._events.is_connected,
        )

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._server.stop()

    async def fill(self) -> None:
        """Make the connections that requests are answered by; without them, each waits for its."""
        try:
            await self._reading.fill()
        except Unavailable as fault:
            log.warning("http.connections_not_made", reason=str(fault))

    async def run(self, listener: socket.socket) -> None:
        """Serve until stopped: what is being answered is answered."""
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(self._events.run()), group.create_task(self._keep_uses())]
            await self._server.serve(sockets=[listener])
            for part in parts:
                part.cancel()
        await self._write_uses()

    async def _find_key(self, key_id: str) -> ApiKey | None:
        async with self._reading.session() as session:
            return await find_key(session, key_id)

    async def _keep_uses(self) -> None:
        while True:
            await self._clock.sleep(self._clock.jittered(USES_SECONDS))
            await self._write_uses()

    async def _write_uses(self) -> None:
        """Write down when keys were used, all at once: never a write for a request."""
        uses = self._gatekeeper.uses()
        if not uses:
            return
        try:
            async with self._store.session() as session:
                await note_uses(session, uses)
        except (Moved, Unavailable, Unknown) as fault:
            log.warning("http.uses_not_written", keys=len(uses), reason=str(fault))

    async def _troubles(self) -> dict[str, str]:
        """Return what is away, by name, and why."""
        kafka, postgres = await self._events.trouble(), await self._postgres_trouble()
        found = {"kafka": kafka, "postgres": postgres}
        return {name: why for name, why in found.items() if why is not None}

    async def _postgres_trouble(self) -> str | None:
        try:
            async with self._reading.session() as session:
                await session.value("select 1 from catalogue")
        except (Unavailable, NotMigrated) as error:
            return type(error).__name__
        return None


async def serve_http(settings: Settings, host: str, port: int, index: int | None) -> None:
    """Serve HTTP until SIGTERM, SIGINT or SIGHUP; a second one leaves at once.

    `index` is that of one of several processes at that address, None if it is alone there.

    Raises:
        ConfigError: the database is not migrated.
        CannotListen: the address is taken, or that of the metrics.
    """
    stop = Stop()
    try:
        missing = await pending(str(settings.database_url))
        if missing:
            raise ConfigError(f"the database lacks {', '.join(missing)}: run `waitline migrate`")
        async with (
            _opened(settings) as service,
            offered(settings, index or 0, service.metrics),
        ):
            await service.fill()
            with listening(host, port, is_shared=index is not None) as listener:
                garbage.settle()
                log.info("http.started", pid=os.getpid(), host=host, port=port)
                stop.ends(service)
                await service.run(listener)
    except asyncio.CancelledError:
        if not stop.is_asked:
            raise
    log.info("http.drained")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[HttpService]:
    clock = SystemClock()
    reading = await ReadingPool.open(settings.database_url, settings.http_pool_max, SILENT_SECONDS)
    publisher = Publisher(kafka_client_options(settings), clock)
    try:
        store = await PostgresStore.open(
            settings.database_url,
            worker_id=f"http:{clock.new_id()}",
            pool_max=WRITERS_MAX,
            command_timeout=SILENT_SECONDS,
        )
        try:
            yield HttpService(settings, reading, store, publisher, clock)
        finally:
            await store.close()
    finally:
        await publisher.stop()
        await reading.close()
