"""`waitline serve` in a process of its own for one measurement, and a key to it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil

from deploy.local.process import free_port
from tests.bench.house import ROOT, House

#: How long a server may take until it answers, in seconds.
READY_SECONDS = 60.0

#: No key's allowance is what is measured.
UNLIMITED = {"WAITLINE_HTTP_RATE": "1000000", "WAITLINE_HTTP_BURST": "1000000"}


@dataclass(frozen=True, slots=True)
class Served:
    """Where a server listens, a key that may do everything, and its process."""

    port: int
    key: str
    process: psutil.Process


@asynccontextmanager
async def served(made: House) -> AsyncIterator[Served]:
    """Serve a house until the block ends.

    Raises:
        RuntimeError: the server has not begun, or has ended before; the message has its log's end.
    """
    environment = os.environ | made.environment | UNLIMITED
    key = await asyncio.to_thread(_make_key, environment)
    port, log = free_port(), made.stack.folder / f"serve-{uuid4().hex[:6]}.log"
    process = _started(port, log, environment)
    try:
        if not await asyncio.to_thread(_is_ready, port, process):
            raise RuntimeError(log.read_text()[-3000:])
        yield Served(port, key, psutil.Process(process.pid))
        if process.poll() is not None:
            raise RuntimeError(log.read_text()[-3000:])
    finally:
        process.terminate()
        process.wait(30)


def _started(port: int, log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "stream", "serve", "--port", str(port)]
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)


def _make_key(environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "stream", "keys", "create", "bench", "--json"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return str(json.loads(said.stdout)["key"])


def _is_ready(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return True
        except OSError:
            time.sleep(0.1)
    return False
