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
from state.template import parse_template

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
EFFECT_KEY = "automation:event:0:step"
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
        automation_id=UUID(int=1),
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
        contact=contact,
        scope=Scope(contact=contact.scope(audiences or Audiences()), **scope),
        now=NOW,
        run_id=UUID(int=2),
        effect_key=EFFECT_KEY,
        occurrence=0,
        started_from=NOW - timedelta(hours=1),
        previous_at=NOW - timedelta(minutes=5),
        audiences=audiences or Audiences(),
    )


def entered(kind: str, config: Mapping[str, object], **context: object) -> Outcome:
    """Return what a step of this kind answers when it is entered."""
    return KINDS[kind].enter(turn(kind, config, **context))


def resumed(kind: str, config: Mapping[str, object], cause: Cause, **context: object) -> Outcome:
    """Return what a step of this kind answers to a cause."""
    return KINDS[kind].resume(turn(kind, config, **context), cause)
