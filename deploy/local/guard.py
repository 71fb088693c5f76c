"""The program that outlives ours for a second: it ends what we started and removes our folder.

It is run as `python guard.py PREFIX`, makes a temporary folder, prints its path, and reads lines:

    watch PID SIGNAL    end this process (the leader of its own session) with SIGNAL
    forget PID          it has ended; its number may soon be another's

When its standard input closes, because we are done or because we were killed, even by kill -9, it
sends every watched process its signal, kills what still lives after a while, removes the folder
and exits. It takes no signals of its own, so that a second Ctrl-C cannot stop it half way.
"""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

PATIENCE_SECONDS = 6.0
"""How long a process has to end by its signal; Postgres gives its own children five seconds."""


def main(prefix: str) -> None:
    """Keep the folder until standard input closes, then end and remove everything."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    folder = tempfile.mkdtemp(prefix=prefix)
    with contextlib.suppress(BrokenPipeError):  # killed before it read: then listen ends at once
        os.write(sys.stdout.fileno(), f"{folder}\n".encode())
    end(listen())
    shutil.rmtree(folder, ignore_errors=True)


def listen() -> dict[int, int]:
    """Follow the lines until they end; answer what is then still to be ended, and how."""
    watched: dict[int, int] = {}
    for line in sys.stdin:
        match line.split():
            case ["watch", pid, how]:
                watched[int(pid)] = int(how)
            case ["forget", pid]:
                watched.pop(int(pid), None)
            case _:
                raise ValueError(line)
    return watched


def end(watched: dict[int, int]) -> None:
    """Signal each process, wait for all, and kill those that stay, with what they started.

    The first signal is for the process alone: initdb, say, ends well when its child may finish.
    """
    for pid, how in watched.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)  # a frozen process would never see the next one
            os.kill(pid, how)
    patience_ends = time.monotonic() + PATIENCE_SECONDS
    while any(lives(pid) for pid in watched) and time.monotonic() < patience_ends:
        time.sleep(0.02)
    for pid in watched:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    """Tell whether a process still runs, and is not just a number nobody has collected yet."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc on this system
        return True
    return stat.rpartition(")")[2].split()[0] != "Z"


if __name__ == "__main__":
    main(sys.argv[1])
