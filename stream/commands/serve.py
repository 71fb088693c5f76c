"""`waitline serve`: the HTTP interfaces, in this process or in supervised children."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stream import access
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

    Resend's clients work with `RESEND_API_URL`, or `RESEND_BASE_URL`, set to its address and a key
    of `waitline keys create`; /docs describes every endpoint. /healthz tells whether the process
    lives, /readyz whether Postgres and Kafka answer. Events go to Kafka, and it is `waitline run`
    that acts on them.

    Example: waitline serve --port 8080
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from stream.telemetry import configure_logs

    config = access.settings()
    configure_logs(config.log_format, config.log_level)
    place = (host or config.http_host, port or config.http_port)
    number = workers or config.http_workers
    access.run(access.require_migrated(config))
    if worker is not None or number == 1:
        _serve(config, *place, is_shared=worker is not None)
    else:
        raise typer.Exit(_supervise(number, *place))


def _serve(config: Settings, host: str, port: int, *, is_shared: bool) -> None:
    """Serve; what ends it too early is logged, since its reader is a log."""
    import asyncio

    import structlog
    import uvloop

    from stream.serving.service import serve_http

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_http(config, host, port, is_shared=is_shared))
    except OSError as error:
        structlog.get_logger().critical("http.cannot_start", reason=str(error))
        raise Trouble(f"cannot listen at {host}:{port}: {error.strerror or error}") from None
    except Exception as error:  # noqa: BLE001 - a server says what ended it, whatever it was
        structlog.get_logger().critical("http.crashed", exc_info=error)
        raise typer.Exit(FAILED) from None


def _supervise(number: int, host: str, port: int) -> int:
    from stream.clock import SystemClock
    from stream.supervisor import Supervisor

    def command(index: int) -> list[str]:
        place = ["--host", host, "--port", str(port)]
        return [sys.executable, "-m", "stream", "serve", *place, "--worker", str(index)]

    return Supervisor(command, number, SystemClock()).run()
