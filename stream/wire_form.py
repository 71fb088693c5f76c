"""How events are published: in which form, to which topic, as whose (rules E1, E2)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class WireForm(StrEnum):
    """The forms in which an event may be published."""

    JSON = "json"
    CLOUDEVENTS = "cloudevents"
    CLOUDEVENTS_BINARY = "cloudevents-binary"


class Way(NamedTuple):
    """How to publish; an event is plain, and goes to its usual topic, unless said otherwise.

    Usual is the contacts topic for contact events and the events topic for all others. A
    CloudEvent's source is the topic unless it is given, as that of a plain event is.
    """

    topic: str | None = None
    form: WireForm = WireForm.JSON
    source: str | None = None


USUAL = Way()
