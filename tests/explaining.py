"""Cases to explain, made of scenes, as the inquiry gathers them."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from handlers.explaining.case import Case
from handlers.explaining.explain import explain
from handlers.explaining.hindsight import RunView
from handlers.publishing.catalogue import compile_version
from state.event import Coordinates
from state.reading import (
    EventRow,
    Found,
    PartitionRow,
    QuarantineRow,
    StoredRun,
    Traces,
    VersionRow,
)
from state.turn import Changes
from tests.kit import NOW, Scene, line, push, wait

PLACE = Coordinates("waitline.events", 0, 7)
OTHER = Coordinates("waitline.events", 1, 3)
WAITING = line(wait("opened", "email.opened", timeout="30 minutes"), push("thanks"))


def row_of(changes: Changes) -> EventRow:
    """Return the last event of a turn as the tables hold it."""
    kept = changes.events[-1]
    of = kept.event
    return EventRow(
        key=of.key,
        source=of.source,
        id=of.id,
        name=of.name,
        occurred_at=of.occurred_at,
        recorded_at=of.recorded_at,
        processed_at=changes.now,
        v=kept.v,
        is_skewed=kept.is_skewed,
        coordinates=of.coordinates,
        contact_id=kept.contact_id,
        resolved=kept.resolved,
        identifiers=of.identifiers,
        payload=of.payload,
        findings=to_builtins(kept.findings),
    )


def case_of(scene: Scene, row: EventRow, **traces: Any) -> Case:
    """Return the case of an event of a scene, as the inquiry gathers it."""
    versions = {
        each.automation_id: VersionRow(each.automation_id, each.name, 1, each.definition)
        for each in scene.tables.definitions
    }
    views = {
        run.run_id: RunView(
            StoredRun(run, versions[run.automation_id]),
            compile_version(*versions[run.automation_id]),
        )
        for run in scene.runs
    }
    return Case(
        asked=row.id,
        at=None,
        traces=Traces(events=[row], **traces),
        runs=views,
        automations={key: version.name for key, version in versions.items()},
        contact=scene.tables.contacts[row.contact_id].scope(scene.tables.audiences),
    )


def explained(scene: Scene, changes: Changes) -> dict[str, Any]:
    return explain(case_of(scene, row_of(changes)))


def only(entries: list[dict[str, Any]]) -> dict[str, Any]:
    (entry,) = entries
    return entry


def unstored(**known: Any) -> dict[str, Any]:
    found = {"decoded": None, "position": None, "log": None} | known
    return explain(Case("evt", PLACE, Traces(), found=Found(**found)))


def position(next_offset: int | None, owner: str | None = "w") -> PartitionRow:
    return PartitionRow("waitline.events", 0, next_offset, NOW, NOW, NOW, NOW, owner)


def letter(winner: str | None = None) -> QuarantineRow:
    return QuarantineRow(
        PLACE, NOW, NOW, "not_json", "expected a value", "f1f2", "evt", winner, b"{", b"", ()
    )
