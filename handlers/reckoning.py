"""Instants computed from durations: in whose time zone, and what the record says of it (T1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from handlers.decision import Turn
from state.automation import Version
from state.contact import Contact
from state.duration import Duration
from state.moment import moment_text
from state.zone import zone_of

#: The time zone where neither the contact nor the automation names one.
DEFAULT_ZONE = "UTC"


class Reckoned(NamedTuple):
    """A computed instant, and what the step's output says of it: nothing for exact durations."""

    at: datetime
    said: Mapping[str, object]


class Zoned(NamedTuple):
    """The time zone that counts, and the names passed over because no database has them now."""

    zone: ZoneInfo
    unknown: tuple[str, ...]


def zone_for(contact: Contact, version: Version) -> Zoned:
    """Return the contact's time zone, else the automation's, else UTC (rule T1)."""
    unknown: tuple[str, ...] = ()
    for name in (contact.profile.fields.get("time_zone"), version.time_zone, DEFAULT_ZONE):
        if not isinstance(name, str):
            continue
        zone = zone_of(name)
        if zone is not None:
            return Zoned(zone, unknown)
        unknown += (name,)
    raise AssertionError(f"the time zone database has no {DEFAULT_ZONE}")


def later(turn: Turn, span: Duration, called: str) -> Reckoned:
    """Return the instant that lies a duration after now; the output calls it `called`."""
    if span.is_exact:
        return Reckoned(turn.now + span.exact, {})
    zoned = zone_for(turn.contact, turn.version)
    return _reckoned(span.add(turn.now, zoned.zone), zoned, called)


def earlier(turn: Turn, span: Duration, called: str) -> Reckoned:
    """Return the instant that lies a duration before now; the output calls it `called`."""
    if span.is_exact:
        return Reckoned(turn.now - span.exact, {})
    zoned = zone_for(turn.contact, turn.version)
    return _reckoned(span.before(turn.now, zoned.zone), zoned, called)


def _reckoned(at: datetime, zoned: Zoned, called: str) -> Reckoned:
    said: dict[str, object] = {called: moment_text(at), "time_zone": zoned.zone.key}
    if zoned.unknown:
        said["unknown_time_zones"] = list(zoned.unknown)
    return Reckoned(at, said)
