"""`waitline serve`: the HTTP interfaces, in this process or in supervised children."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stream import access
from stream.commands.ending import causes
from stream.trouble import FAILED, Trouble

if TYPE_CHECKING:
    from stream.config import Settings


def serve(
    host: Annotated[
        str | None, typer.Option(help="Where to listen; the default is WAITLINE_HTTP_HOST.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65_535, help="The port; the default is WAITLINE_HTTP_PORT."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="How many processes; the default is WAITLINE_HTTP_WORKERS."
        ),
    ] = None,
    worker: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve HTTP until told to stop: Ctrl-C or SIGTERM drains, a second one kills.

    Keys are made by `waitline keys create NAME`. With one in KEY, it is asked like this:

    Example: waitline serve --port 8080

    curl localhost:8080/events/send -H "Authorization: Bearer $KEY"
    -d '{"event": "order.completed", "email": "ann@example.com"}'

    Events go to Kafka, and it is `waitline run` that acts on them and changes contacts. Resend's
    clients work with RESEND_API_URL (Python) or RESEND_BASE_URL (Node) set to the address;
    /sendrealm and /revkeen speak as those do; /docs, also below those, describes every endpoint.

    /healthz tells whether the process lives, /readyz whether Postgres and Kafka answer; without
    Kafka, events are refused. Each answer has an X-Request-Id, which log lines tell as request_id.
    WAITLINE_METRICS_PORT offers metrics for Prometheus, at a port of their own.

    It speaks no TLS: put a proxy before it where others can listen. WAITLINE_HTTP_RATE and _BURST
    say what a key may ask; `waitline config` lists all settings, HTTP's last.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from stream.telemetry import configure_logs

    config = access.settings()
    configure_logs(config.log_format, config.log_level)
    place = (host or config.http_host, port or config.http_port)
    number = workers or config.http_workers
    access.run(access.require_migrated(config))
    if worker is not None or number == 1:
        _serve(config, *place, worker)
    else:
        _require_free(*place)
        raise typer.Exit(_supervise(number, *place))


def _serve(config: Settings, host: str, port: int, index: int | None) -> None:
    """Serve; what ends it too early is logged, since its reader is a log."""
    import asyncio

    import structlog
    import uvloop

    from stream.listening import CannotListen
    from stream.serving.service import serve_http

    if index is not None:
        structlog.contextvars.bind_contextvars(worker=index)
    try:
        with (
            access.postgres_troubles(config),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(serve_http(config, host, port, index))
    except (Trouble, CannotListen) as trouble:
        structlog.get_logger().critical("http.cannot_start", remedy=str(trouble))
        raise Trouble(str(trouble)) from None
    except Exception as error:  # noqa: BLE001 - a server says what ended it, whatever it was
        trace = error if config.log_level == "DEBUG" else None
        structlog.get_logger().critical("http.crashed", causes=causes(error), exc_info=trace)
        raise typer.Exit(FAILED) from None


def _require_free(host: str, port: int) -> None:
    """Refuse an address that is taken at once: processes that share one would share a stranger's.

    Raises:
        Trouble: somebody listens there.
    """
    from stream.listening import CannotListen
    from stream.serving.server import listening

    try:
        listening(host, port, is_shared=False).close()
    except CannotListen as error:
        raise Trouble(str(error)) from None


def _supervise(number: int, host: str, port: int) -> int:
    from stream.clock import SystemClock
    from stream.supervisor import Supervisor

    def command(index: int) -> list[str]:
        place = ["--host", host, "--port", str(port)]
        return [sys.executable, "-m", "stream", "serve", *place, "--worker", str(index)]

    return Supervisor(command, number, SystemClock()).run()
