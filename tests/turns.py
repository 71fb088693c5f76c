"""Turns of steps, made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from handlers.decision import Cause, Outcome, Turn
from handlers.evaluate import Scope
from handlers.steps import KINDS
from state.audience import Audiences
from state.automation import Reentry, Step, Version
from state.contact import Contact, Profile
from state.event import Coordinates
from state.run import Resolved, Run, Trigger
from state.template import parse_template

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
AUTOMATION_ID, TRIGGER_KEY = UUID(int=1), UUID(int=3)
EFFECT_KEY = f"{AUTOMATION_ID}:{TRIGGER_KEY}:0:step"
ANN = Contact(
    7, NOW - timedelta(days=9), profile=Profile(fields={"email": "ann@x.io", "first_name": "Ann"})
)


def turn(
    kind: str,
    config: Mapping[str, object],
    *,
    contact: Contact = ANN,
    templates: Mapping[str, object] | None = None,
    audiences: Audiences | None = None,
    **scope: Mapping[str, object],
) -> Turn:
    """Return the turn of a step of this kind, at NOW, in a run that began an hour ago."""
    step = Step("step", kind, KINDS[kind].parse(config), config)
    parsed = {name: parse_template(raw) for name, raw in (templates or {}).items()}
    version = Version(
        automation_id=AUTOMATION_ID,
        automation_name="A",
        number=1,
        trigger_key="start",
        trigger_event="order.completed",
        trigger_filter=None,
        reentry=Reentry(),
        exits=(),
        steps={"step": step},
        order=("step",),
        successors={},
        arms={},
        templates=parsed,
        names=frozenset(),
    )
    return Turn(
        step=step,
        version=version,
        read_contact=lambda: contact,
        read_scope=lambda: Scope(contact=contact.scope(audiences or Audiences()), **scope),
        now=NOW,
        run=_run(),
        previous_at=NOW - timedelta(minutes=5),
        audiences=audiences or Audiences(),
    )


def _run() -> Run:
    began = NOW - timedelta(hours=1)
    place = Coordinates("events", 0, 0)
    trigger = Trigger(TRIGGER_KEY, "e1", "order.completed", began, began, place, {}, began)
    resolved = Resolved("email", "ann@x.io", "first seen in e1")
    return Run(UUID(int=2), ANN.contact_id, AUTOMATION_ID, 1, trigger, resolved, began, began, NOW)


def entered(kind: str, config: Mapping[str, object], **context: object) -> Outcome:
    """Return what a step of this kind answers when it is entered."""
    return KINDS[kind].enter(turn(kind, config, **context))


def resumed(kind: str, config: Mapping[str, object], cause: Cause, **context: object) -> Outcome:
    """Return what a step of this kind answers to a cause."""
    return KINDS[kind].resume(turn(kind, config, **context), cause)
