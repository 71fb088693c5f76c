"""Which version of a program is here."""

import re
import subprocess
from pathlib import Path


def major_version(program: str | Path, option: str, before: str) -> int:
    """Ask a program for its version; answer the number behind `before`, 0 for what does not run."""
    try:
        said = subprocess.run([program, option], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(before + r"(\d+)", said.stdout + said.stderr)
    return int(version[1]) if version else 0
