"""The run record: interface.md's keys, from what the tables hold."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from handlers.publishing.catalogue import compile_version
from handlers.record import run_record, run_summary
from state.automation import Version
from state.reading import MessageRow, StoredRun, VersionRow
from state.run import Run
from tests.kit import (
    NOW,
    Scene,
    ahead,
    condition,
    delay,
    email,
    event,
    line,
    push,
    wait,
    way,
)

FOLLOW_UP = line(
    email("receipt"),
    wait("opened", "email.opened", timeout="30 minutes"),
    push("thanks"),
    aside=[email("nudge", "other")],
    ways=[way("opened", "nudge", "timeout")],
    exit=[{"event": "refunded"}],
)

RECORD_KEYS = [
    "id", "automation_id", "automation_name", "automation_version", "status", "activity",
    "ended_reason", "error", "contact_id", "resolved_identity_type", "resolved_identity_value",
    "trigger_event", "steps", "waits", "messages", "created_at", "started_at", "completed_at",
]  # fmt: skip
STEP_KEYS = [
    "key", "type", "status", "branch_taken", "started_at", "completed_at", "input", "output",
    "error",
]  # fmt: skip
WAIT_KEYS = [
    "step_key", "events", "status", "deadline", "opened_at", "closed_at", "outcome_branch",
    "resumed_by_event", "held_for_lag", "late_match",
]  # fmt: skip


def stored(scene: Scene, run: Run | None = None, **more: object) -> tuple[StoredRun, Version]:
    """Return a run of a scene as the tables would hold it, its history written as JSON."""
    run = run or scene.run
    entries = [json.dumps(entry) for entry in run.fresh]
    past = ",".join([*([run.past] if run.past else []), *entries])
    (definition,) = scene.tables.definitions
    row = VersionRow(definition.automation_id, definition.name, 1, definition.definition)
    return StoredRun(replace(run, past=past, fresh=()), row, **more), compile_version(*row)


def record(scene: Scene, **more: object) -> dict[str, object]:
    return run_record(*stored(scene, **more))


def message(step_key: str, status: str, channel: str = "email") -> MessageRow:
    return MessageRow(
        UUID(int=9), UUID(int=2), channel, step_key, "ann@x.io", "Hello", status, None, NOW
    )


def started(*automations: Mapping[str, object], **payload: object) -> Scene:
    scene = Scene(*automations)
    scene.decide(event("go", payload=payload))
    return scene


def statuses(found: dict[str, object]) -> list[tuple[str, str]]:
    steps = found["steps"]
    assert isinstance(steps, list)
    return [(step["key"], step["status"]) for step in steps]


def in_order(keys: Sequence[str], found: Mapping[str, object]) -> list[str]:
    return [key for key in found if key in keys]


def test_the_record_has_the_keys_of_the_interface_in_its_order() -> None:
    """R4: the record holds trigger, identity, steps, waits and messages."""
    scene = started(FOLLOW_UP)
    scene.settle()
    found = record(scene, messages=[message("receipt", "sent")])
    assert in_order(RECORD_KEYS, found) == RECORD_KEYS
    (first, *_) = found["steps"]
    assert list(first) == STEP_KEYS
    (waited,) = found["waits"]
    assert list(waited)[: len(WAIT_KEYS)] == WAIT_KEYS
    assert list(found["trigger_event"]) == [
        "id", "event", "occurred_at", "recorded_at", "topic", "partition", "offset", "payload",
    ]  # fmt: skip
    (sent,) = found["messages"]
    assert list(sent) == [
        "id", "channel", "step_key", "to", "subject", "status", "last_event", "created_at", "error",
        "sent_after_cancel", "next_attempt_at",
    ]  # fmt: skip


def test_a_push_has_a_title_where_an_email_has_a_subject() -> None:
    scene = started(FOLLOW_UP)
    (sent,) = record(scene, messages=[message("thanks", "sent", "push")])["messages"]
    assert sent["title"] == "Hello"
    assert "subject" not in sent


def test_times_are_rfc_3339_in_utc_with_microseconds() -> None:
    found = record(started(FOLLOW_UP))
    assert found["created_at"] == "2026-11-22T10:00:00.000000Z"
    assert found["completed_at"] is None


def test_a_run_says_when_it_last_moved() -> None:
    """R4: not when a list of it was read."""
    scene = started(FOLLOW_UP)
    assert record(scene)["updated_at"] == "2026-11-22T10:00:00.000000Z"
    scene.at(ahead(minutes=1)).settle()
    assert record(scene)["updated_at"] == "2026-11-22T10:01:00.000000Z"


def test_a_run_that_sends_shows_its_step_running_and_the_message_id() -> None:
    """R1, F3: a send step is running until it is settled."""
    found = record(started(FOLLOW_UP))
    assert found["activity"] == "sending"
    assert statuses(found) == [("start", "completed"), ("receipt", "running")]
    assert "email_id" in found["steps"][-1]["output"]


def test_a_run_that_waits_shows_the_step_and_the_open_wait() -> None:
    """W8: on the run stands what it waits for and until when."""
    scene = started(FOLLOW_UP)
    scene.settle()
    found = record(scene)
    assert found["activity"] == "waiting"
    assert statuses(found)[-1] == ("opened", "waiting")
    (waited,) = found["waits"]
    assert waited["events"] == ["email.opened"]
    assert waited["status"] == "waiting"
    assert waited["deadline"] == "2026-11-22T10:30:00.000000Z"
    assert waited["closed_at"] is None
    assert waited["resumed_by_event"] is None
    assert waited["held_for_lag"] is False
    assert found["steps"][-1]["input"] == {"event_name": "email.opened", "timeout": "30 minutes"}


def test_a_run_that_sleeps_shows_its_delay_as_waiting() -> None:
    found = record(started(line(delay("pause", "1 hour"))))
    assert found["activity"] == "delayed"
    assert statuses(found) == [("start", "completed"), ("pause", "waiting")]
    assert found["waits"] == []


def test_a_received_wait_names_the_event_that_ended_it() -> None:
    """W8, R4: which event ended a wait is on the run."""
    scene = started(FOLLOW_UP)
    scene.settle()
    scene.at(ahead(minutes=1)).decide(event("email.opened", ahead(minutes=1), id="open-1"))
    scene.settle()
    found = record(scene)
    assert (found["status"], found["ended_reason"]) == ("completed", "completed_end")
    assert statuses(found) == [
        ("start", "completed"),
        ("receipt", "completed"),
        ("opened", "completed"),
        ("thanks", "completed"),
    ]
    (waited,) = found["waits"]
    assert (waited["status"], waited["outcome_branch"]) == ("received", "event_received")
    assert waited["resumed_by_event"]["id"] == "open-1"
    assert waited["resumed_by_event"]["occurred_at"] == "2026-11-22T10:01:00.000000Z"


def test_a_late_match_found_after_the_time_out_is_merged_into_its_wait() -> None:
    """W5: the first late event is shown on the run, with its lateness."""
    scene = started(FOLLOW_UP)
    scene.settle()
    scene.at(ahead(minutes=31)).fire_due()
    late = {"event_id": "late-1", "verdict": "late_arrival", "lateness_seconds": 60.0}
    (waited,) = record(scene, late={"opened": late})["waits"]
    assert waited["status"] == "timed_out"
    assert waited["late_match"]["event_id"] == "late-1"
    assert waited["late_match"]["lateness_seconds"] == 60.0


def test_a_late_match_noted_on_an_open_wait_is_shown() -> None:
    """W5: an event after the deadline is shown on the wait that it was too late for."""
    scene = started(FOLLOW_UP)
    scene.settle()
    scene.at(ahead(minutes=40)).decide(event("email.opened", ahead(minutes=40), id="late-2"))
    (waited,) = record(scene)["waits"]
    assert waited["late_match"]["event_id"] == "late-2"
    assert waited["late_match"]["verdict"] == "after_deadline"


def test_a_wait_open_at_the_end_renders_skipped() -> None:
    """R1: a wait open when its run ended renders skipped, derived and not stored."""
    scene = started(FOLLOW_UP)
    scene.settle()
    scene.at(ahead(minutes=2)).decide(event("refunded", ahead(minutes=2)))
    found = record(scene)
    assert found["ended_reason"] == "exited_rule"
    assert statuses(found) == [
        ("start", "completed"),
        ("receipt", "completed"),
        ("opened", "skipped"),
    ]
    assert found["steps"][-1]["completed_at"] == found["completed_at"]
    assert found["waits"][0]["status"] == "cancelled"


def test_a_delay_interrupted_by_an_exit_renders_skipped() -> None:
    """R1, S3: an exit mid-delay leaves the delay skipped."""
    scene = started(line(delay("pause", "1 hour"), push("late"), exit=[{"event": "refunded"}]))
    scene.at(ahead(minutes=2)).decide(event("refunded", ahead(minutes=2)))
    assert statuses(record(scene)) == [("start", "completed"), ("pause", "skipped")]


def test_a_send_interrupted_by_an_exit_shows_what_became_of_its_message() -> None:
    """R4: a message that went out is not hidden by the run's end."""
    scene = started(FOLLOW_UP)
    scene.at(ahead(minutes=2)).decide(event("refunded", ahead(minutes=2)))
    assert statuses(record(scene, messages=[message("receipt", "queued")]))[-1][1] == "running"
    assert statuses(record(scene, messages=[message("receipt", "sent")]))[-1][1] == "completed"
    assert statuses(record(scene, messages=[message("receipt", "failed")]))[-1][1] == "failed"
    assert statuses(record(scene, messages=[message("receipt", "skipped")]))[-1][1] == "skipped"


