"""Run records of every kind: what the dialects have to render."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from handlers.publishing.catalogue import compile_version
from handlers.record import run_record, run_summary
from state.reading import MessageRow, StoredRun, VersionRow
from tests.kit import (
    Scene,
    arm,
    arms,
    condition,
    delay,
    email,
    event,
    line,
    push,
    stored_version,
    trigger,
    update,
    wait,
    way,
)
from tests.simulation.histories import with_history

AT = datetime(2026, 6, 8, 14, 15, tzinfo=UTC)
OPENED = AT + timedelta(seconds=90)
EMAIL_ID, PUSH_ID = UUID(int=1), UUID(int=2)

JOURNEY = line(
    email("send_receipt"),
    wait("wait_for_open", "sendrealm.mail.open", timeout="30 minutes"),
    push("thank"),
    on=trigger("order.completed"),
    aside=[email("nudge", "other")],
    ways=[way("wait_for_open", "nudge", "timeout")],
    exit=[{"event": "order.refunded"}],
)

Record = Mapping[str, Any]


def started(document: Mapping[str, Any] = JOURNEY, **payload: object) -> Scene:
    """Return a scene in which one run of an automation has begun."""
    version = stored_version(document, enabled_at=AT - timedelta(days=30))
    scene = Scene(version, now=AT, interest_since=AT - timedelta(days=30))
    said = {"order_id": "ord_1", **payload}
    name = next(step for step in document["steps"] if step["type"] == "trigger")["config"]
    scene.decide(event(name["event_name"], AT, id="evt-1", payload=said, email="ann@example.com"))
    return scene


def message(step_key: str, status: str = "sent", channel: str = "email", **more: Any) -> MessageRow:
    ids = {"email": EMAIL_ID, "push": PUSH_ID}
    row = MessageRow(
        message_id=ids[channel],
        run_id=UUID(int=9),
        channel=channel,
        step_key=step_key,
        recipient="ann@example.com",
        title="Your receipt",
        status=status,
        last_event=None,
        created_at=AT + timedelta(seconds=1),
    )
    return row._replace(**more)


def stored(scene: Scene, *messages: MessageRow) -> StoredRun:
    (definition,) = scene.tables.definitions
    row = VersionRow(definition.automation_id, definition.name, 1, definition.definition)
    return StoredRun(with_history(scene.run), row, messages)


def record_of(scene: Scene, *messages: MessageRow) -> Record:
    found = stored(scene, *messages)
    return run_record(found, compile_version(*found.version))


def summary_of(scene: Scene) -> Record:
    return run_summary(stored(scene))


# --- what a run can be ----------------------------------------------------------------------------


def completed_scene() -> Scene:
    """A receipt, opened after ninety seconds, and a push of thanks."""
    scene = started()
    scene.settle()
    opened = event("sendrealm.mail.open", OPENED, id="evt-2", email="ann@example.com")
    scene.at(OPENED).decide(opened)
    scene.settle()
    return scene


def completed() -> Record:
    return record_of(completed_scene(), message("send_receipt"), message("thank", channel="push"))


def sending() -> Record:
    return record_of(started(), message("send_receipt", "queued"))


def waiting() -> Record:
    scene = started()
    scene.settle()
    return record_of(scene, message("send_receipt", last_event="sendrealm.mail.delivery"))


def timed_out() -> Record:
    scene = started()
    scene.settle()
    scene.at(AT + timedelta(minutes=31)).fire_due()
    return record_of(scene, message("send_receipt"), message("nudge", "sending"))


def exited() -> Record:
    """A receipt under way when its run was ended: the step says nothing of it."""
    scene = started()
    refunded = event("order.refunded", AT + timedelta(minutes=1), email="ann@example.com")
    scene.at(AT + timedelta(minutes=1)).decide(refunded)
    return record_of(scene, message("send_receipt", "queued"))


def exited_waiting() -> Record:
    scene = started()
    scene.settle()
    refunded = event("order.refunded", AT + timedelta(minutes=1), email="ann@example.com")
    scene.at(AT + timedelta(minutes=1)).decide(refunded)
    return record_of(scene, message("send_receipt", title=None))


def push_without_title() -> Record:
    scene = started(line(push("thank")))
    return record_of(scene, message("thank", "unknown", "push", title=None))


def pushed_nothing() -> Record:
    """A push whose step was left before it said what it sends."""
    document = line(push("thank"), exit=[{"event": "order.refunded"}])
    scene = started(document)
    refunded = event("order.refunded", AT + timedelta(minutes=1), email="ann@example.com")
    scene.at(AT + timedelta(minutes=1)).decide(refunded)
    return record_of(scene, message("thank", "queued", "push"))


def waiting_for_several() -> Record:
    """A wait for either of two events, without end."""
    two = arms("paid_or_left", "any_of", arm("paid", branch="paid"), arm("left", branch="left"))
    return record_of(started(line(two)))


def failed() -> Record:
    return record_of(started(line(condition("rich", field="event.total", operator="gt", value=1))))


def judged() -> Record:
    """A condition that holds, an update, and a delay that is slept through."""
    rich = condition("rich", field="event.total", operator="gt", value=1)
    return record_of(
        started(line(rich, update("note", first_name="Ann"), delay("pause", "1 hour")), total=30)
    )


RECORDS: Mapping[str, Callable[[], Record]] = {
    made.__name__: made
    for made in (
        completed,
        sending,
        waiting,
        timed_out,
        exited,
        exited_waiting,
        push_without_title,
        pushed_nothing,
        waiting_for_several,
        failed,
        judged,
    )
}
