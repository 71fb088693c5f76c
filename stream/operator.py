"""Who is at the keyboard, and why they do what they do, for the audit log (rule O4)."""

from __future__ import annotations

import getpass
import socket

from stream.trouble import MISUSED, Trouble


def who_operates() -> str:
    """Return the user and the machine that a command runs as."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"cli:{user}@{socket.gethostname()}"


def reason_given(why: str | None) -> str:
    """Return why an operator does what must be accounted for; whoever gives no reason is refused.

    Raises:
        Trouble: there is none.
    """
    if why is None or not why.strip():
        missing = "missing" if why is None else "empty"
        raise Trouble(f"--why is {missing}: say why, for whoever reads the audit log", MISUSED)
    return why