def test_a_failed_step_shows_its_error_on_step_and_run() -> None:
    """F5, F6: a failure names the step, a code and a text."""
    needs_total = condition("rich", field="event.total", operator="gt", value=10)
    found = record(started(line(needs_total)))
    assert (found["status"], found["ended_reason"]) == ("failed", "failed_step")
    assert found["error"]["step_key"] == "rich"
    assert found["error"] == found["steps"][-1]["error"]
    assert statuses(found) == [("start", "completed"), ("rich", "failed")]


def test_steps_stand_in_graph_order_whatever_order_they_were_written_in() -> None:
    found = stored(started(FOLLOW_UP))
    run, version = found
    entries = json.loads(f"[{run.run.past}]")
    shuffled = replace(run.run, past=",".join(json.dumps(one) for one in reversed(entries)))
    keys = [step["key"] for step in run_record(replace(run, run=shuffled), version)["steps"]]
    assert keys == sorted(keys, key=version.order.index)


def test_a_list_shows_where_a_run_stands_and_leaves_out_what_it_did() -> None:
    scene = started(FOLLOW_UP)
    scene.settle()
    summary = run_summary(stored(scene)[0])
    assert summary["step_key"] == "opened"
    assert not summary.keys() & {"steps", "waits", "messages"}
    assert summary["trigger_event"]["event"] == "go"


def test_a_resumed_wait_found_by_look_back_closes_when_it_opens() -> None:
    """W2: a wait ended by look-back is shown received, opened and closed at once."""
    scene = Scene(FOLLOW_UP)
    scene.decide(event("email.opened", NOW, id="early"))
    scene.at(ahead(seconds=5)).decide(event("go", NOW - timedelta(seconds=1)))
    scene.settle()
    (waited,) = record(scene)["waits"]
    assert waited["resumed_by_event"]["id"] == "early"
    assert waited["opened_at"] == waited["closed_at"]
