"""Why nobody can listen at an address, and what to do about it."""

from __future__ import annotations

import errno
import socket


class CannotListen(Exception):
    """The message says where, why, and what to do."""

    def __init__(
        self, place: tuple[str, int], error: OSError | OverflowError, setting: str
    ) -> None:
        host, port = place
        super().__init__(f"cannot listen at {host}:{port}: {_why(error, setting)}")


def _why(error: OSError | OverflowError, setting: str) -> str:
    """Return the reason and the remedy; `setting` is how the two variables begin."""
    if isinstance(error, OverflowError):
        return f"there is no such port\ngive a lower {setting}_PORT"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no such address\ngive another {setting}_HOST"
    if error.errno == errno.EADDRINUSE:
        return f"another program does\nstop it, or give another {setting}_PORT"
    if error.errno == errno.EACCES:
        return f"the system does not allow it\ngive a {setting}_PORT above 1023"
    return error.strerror or str(error)
