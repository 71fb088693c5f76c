"""An event in front of the directory of people: who it names, and what is noted of that (I2)."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, field

from handlers.merge import Joined
from handlers.world import Findings, World
from state.event import Event
from state.evidence import Finding
from state.turn import IdentityNote


class Sighting(Struct, frozen=True):
    """One event, its V, and the evidence that gathers while its identifiers are judged.

    What is found of who is who is kept twice: with the event, if it is stored, and apart from it,
    because most events that only link are not stored. `joined` are the merges it has brought about
    whose runs have not been looked after yet; `apart` the contacts it was refused to join.
    """

    world: World
    event: Event
    v: datetime
    findings: Findings = field(default_factory=list)
    joined: list[Joined] = field(default_factory=list)
    apart: set[int] = field(default_factory=set)

    def note(self, contact_id: int, verdict: str, reason: str) -> None:
        """Keep one verdict on this contact's identity: `merge_blocked` and the like."""
        self.findings.append(Finding("identity", verdict, reason=reason))
        note = IdentityNote(contact_id, self.event.id, self.event.coordinates, verdict, reason)
        self.world.changes.identity_notes.append(note)
