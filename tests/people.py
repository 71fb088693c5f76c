"""Scenes in which two people meet."""

from __future__ import annotations

from state.turn import Changes
from tests.kit import Scene, contact_event, line, update, wait

#: A wait with something behind it, so that a run which was resumed ends `completed_end`.
WAITING = line(wait("w", "answer"), update("u", properties={"n": 1}))


def met(scene: Scene, **identifiers: str) -> Changes:
    """Let an event name both."""
    return scene.decide(contact_event("identified", scene.now, **identifiers))


def notes(changes: Changes) -> list[str]:
    return [f"{note.verdict} {note.reason.split(':')[0]}" for note in changes.identity_notes]
