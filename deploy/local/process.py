"""Processes and a folder that cannot be left behind."""

import contextlib
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PROGRAM = Path(__file__).with_name("guard.py")

# The process waits for this word, so that it never runs unwatched: killed between the start of the
# process and the word to the guard, we leave a shell that reads the end of its input and exits.
GATE = 'read -r go && exec "$@" </dev/null'


class ProcessFailedError(RuntimeError):
    """A program that we need ended badly or did not answer; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The user that a program runs as, when it is not ours."""

    uid: int
    gid: int


class Guard:
    """Owns processes and a temporary folder; whatever becomes of this program, both go away.

    A helper program (guard.py) holds the other end of a pipe. Use as a context manager.
    """

    folder: Path

    def __init__(self) -> None:
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._helper = subprocess.Popen(
            [sys.executable, "-I", "-S", PROGRAM, "waitline-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._helper.stdout is not None
        with self._helper.stdout as said:
            self.folder = Path(said.readline().decode().strip())
        if not self.folder.is_absolute():
            raise ProcessFailedError(f"{PROGRAM} could not make a temporary folder")
        self.folder.chmod(0o711)  # Postgres may run as another user; what is inside is closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def spawn(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        ends_by: signal.Signals = signal.SIGKILL,
        owner: Owner | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own, its output appended to `log`."""
        with log.open("ab") as output, self._lock:
            if self._closed:
                raise ProcessFailedError("stopping: nothing more is started")
            process = subprocess.Popen(
                ["/bin/sh", "-c", GATE, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
                user=owner.uid if owner else None,
                group=owner.gid if owner else None,
                extra_groups=[] if owner else None,
                env=env,
            )
            self._tell(f"watch {process.pid} {int(ends_by)}")
            self._running[process.pid] = process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as gate:
            gate.write(b"go\n")
        return process

    def run(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        owner: Owner | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        """Run a program to its end.

        Raises:
            ProcessFailedError: when its exit code is not 0.
        """
        process = self.spawn(command, log=log, ends_by=signal.SIGTERM, owner=owner, env=env)
        code = process.wait()
        self.forget(process)
        if code != 0:
            raise ProcessFailedError(f"{Path(command[0]).name} failed ({code}):\n{tail(log)}")

    def forget(self, process: subprocess.Popen[bytes]) -> None:
        """Stop watching a process that has ended."""
        with self._lock:
            if self._running.pop(process.pid, None) and not self._closed:
                self._tell(f"forget {process.pid}")

    def close(self) -> None:
        """End every process and remove the folder; returns when they are gone."""
        with self._lock:
            self._closed = True
            running = list(self._running.values())
        assert self._helper.stdin is not None
        self._helper.stdin.close()  # at this the helper ends them
        for process in running:
            process.wait()
        self._helper.wait()

    def _tell(self, line: str) -> None:
        assert self._helper.stdin is not None
        self._helper.stdin.write(line.encode() + b"\n")
        self._helper.stdin.flush()


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float
) -> None:
    """Wait for a server to answer.

    Raises:
        ProcessFailedError: when it ends, or has not answered in time.
    """
    waiting_ends = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise ProcessFailedError(f"it ended with {process.returncode}:\n{tail(log)}")
        if time.monotonic() > waiting_ends:
            raise ProcessFailedError(f"no answer in {seconds:.0f} s:\n{tail(log)}")
        time.sleep(0.05)


def tail(log: Path, lines: int = 15) -> str:
    """Read the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


_found_ports: set[int] = set()


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on.

    It lies below the ports that systems give to clients: a client that tries again and again to
    reach a server that is down would otherwise, now and then, be given that very port as its own,
    connect to itself, and keep the server from coming back. None is found twice: whoever asked for
    the first may not listen on it yet.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        if port in _found_ports:
            continue
        _found_ports.add(port)
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port
