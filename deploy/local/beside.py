"""`waitline` processes that run beside the demo's stories."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.process import tail
from deploy.local.stack import LocalStack
from deploy.local.telling import StoryError

#: How long one may take to drain at the end, in seconds; its own bound is shorter.
DRAIN_SECONDS = 25


@dataclass(frozen=True, slots=True)
class Beside:
    """A process, by the command that it runs."""

    command: str
    process: subprocess.Popen[bytes]
    log: Path

    def require_alive(self) -> None:
        """Refuse to go on without it.

        Raises:
            StoryError: it has ended, with the last lines of its log.
        """
        if self.process.poll() is not None:
            raise StoryError(f"`waitline {self.command}` ended:\n{tail(self.log)}")


@contextmanager
def beside(stack: LocalStack, command: str, *options: str, **variables: str) -> Iterator[Beside]:
    """Run a `waitline` command until the block ends, and let it drain then.

    `variables` are set for it alone. Whatever becomes of this program, it does not outlive the
    stack.

    Raises:
        StoryError: it ended before.
    """
    log = stack.folder / f"{command}.log"
    log.touch()
    process = stack.guard.spawn(
        [sys.executable, "-m", "stream", command, *options], log=log, env=os.environ | variables
    )
    running = Beside(command, process, log)
    try:
        yield running
        running.require_alive()
    finally:
        _end(process)
        stack.guard.forget(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
