"""Who is at the keyboard, for the audit log (rule O4)."""

from __future__ import annotations

import getpass
import socket


def who_operates() -> str:
    """Return the user and the machine that a command runs as."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"cli:{user}@{socket.gethostname()}"
