"""`waitline run`: workers, in this process or as supervised children."""

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


def run(
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="How many processes; the default is WAITLINE_WORKERS."),
    ] = None,
    worker: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run workers until they are told to stop: Ctrl-C or SIGTERM drains, a second one kills.

    They share the partitions: one worker a core is a good measure.

    Example: waitline run --workers 4
    """
    # Until the worker listens for itself, nothing is under way that had to be drained.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from stream.telemetry import configure_logs

    config = access.settings()
    configure_logs(config.log_format, config.log_level)
    number = workers or config.workers
    access.run(access.require_migrated(config))
    if worker is not None or number == 1:
        _work(config, worker or 0)
    else:
        raise typer.Exit(_supervise(number))


def _work(config: Settings, index: int) -> None:
    """Be one worker; what ends it too early is logged, since its reader is a log."""
    import asyncio

    import structlog
    import uvloop

    from stream.listening import CannotListen
    from stream.service import run_worker

    structlog.contextvars.bind_contextvars(worker=index)
    try:
        with (
            access.kafka_troubles(config),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(run_worker(config, index))
    except (Trouble, CannotListen) as trouble:
        structlog.get_logger().critical("worker.cannot_start", remedy=str(trouble))
        raise Trouble(str(trouble)) from None
    except Exception as error:  # noqa: BLE001 - a worker says what ended it, whatever it was
        trace = error if config.log_level == "DEBUG" else None
        structlog.get_logger().critical("worker.crashed", causes=causes(error), exc_info=trace)
        raise typer.Exit(FAILED) from None


def _supervise(number: int) -> int:
    from stream.clock import SystemClock
    from stream.supervisor import Supervisor

    def command(index: int) -> list[str]:
        return [sys.executable, "-m", "stream", "run", "--worker", str(index)]

    return Supervisor(command, number, SystemClock()).run()
