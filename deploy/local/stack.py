"""Kafka and Postgres for a demo or a test: real, local, gone without a trace afterwards."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from deploy.local.jars import jars_folder
from deploy.local.kafka import LocalBroker
from deploy.local.postgres import LocalPostgres
from deploy.local.process import Guard


class LocalStack:
    """Starts a broker and a database server at once; ends both, and removes their files.

    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL, where set, name a Kafka and a Postgres to use
    instead; then `broker` or `postgres` is None. A short-lived stack starts sooner; it is for
    tests, not for measurements. Use as a context manager. In the main thread SIGTERM becomes
    SystemExit, so that it too is an orderly end.
    """

    def __init__(
        self,
        *,
        kafka: bool = True,
        postgres: bool = True,
        short_lived: bool = False,
        report: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.broker: LocalBroker | None = None
        self.postgres: LocalPostgres | None = None
        self._wants_broker = kafka and not os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        self._wants_postgres = postgres and not os.environ.get("DATABASE_URL")
        self._short_lived = short_lived
        self._report = report
        self._cleanup = ExitStack()

    @property
    def guard(self) -> Guard:
        """What ends processes when the stack goes, and whatever becomes of this program."""
        return self._guard

    @property
    def folder(self) -> Path:
        """A temporary folder that goes when the stack goes."""
        return self._guard.folder

    @property
    def bootstrap_servers(self) -> str:
        """The address of Kafka."""
        return (
            self.broker.bootstrap_servers if self.broker else os.environ["KAFKA_BOOTSTRAP_SERVERS"]
        )

    @property
    def database_url(self) -> str:
        """The DSN of a database of Postgres that is there from the start."""
        return self.postgres.dsn() if self.postgres else os.environ["DATABASE_URL"]

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            self._end_orderly_on_sigterm(cleanup)
            self._guard = cleanup.enter_context(Guard())
            self._start()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def _start(self) -> None:
        starts: list[Callable[[], None]] = []
        if self._wants_broker:
            self.broker = LocalBroker(self._guard, short_lived=self._short_lived)
            starts.append(self._start_broker)
        if self._wants_postgres:
            self.postgres = LocalPostgres(self._guard, fsync=not self._short_lived)
            starts.append(self._start_postgres)
        if not starts:
            return
        with ThreadPoolExecutor(len(starts)) as threads:
            try:
                for started in as_completed([threads.submit(start) for start in starts]):
                    started.result()
            except BaseException:
                self._guard.close()  # ends what the other thread waits for
                raise

    def _start_broker(self) -> None:
        assert self.broker is not None
        if not jars_folder().is_dir():
            self._report("fetching Kafka's jars by Maven, once (half a minute)")
        self.broker.start()
        self._report(f"Kafka answers at {self.bootstrap_servers}")

    def _start_postgres(self) -> None:
        assert self.postgres is not None
        self.postgres.start()
        self._report(f"Postgres answers at {self.database_url}")

    def _end_orderly_on_sigterm(self, cleanup: ExitStack) -> None:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            cleanup.callback(signal.signal, signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
