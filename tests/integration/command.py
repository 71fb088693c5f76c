"""Commands run as users run them, in one warm process that has everything imported.

To start Python anew for each would cost a second a command; how a process starts and ends is shown
by the few tests that start one.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]

#: Runs one command a line of input; it ends when its input does, so it outlives no test run.
WARM = """
import io, json, os, sys
from contextlib import redirect_stderr, redirect_stdout
from stream.cli import invoke
bare = dict(os.environ)
for line in sys.stdin:
    asked = json.loads(line)
    os.environ.clear()
    os.environ.update(bare | asked["environment"])
    out, err, stdin = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(asked["stdin"])
    with redirect_stdout(out), redirect_stderr(err):
        code = invoke(asked["arguments"])
    sys.stdin = stdin
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What was printed as JSON; nothing else may stand there."""
        assert self.code == 0, self.err
        return json.loads(self.out)


async def waitline(environment: Mapping[str, str], *arguments: str, stdin: str = "") -> Said:
    """Run a command; it finds servers and topics by this environment."""
    asked = {"environment": dict(environment), "arguments": arguments, "stdin": stdin}
    return Said(*json.loads(await asyncio.to_thread(_ask, json.dumps(asked))))


async def operate(database: str, *arguments: str) -> Said:
    """Run a command that needs Postgres only."""
    return await waitline({"DATABASE_URL": database}, *arguments)


def _ask(line: str) -> str:
    process = _warm()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return process.stdout.readline()


@cache
def _warm() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WARM],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
