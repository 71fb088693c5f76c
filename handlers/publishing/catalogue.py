"""From stored definitions to the catalogue that decisions are made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from handlers.publishing.drawing import Drawing, DrawnStep, parse_drawing
from handlers.publishing.graph import graph_order
from handlers.step import StepKind
from state.automation import Automation, Catalogue, Step, StoredVersion, Version
from state.pausing import NEVER_PAUSED
from state.problem import Collector

#: No automation has this id: what one would listen to is asked before there is one.
_NOBODY = UUID(int=0)


def compile_version(
    automation_id: UUID, name: str, number: int, definition: Mapping[str, object]
) -> Version:
    """Return the version that a published definition means.

    Raises:
        ProblemsError: the definition was not published by this code, or by code that allowed more.
    """
    found = Collector(f'automation "{name}" version {number}')
    drawing = parse_drawing(definition, {}, found)
    found.check()
    trigger = next(step for step in drawing.steps.values() if step.is_trigger)
    (start,) = _kind_of(trigger).arms(trigger.config)
    exits = frozenset(rule.event_name for rule in drawing.exits)
    time_zone = definition.get("time_zone")
    arms = {
        key: arms
        for key, step in drawing.steps.items()
        if not step.is_trigger and (arms := _kind_of(step).arms(step.config))
    }
    return Version(
        automation_id=automation_id,
        automation_name=name,
        number=number,
        trigger_key=trigger.key,
        trigger_event=start.event_name,
        trigger_filter=start.filter,
        reentry=drawing.reentry,
        exits=drawing.exits,
        steps={key: _compile_step(step) for key, step in drawing.steps.items()},
        order=graph_order(tuple(drawing.steps), drawing.connections),
        successors={(each.source, each.branch): each.target for each in drawing.connections},
        arms=arms,
        templates=drawing.templates,
        names=exits | _listened_to(drawing),
        awaited=frozenset(arm.event_name for some in arms.values() for arm in some),
        time_zone=time_zone if isinstance(time_zone, str) else None,
    )


def compile_catalogue(
    revision: int,
    rows: Sequence[StoredVersion],
    interest_since: Mapping[str, datetime],
    compiled: Mapping[tuple[UUID, int], Version] | None = None,
) -> Catalogue:
    """Return the catalogue of these rows; `compiled` are versions known already.

    They are immutable, but for the name of their automation.

    `starts` lists stopped automations too, so that a refusal can say so (rule S1).
    """
    versions = {
        (row.automation_id, row.number): _known(row, compiled or {})
        or compile_version(row.automation_id, row.name, row.number, row.definition)
        for row in rows
    }
    current = sorted(
        (row for row in rows if row.is_current), key=lambda row: str(row.automation_id)
    )
    automations = {
        row.automation_id: Automation(
            automation_id=row.automation_id,
            name=row.name,
            is_enabled=row.is_enabled,
            enabled_at=row.enabled_at,
            current=versions[row.automation_id, row.number],
        )
        for row in current
    }
    starts: dict[str, tuple[Automation, ...]] = {}
    for automation in automations.values():
        event = automation.current.trigger_event
        starts[event] = (*starts.get(event, ()), automation)
    pausings = {row.automation_id: row.pausing for row in rows if row.pausing != NEVER_PAUSED}
    return Catalogue(revision, automations, versions, starts, interest_since, pausings=pausings)


def names_of(definition: Mapping[str, object]) -> frozenset[str]:
    """Return the names of all events that an automation so defined listens to."""
    return compile_version(_NOBODY, "", 1, definition).names


def _known(row: StoredVersion, compiled: Mapping[tuple[UUID, int], Version]) -> Version | None:
    known = compiled.get((row.automation_id, row.number))
    return None if known is None or known.automation_name != row.name else known


def _kind_of(step: DrawnStep) -> StepKind:
    assert step.kind is not None, "a step without problems has a kind"
    return step.kind


def _compile_step(step: DrawnStep) -> Step:
    return Step(step.key, _kind_of(step).name, step.config, step.raw_config)


def _listened_to(drawing: Drawing) -> frozenset[str]:
    """Return the names of the events that the steps listen to (rule E7)."""
    return frozenset(
        name for step in drawing.steps.values() for name in _kind_of(step).names(step.config)
    )
