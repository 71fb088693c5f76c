"""What a failure of Postgres means to the caller: begin again, bisect, or wait for better times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from state.turn import Moved, Refused, Unavailable

#: Somebody else was there first, or two waited for each other: the turn begins again. 0A000 among
#: them is a plan that a migration made invalid while it was cached (reliability.md A6).
_MOVED = ("40001", "40P01", "55P03", "23505")

#: The server is gone, going, full or turned into a replica.
_UNAVAILABLE = ("08", "53", "57", "58", "25006", "25P03")

#: The data can never be stored.
_REFUSED = ("22", "23514", "54")

#: What a driver raises on a connection that is lost, or on one that it had to give up.
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


@contextmanager
def named_failures() -> Iterator[None]:
    """Raise what the drivers' errors mean; those that mean a mistake of ours pass as they are.

    The causes are cut off: their details quote rows, and rows hold people's identifiers.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        named = _meaning(error)
        if named is None:
            raise
        raise named from None
    except (asyncpg.DataError, UnicodeEncodeError, OverflowError) as error:
        # The driver could not encode an argument; COPY says so less politely.
        raise Refused("22000", _first_line(error)) from None
    except asyncpg.InterfaceError as error:
        if "closed" not in str(error) and "released" not in str(error):
            raise
        raise Unavailable(_first_line(error)) from None
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from None


def _meaning(error: asyncpg.PostgresError) -> Exception | None:
    sqlstate = error.sqlstate or ""
    text = _first_line(error)
    if isinstance(error, asyncpg.InvalidCachedStatementError) or sqlstate.startswith(_MOVED):
        return Moved(f"{sqlstate}: {text}")
    if _lacks_partition(error):
        return Unavailable(f"{sqlstate}: {text}; `waitline migrate` makes it now, a worker soon")
    if sqlstate.startswith(_UNAVAILABLE):
        return Unavailable(f"{sqlstate}: {text}")
    if sqlstate.startswith(_REFUSED):
        return Refused(sqlstate, text)
    return None


def _lacks_partition(error: asyncpg.PostgresError) -> bool:
    """Tell a row that no partition takes from one that a CHECK refuses: both are 23514.

    The first is our fault, and bisecting would quarantine every event; the second names its check.
    """
    return isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None


def _first_line(error: Exception) -> str:
    """Return the error's own text, without the detail lines that quote the row."""
    return str(error).split("\n", 1)[0]
