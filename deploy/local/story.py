"""The demo's first three stories: one answers, one does not, one answers too early."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from deploy.local.telling import Record, StoryError, Teller


def tell_ann(teller: Teller) -> Record:
    """Ann opens her receipt: the event names her by another identifier, and her run goes on."""
    teller.chapter("1. Ann opens her receipt, and is known by two names")
    teller.run(
        *("publish", "order.completed", "--email", "ann@example.com", "--external-id", "cust-1"),
        *("--payload", '{"order_id": "o-1", "total": 30}', "--id", "ann-order"),
    )
    waiting = teller.run_of("email:ann@example.com", _is_waiting, "her run waits for the open")
    teller.show(waiting)
    teller.say("The open names her by her [bold]external id[/bold] alone:")
    opened = json.dumps({"email_id": waiting["messages"][0]["id"]})
    teller.run(
        *("publish", "email.opened", "--external-id", "cust-1", "--id", "ann-open"),
        *("--payload", opened),
    )
    record = teller.run_of("email:ann@example.com", _is_completed, "her run is completed")
    teller.show(record)
    return record


def tell_ben(teller: Teller) -> Record:
    """Ben never opens his: the wait times out and the run takes the other branch."""
    teller.chapter("2. Ben does not open his: the timeout branch")
    record = teller.run_of("email:ben@example.com", _is_completed, "his run has timed out")
    teller.show(record)
    return record


def send_ben(teller: Teller) -> None:
    """Start Ben's run early, so that his deadline passes while Ann's story is told."""
    teller.hear("publish", "cart.abandoned", "--email", "ben@example.com", "--id", "ben-cart")


def tell_cleo(teller: Teller) -> Record:
    """Cleo's open is on Kafka before her order is: look-back finds it."""
    teller.chapter("3. Cleo's open comes before her order does")
    ordered_at = datetime.now(UTC)
    teller.run("publish", "email.opened", "--email", "cleo@example.com", "--id", "cleo-open")
    _until_applied(teller, "cleo-open")
    teller.say("Only now comes the order that her run starts from:")
    teller.run(
        *("publish", "order.completed", "--email", "cleo@example.com", "--id", "cleo-order"),
        *("--occurred-at", ordered_at.isoformat(), "--payload", '{"order_id": "o-3"}'),
    )
    record = teller.run_of("email:cleo@example.com", _is_completed, "her run is completed")
    teller.show(record)
    teller.run("explain", "cleo-open")
    return record


def _until_applied(teller: Teller, event_id: str) -> None:
    def look() -> Record | None:
        try:
            told: Record = teller.read("explain", event_id)
        except StoryError:  # nothing is known of it yet
            return None
        return told if told.get("identity") else None

    teller.wait_for(look, f"the event {event_id} is applied")


def _is_waiting(record: Record) -> bool:
    return bool(record["activity"] == "waiting")


def _is_completed(record: Record) -> bool:
    return bool(record["status"] == "completed")
