"""Who used the processors: workers, Postgres, the broker, we ourselves, and strangers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import psutil


class Spent(NamedTuple):
    """Seconds of wall clock, and seconds of CPU by who spent them; `strangers` are all others."""

    wall: float
    cpu: Mapping[str, float]


class Meter:
    """Measures from its making to each call of `read`."""

    def __init__(self, groups: Mapping[str, psutil.Process]) -> None:
        self._groups = groups
        self._began = time.monotonic()
        self._busy = _busy()
        self._before = {name: _cpu(process) for name, process in groups.items()}

    def read(self) -> Spent:
        """Return what has been spent since the beginning."""
        wall = time.monotonic() - self._began
        cpu = {name: _cpu(process) - self._before[name] for name, process in self._groups.items()}
        strangers = _busy() - self._busy - sum(cpu.values())
        return Spent(wall, cpu | {"strangers": max(0.0, strangers)})


def peak_memory(processes: Iterable[psutil.Process]) -> float:
    """Return the most memory that one of these processes ever held, in MB."""
    peaks = [_peak_kilobytes(process.pid) for process in processes]
    return max(peaks, default=0) / 1024


def _peak_kilobytes(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def _busy() -> float:
    times = psutil.cpu_times()
    return times.user + times.system + times.nice + times.irq + times.softirq


def _cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and of all it has started, ended ones included."""
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        try:
            spent = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += spent.user + spent.system + spent.children_user + spent.children_system
    return total
