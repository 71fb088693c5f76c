"""Time zones by their IANA names, from the database that comes with the code (rule T1)."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from state.problem import Problem, ProblemsError, spelled

# Always the packaged database, never the machine's: its version is pinned with the code, so every
# worker computes the same instant whatever its image or PYTHONTZPATH holds. It is read as a module
# is imported: it cannot change while the program runs, so what is decided by it stays pure.
_DATABASE = files("tzdata")

_EXAMPLE = "write an IANA name, such as Europe/Berlin"
_COMPARED_MAX = 80  # characters; comparing takes their square


class ZoneError(ProblemsError):
    """What was given names no time zone."""


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all time zones, in the spelling in which they are accepted."""
    return frozenset(_DATABASE.joinpath("zones").read_text(encoding="utf-8").split())


def zone_of(name: str) -> ZoneInfo | None:
    """Return a time zone, or None if the database has none of this name (any more)."""
    return _load(name) if name in zone_names() else None


def parse_zone(raw: object) -> str:
    """Return the name of a time zone as it was written.

    Raises:
        ZoneError: it names none; says the nearest name that does.
    """
    if isinstance(raw, str) and raw in zone_names():
        return raw
    near = _nearest(raw) if isinstance(raw, str) else None
    hint = f'did you mean "{near}"? ' if near else ""
    raise ZoneError([Problem("", f"{spelled(raw)} is not a time zone", f"{hint}{_EXAMPLE}")])


@cache
def _load(name: str) -> ZoneInfo:
    with _DATABASE.joinpath("zoneinfo", *name.split("/")).open("rb") as stored:
        return ZoneInfo.from_file(stored, key=name)


def _nearest(written: str) -> str | None:
    """Return the place whose name, or whose city, is spelt most like this in any letter case.

    Names such as Etc/GMT+1, which lies west of Greenwich, are nobody's intention.
    """
    spoken: dict[str, str] = {}
    places = (name for name in zone_names() if "/" in name and not name.startswith("Etc/"))
    for name in sorted(places):
        for said in (name, name.rpartition("/")[2]):
            spoken.setdefault(said.casefold(), name)
    folded = written[:_COMPARED_MAX].casefold().replace(" ", "_")
    near = get_close_matches(folded, spoken, n=1, cutoff=0.8)
    return spoken[near[0]] if near else None
