"""The port at which a process offers its metrics, apart from what is served to clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from stream.listening import CannotListen
from stream.metrics.settings import MetricsSettings

log = structlog.get_logger()


@asynccontextmanager
async def offered(
    settings: MetricsSettings, index: int, registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Offer metrics at the settings' port, or that of this process, if there is one.

    `index` counts the processes of one command from 0. A thread answers, so that a busy process is
    watched all the same.

    Raises:
        CannotListen: nobody can listen there.
    """
    if settings.metrics_port is None:
        yield
        return
    host, port = settings.metrics_host, settings.metrics_port + index
    try:
        server, thread = start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:
        raise CannotListen((host, port), error, "WAITLINE_METRICS") from None
    log.info("metrics.offered", url=f"http://{host}:{port}/metrics")
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()
