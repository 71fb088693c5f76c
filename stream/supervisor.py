"""Several workers of one group as child processes: started, restarted, stopped together.

A child is never left behind: it is told to drain when the supervisor is, killed when the supervisor
is told twice, and killed by the kernel when the supervisor itself is killed.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from stream.clock import Clock

log = structlog.get_logger()

_PR_SET_PDEATHSIG = 1
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a crashed worker is started again, and when that is given up."""

    backoff_first: float = 0.5
    backoff_max: float = 30.0
    #: A worker that lived for less than this, in seconds, crashed quickly.
    quick: float = 10.0
    #: So many quick crashes of one worker in a row, and all of it is given up.
    quick_max: int = 5


@dataclass(slots=True)
class _Slot:
    """The place of one worker: its process, or when the next one is due."""

    index: int
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    quick_crashes: int = 0
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Keeps `number` workers running; `command` says how to start the one of an index."""

    command: Callable[[int], Sequence[str]]
    number: int
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    _slots: list[_Slot] = field(default_factory=list)
    _asked_to_stop: int = 0
    _has_failed: bool = False

    def run(self) -> int:
        """Supervise until all workers have ended; return the exit code: 0 if they all drained."""
        log.info("supervisor.started", workers=self.number, pid=os.getpid())
        self._slots = [_Slot(index) for index in range(self.number)]
        with _signals() as wait:
            try:
                for slot in self._slots:
                    self._start(slot)
                while any(slot.process or slot.restart_at is not None for slot in self._slots):
                    for number in wait(self._next_restart_in()):
                        self._hear(number)
                    self._reap()
                    self._restart_due()
            finally:
                self._signal(signal.SIGKILL)
        log.info("supervisor.ended", failed=self._has_failed)
        return int(self._has_failed)

    def _start(self, slot: _Slot) -> None:
        parent = os.getpid()
        slot.restart_at = None
        slot.started_at = self.clock.monotonic()
        slot.process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            self.command(slot.index),
            stdin=subprocess.DEVNULL,
            # A group of its own: the terminal's Ctrl-C must reach a worker once, through us.
            process_group=0,
            preexec_fn=lambda: _die_with(parent),
        )
        log.info("supervisor.worker_started", worker=slot.index, pid=slot.process.pid)

    def _hear(self, number: int) -> None:
        if number not in _STOPPING:
            return
        self._asked_to_stop += 1
        if self._asked_to_stop == 1:
            log.info("supervisor.draining")
            self._stop()
        else:
            log.warning("supervisor.killing")
            self._has_failed = True
            self._signal(signal.SIGKILL)

    def _stop(self) -> None:
        """Let the workers drain, and start no more."""
        for slot in self._slots:
            slot.restart_at = None
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.process is not None:
                slot.process.send_signal(number)

    def _reap(self) -> None:
        for slot in self._slots:
            if slot.process is not None and (code := slot.process.poll()) is not None:
                slot.process = None
                self._ended(slot, code)

    def _ended(self, slot: _Slot, code: int) -> None:
        if code == 0:
            log.info("supervisor.worker_drained", worker=slot.index)
            return
        lived = self.clock.monotonic() - slot.started_at
        is_quick = lived < self.limits.quick
        slot.quick_crashes = slot.quick_crashes + 1 if is_quick else 0
        log.error("supervisor.worker_crashed", worker=slot.index, code=code, lived=round(lived, 1))
        if self._asked_to_stop or self._has_failed:
            self._has_failed = True
        elif slot.quick_crashes >= self.limits.quick_max:
            log.error("supervisor.gave_up", worker=slot.index, crashes=slot.quick_crashes)
            self._has_failed = True
            self._stop()
        else:
            pause = self.limits.backoff_first * 2 ** max(0, slot.quick_crashes - 1)
            pause = self.clock.jittered(min(pause, self.limits.backoff_max))
            slot.restart_at = self.clock.monotonic() + pause

    def _next_restart_in(self) -> float | None:
        due = [slot.restart_at for slot in self._slots if slot.restart_at is not None]
        return max(0.0, min(due) - self.clock.monotonic()) if due else None

    def _restart_due(self) -> None:
        now = self.clock.monotonic()
        for slot in self._slots:
            if slot.restart_at is not None and slot.restart_at <= now:
                self._start(slot)


@contextmanager
def _signals() -> Iterator[Callable[[float | None], bytes]]:
    """Collect signals in a pipe, where they can be waited for together with time.

    Nothing is lost between looking and waiting, which handlers that set a flag cannot promise.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    heard = (*_STOPPING, signal.SIGCHLD)
    before = {number: signal.signal(number, lambda *_: None) for number in heard}
    waking = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def wait(seconds: float | None) -> bytes:
        ready, _, _ = select.select([reading], [], [], seconds)
        return os.read(reading, 4096) if ready else b""

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(waking)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


if sys.platform == "linux":
    _libc = ctypes.CDLL(None)

    def _die_with(parent: int) -> None:
        """In the child: be killed when the supervisor dies, by whatever; or at once if it has."""
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
else:

    def _die_with(parent: int) -> None:
        """Elsewhere than on Linux the kernel offers no such thing; workers are fenced instead."""
