"""What every process can say of itself, under the names that watchers expect."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from stream.metrics.families import Family, Sample, gauge

_STATM = Path("/proc/self/statm")


def process_families() -> list[Family]:
    """Return the processor's time that this process has used, and the memory that it has."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = Sample((), used.ru_utime + used.ru_stime)
    found = [
        Family(
            "process_cpu_seconds_total", "counter", "User and system time, in seconds.", (seconds,)
        )
    ]
    if _STATM.exists():
        pages = int(_STATM.read_text().split()[1])
        size = pages * os.sysconf("SC_PAGE_SIZE")
        found.append(gauge("process_resident_memory_bytes", "Memory that is resident.", size))
    return found
