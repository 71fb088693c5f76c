"""Folders filled once from a registry, then kept in the user's cache."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path


def cached_folder(name: str, sources: Iterable[Path]) -> Path:
    """Name the folder that is filled as these files say; it exists only when it is whole."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    fingerprint = hashlib.sha256(b"".join(source.read_bytes() for source in sources))
    return Path(cache, "waitline", f"{name}-{fingerprint.hexdigest()[:12]}")


def fill_once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Have a cached folder filled if it is not there; return it.

    Two programs that start at once do not see half of it: one fills a folder beside it, under a
    lock, and renames it; the other waits.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            unfinished = folder.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)  # what an interrupted start left
            fill(unfinished)
            unfinished.rename(folder)
    return folder
