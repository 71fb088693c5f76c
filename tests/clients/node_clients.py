"""Vendors' clients from npm, each a program of its own that is told what to do."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.local.node import NodeMissingError, fetch_packages
from tests.clients.served import Served

DRIVERS = Path(__file__).with_name("node")


def packages_or_skip() -> Path:
    """Return the folder of the pinned packages; without Node, skip loudly, and fail in CI."""
    try:
        return fetch_packages()
    except NodeMissingError as missing:
        told = (
            "NOT SHOWN: that npm's resend, resend-cli and @revkeen/sdk work with Waitline, because"
            f" {missing}"
        )
        if os.environ.get("CI"):
            pytest.fail(told, pytrace=False)
        pytest.skip(told)


@dataclass(slots=True)
class Driver:
    """A program of tests/clients/node: a line of JSON in, a line of JSON out."""

    process: asyncio.subprocess.Process

    async def told(self, line: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        answer = await self.process.stdout.readline()
        assert answer, "the program ended: what it printed is in the test's output"
        document: dict[str, Any] = json.loads(answer)
        return document


@asynccontextmanager
async def drive(packages: Path, script: str, environment: Mapping[str, str]) -> AsyncIterator[Any]:
    process = await asyncio.create_subprocess_exec(
        *("node", DRIVERS / script, packages),
        env=os.environ | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    try:
        yield Driver(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


class Refusal(NamedTuple):
    """An error as Resend's client hands it to its user."""

    status: int | None
    name: str
    message: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Resend:
    """npm's `resend`: `await resend("automations.get", id)` is a call as its users write it."""

    driver: Driver

    async def chain(self, *calls: list[Any]) -> Any:
        """Make calls, each on what the one before returned; return the data of the last."""
        answer = await self.driver.told(calls)
        assert answer["error"] is None, answer["error"]
        return answer["data"]

    async def __call__(self, name: str, *given: Any) -> Any:
        """Make a call; return its data."""
        return await self.chain([name, *given])

    async def refusal(self, name: str, *given: Any) -> Refusal:
        """Make a call that is refused; return its error."""
        answer = await self.driver.told([[name, *given]])
        assert answer["data"] is None, answer["data"]
        error = answer["error"]
        assert set(error) == {"statusCode", "name", "message"}
        headers = answer["headers"] or {}
        return Refusal(error["statusCode"], error["name"], error["message"], headers)

    async def headers(self, name: str, *given: Any) -> Any:
        """Make a call; return the headers of its answer."""
        return (await self.driver.told([[name, *given]]))["headers"]


@asynccontextmanager
async def npm_resend(
    packages: Path, served: Served, key: str | None = None, prefix: str = ""
) -> AsyncIterator[Resend]:
    """Start a program that has npm's `resend`, pointed at a server as its users do."""
    environment = {"RESEND_BASE_URL": served.url + prefix, "RESEND_API_KEY": key or served.key}
    async with drive(packages, "resend.mjs", environment) as driver:
        yield Resend(driver)


@dataclass(slots=True)
class ResendCli:
    """npm's `resend-cli`, each command a process, as its users run it."""

    packages: Path
    environment: Mapping[str, str]

    async def __call__(self, *arguments: str) -> Any:
        """Run a command; return what it prints."""
        done = await self._run(arguments)
        assert (done.returncode, done.stderr) == (0, ""), done
        return json.loads(done.stdout)

    async def refusal(self, *arguments: str) -> dict[str, Any]:
        """Run a command that fails; return the error that it prints."""
        done = await self._run(arguments)
        assert (done.returncode, done.stdout) == (1, ""), done
        error: dict[str, Any] = json.loads(done.stderr)["error"]
        return error

    async def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [self.packages / "node_modules/.bin/resend", *arguments],
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def npm_resend_cli(packages: Path, served: Served, key: str | None = None) -> ResendCli:
    """Point npm's `resend-cli` at a server; it tells nobody of it, and reads no one's settings."""
    return ResendCli(
        packages,
        {
            "RESEND_BASE_URL": served.url,
            "RESEND_API_KEY": key or served.key,
            "RESEND_TELEMETRY_DISABLED": "1",
            "RESEND_NO_UPDATE_NOTIFIER": "1",
            "XDG_CONFIG_HOME": str(served.house.folder / "resend-cli"),
        },
    )


@dataclass(slots=True)
class RevKeen:
    """npm's `@revkeen/sdk`, through the request call that all its methods are made of."""

    driver: Driver

    async def __call__(self, method: str, url: str, **options: Any) -> Any:
        """Make a request; return the parsed body of its answer."""
        answer = await self.driver.told({"method": method, "url": url, **options})
        assert "error" not in answer, answer
        return answer["data"]

    async def refusal(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        """Make a request that is refused; return `{status, message, body}`."""
        answer = await self.driver.told({"method": method, "url": url, **options})
        error: dict[str, Any] = answer["error"]
        return error


@asynccontextmanager
async def npm_revkeen(
    packages: Path, served: Served, key: str | None = None
) -> AsyncIterator[RevKeen]:
    """Start a program that has npm's `@revkeen/sdk`, pointed at RevKeen's prefix."""
    base_url = f"{served.url}/revkeen/v2"
    environment = {"REVKEEN_BASE_URL": base_url, "REVKEEN_API_KEY": key or served.key}
    async with drive(packages, "revkeen.mjs", environment) as driver:
        yield RevKeen(driver)
