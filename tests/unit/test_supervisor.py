"""Supervised workers: started again after a crash, drained on one signal, killed on two."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

ROOT = Path(__file__).parents[2]
T = TypeVar("T")

#: Supervises fake workers; each writes its pid into the folder given, then does as it is told.
SUPERVISOR = """
import sys
from stream.clock import SystemClock
from stream.supervisor import Limits, Supervisor

folder, number, *worker = sys.argv[1:]
limits = Limits(backoff_first=0.05, backoff_max=0.2, quick=5.0, quick_max=3)
command = lambda index: [sys.executable, *worker, folder, str(index)]
sys.exit(Supervisor(command, int(number), SystemClock(), limits).run())
"""

WORKER = """
import os, pathlib, signal, sys, time
folder, index = pathlib.Path(sys.argv[1]), sys.argv[2]
behaviour = (folder / f"behaviour-{index}").read_text()
def drained(*_):
    (folder / f"drained-{index}").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "deaf" else drained)
(folder / f"pid-{index}-{os.getpid()}").touch()
if behaviour == "crash":
    sys.exit(3)
if behaviour == "crash once" and not (folder / f"crashed-{index}").exists():
    (folder / f"crashed-{index}").touch()
    sys.exit(3)
while True:
    time.sleep(0.05)
"""


def until(condition: Callable[[], T], seconds: float = 20.0) -> T:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)
    return found


class House:
    """A supervisor with fake workers, each behaving as it is told."""

    def __init__(self, folder: Path, *behaviours: str) -> None:
        self.folder = folder
        for index, behaviour in enumerate(behaviours):
            (folder / f"behaviour-{index}").write_text(behaviour)
        script = folder / "worker.py"
        script.write_text(WORKER)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(folder), str(len(behaviours)), str(script)],
            cwd=ROOT,
            start_new_session=True,
        )

    def started(self, index: int) -> list[int]:
        """Return the pids of all that were ever started in a place."""
        return [int(path.name.split("-")[2]) for path in self.folder.glob(f"pid-{index}-*")]

    def living(self) -> list[int]:
        pids = [pid for path in self.folder.glob("pid-*") if (pid := int(path.name.split("-")[2]))]
        return [pid for pid in pids if psutil.pid_exists(pid) and not is_zombie(pid)]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pid in self.living():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def build(*behaviours: str) -> House:
        houses.append(House(tmp_path, *behaviours))
        return houses[-1]

    yield build
    for one in houses:
        one.close()


def test_a_signal_drains_all_workers_and_the_exit_code_is_0(house: Callable[..., House]) -> None:
    work = house("drain", "drain")
    until(lambda: len(work.living()) == 2)
    work.process.send_signal(signal.SIGTERM)
    assert work.process.wait(20) == 0
    assert all((work.folder / f"drained-{index}").exists() for index in range(2))
    assert work.living() == []


def test_ctrl_c_reaches_a_worker_once_and_as_a_drain(house: Callable[..., House]) -> None:
    """The terminal signals the whole foreground group; a worker must not hear it twice."""
    work = house("drain")
    until(lambda: len(work.living()) == 1)
    os.killpg(work.process.pid, signal.SIGINT)
    assert work.process.wait(20) == 0
    assert (work.folder / "drained-0").exists()


def test_a_worker_that_crashes_is_started_again_and_the_others_go_on(
    house: Callable[..., House],
) -> None:
    work = house("crash once", "drain")
    until(lambda: len(work.started(0)) == 2)
    until(lambda: len(work.living()) == 2)
    assert len(work.started(1)) == 1
    work.process.send_signal(signal.SIGTERM)
    assert work.process.wait(20) == 0


def test_a_worker_killed_from_outside_is_started_again(house: Callable[..., House]) -> None:
    work = house("drain")
    (first,) = until(lambda: work.started(0))
    os.kill(first, signal.SIGKILL)
    until(lambda: len(work.started(0)) == 2)


def test_quick_crashes_are_given_up_and_the_others_drained(house: Callable[..., House]) -> None:
    work = house("crash", "drain")
    until(lambda: work.started(1))
    assert work.process.wait(20) == 1
    assert len(work.started(0)) == 3
    assert (work.folder / "drained-1").exists()
    assert work.living() == []


def test_a_second_signal_kills_at_once(house: Callable[..., House]) -> None:
    work = house("deaf", "deaf")
    until(lambda: len(work.living()) == 2)
    work.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert len(work.living()) == 2
    work.process.send_signal(signal.SIGTERM)
    assert work.process.wait(20) == 1
    assert work.living() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a parent's death")
def test_no_worker_outlives_a_supervisor_that_was_killed(house: Callable[..., House]) -> None:
    work = house("deaf", "drain")
    until(lambda: len(work.living()) == 2)
    work.process.kill()
    work.process.wait()
    until(lambda: work.living() == [])
