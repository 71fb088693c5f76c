"""Workers in processes of their own, which signals can reach."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

#: A worker process that is warm: all is imported, it begins at its first line of input, and ends
#: when that input does, so that none outlives its test.
WARM_WORKER = """
import os, sys, threading
import stream.service, stream.cli, uvloop
sys.stdin.readline()
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(3)), daemon=True).start()
sys.argv = ["waitline", "run"]
stream.cli.main()
"""

#: Imports once, then forks a worker for each line of input; all end with it.
NURSERY = """
import ctypes, json, os, signal, sys
import stream.service, stream.cli, uvloop
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    said = json.loads(line)
    if pid := os.fork():
        print(pid, flush=True)
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    os.environ.update(said["environment"])
    log = os.open(said["log"], os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1), os.dup2(log, 2), os.close(0)
    sys.argv = ["waitline", "run"]
    stream.cli.main()
"""


@dataclass(slots=True)
class Child:
    """A worker process that another one made."""

    pid: int
    log: Path

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of this event; a half-written last line is left out."""
        found = []
        for line in self.log.read_text().splitlines():
            if f'"{event}"' in line and line.endswith("}"):
                said = json.loads(line)
                found += [said] if said.get("event") == event else []
        return found


@dataclass(slots=True)
class Nursery:
    """Makes worker processes at once, as all was imported before."""

    popen: subprocess.Popen[str]
    folder: Path

    def fork(self, **changes: str) -> Child:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        log = self.folder / f"worker-{uuid4().hex[:8]}.log"
        log.touch()
        self.popen.stdin.write(json.dumps({"environment": changes, "log": str(log)}) + "\n")
        self.popen.stdin.flush()
        return Child(int(self.popen.stdout.readline()), log)


@dataclass(slots=True)
class Process(Child):
    """A worker in a process of its own, which signals can reach."""

    popen: subprocess.Popen[bytes]

    def start(self) -> Process:
        """Let the warm process begin its work."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(b"go\n")
        self.popen.stdin.flush()
        return self

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    async def ended(self, seconds: float = 20.0) -> int:
        """Wait for the end; return the exit code."""
        return await asyncio.to_thread(self.popen.wait, seconds)

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(10)
        assert self.popen.stdin is not None
        self.popen.stdin.close()
