"""How values that SQL does not look into are written: JSON in, JSON out, and back to our types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.json import Encoder
from pydantic_core import from_json

from state.contact import Profile, Stamp
from state.pausing import Freeze, Pausing
from state.postgres.session import Record
from state.turn import Refused


def json_text(value: object) -> str:
    """Return a value as JSON, instants as RFC 3339 with microseconds, UUIDs as text.

    Raises:
        Refused: it holds what JSON cannot, such as half a character.
    """
    try:
        return _ENCODER.encode(value).decode()
    except (TypeError, UnicodeEncodeError) as error:
        raise Refused("22P02", type(error).__name__) from None


def _plain(value: object) -> object:
    """Return what the encoder does not know as something that it does."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


_ENCODER = Encoder(enc_hook=_plain)


def optional_json(value: object) -> str | None:
    """Return a value as JSON, and what is empty or absent as NULL."""
    return json_text(value) if value else None


def parsed(text: str | None) -> Any:
    """Return what JSON text says; None stays None."""
    return None if text is None else from_json(text)


def columns_of(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Return rows turned into columns, as `unnest` takes them."""
    return [list(column) for column in zip(*rows, strict=True)]


def instant(text: str) -> datetime:
    """Return the instant that `json_text` wrote."""
    return datetime.fromisoformat(text)


# --- contacts -------------------------------------------------------------------------------------


def profile_text(profile: Profile) -> str | None:
    """Return a profile as its column holds it: NULL while nothing is known."""
    return None if profile == Profile() else json_text(profile_document(profile))


def profile_document(profile: Profile) -> dict[str, object]:
    """Return a profile as it is stored."""
    return {
        "fields": profile.fields,
        "properties": profile.properties,
        "topics": profile.topics,
        "segments": profile.segments,
        "stamps": profile.stamps,
    }


def read_profile(text: str | None) -> Profile:
    """Return the profile that a column holds."""
    return Profile() if text is None else profile_in(from_json(text))


def profile_in(read: Mapping[str, Any]) -> Profile:
    """Return the profile that `profile_document` wrote."""
    stamps = {name: Stamp(instant(at), by) for name, (at, by) in read["stamps"].items()}
    segments = read.get("segments", {})  # profiles of the first schema have none
    return Profile(read["fields"], read["properties"], read["topics"], stamps, segments)


# --- automations ----------------------------------------------------------------------------------


def read_pausing(row: Record) -> Pausing:
    """Return how the automation of a row is paused."""
    spans = parsed(row["freezes"])
    freezes = tuple(Freeze(instant(since), instant(until)) for since, until in spans)
    return Pausing(row["pause"], row["paused_at"], freezes)
