"""`waitline serve` in a process of its own, as its users have it, and keys to speak to it with."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from deploy.local.process import free_port
from tests.integration.command import ROOT, waitline
from tests.integration.kit import House
from tests.waiting import until_so


@dataclass(slots=True)
class Served:
    """A server, where it is, a key for it, and where it logs."""

    house: House
    port: int
    key: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: str | None = None, **options: Any) -> httpx.AsyncClient:
        """Return a client that is nobody's in particular."""
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30, **options)

    async def stop(self) -> int:
        """Let the server drain; return its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.popen.wait, 20)


async def make_key(house: House, *options: str) -> str:
    """Make a key as an operator does."""
    said = await waitline(house.environment, "keys", "create", "test", *options, "--json")
    return str(said.document["key"])


@asynccontextmanager
async def serve(house: House, awaited: str = "/readyz", **changes: object) -> AsyncIterator[Served]:
    """Serve a house, waiting until it is ready, or lives; by default, many requests are allowed."""
    given = {"WAITLINE_HTTP_RATE": 1000, "WAITLINE_HTTP_BURST": 1000, **changes}
    port, log = free_port(), house.folder / f"serve-{uuid4().hex[:8]}.log"
    popen = _start(house, port, log, {name: str(value) for name, value in given.items()})
    try:
        served = Served(house, port, await make_key(house), popen, log)
        await until_so(lambda: _answers(served, awaited), 60)
        yield served
        assert "http.broken" not in log.read_text(), log.read_text()
    finally:
        popen.kill()
        popen.wait(10)


def _start(house: House, port: int, log: Path, given: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "stream", "serve", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | house.environment | given,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


async def _answers(served: Served, path: str) -> bool:
    assert served.popen.poll() is None, "the server ended: its log is in the test's folder"
    try:
        async with served.client() as client:
            return (await client.get(path)).is_success
    except httpx.TransportError:
        return False
