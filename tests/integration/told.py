"""How a run record, a receipt and a message are said: the words of the stories."""

from __future__ import annotations

import email
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import policy
from typing import Any
from uuid import UUID

from confluent_kafka import Message

from state.event import Coordinates
from state.moment import moment_text
from tests.integration.kit import House

Record = dict[str, Any]


def is_waiting(run: Record) -> bool:
    return bool(run["activity"] == "waiting")


def is_done(run: Record) -> bool:
    return bool(run["status"] != "running")


def is_completed(run: Record) -> bool:
    return bool(run["status"] == "completed")


def step(key: str, kind: str, started_at: str, completed_at: str | None, **more: object) -> Record:
    """Return a step of the record: completed, without branch, if nothing else is said."""
    return {
        "key": key,
        "type": kind,
        "status": "completed",
        "branch_taken": "default",
        "started_at": started_at,
        "completed_at": completed_at,
        "input": None,
        "output": None,
        "error": None,
    } | more


def parsed(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def later(moment: str, span: timedelta) -> str:
    return moment_text(parsed(moment) + span)


def recorded(message: Message) -> str:
    """Return when the broker says it got a record."""
    _, milliseconds = message.timestamp()
    return moment_text(datetime.fromtimestamp(milliseconds / 1000, UTC))


def assert_ascending(*moments: str) -> None:
    assert list(moments) == sorted(moments)
    assert all(len(moment) == len("2026-11-22T10:00:00.000000Z") for moment in moments)


async def contact_of(house: House, kind: int, value: str) -> int:
    number = await house.value(
        "select contact_id from identifiers where kind = $1 and value = $2", kind, value
    )
    return int(number)


async def read_events(house: House, count: int) -> list[Any]:
    """Return the records of the events topic, each with its coordinates as `key()`."""

    class Placed:
        def __init__(self, message: Message) -> None:
            self.timestamp = message.timestamp
            self.key = lambda: Coordinates(message.topic(), message.partition(), message.offset())

    return [Placed(message) for message in await house.topic(house.events, count)]


async def receipts(house: House, count: int) -> dict[str, list[Record]]:
    """Return the receipts by the id of their event, which is their key."""
    found: dict[str, list[Record]] = {}
    for message in await house.topic(house.receipts, count):
        said = json.loads(message.value())
        assert message.key().decode() == said["event_id"]
        found.setdefault(said["event_id"], []).append(said)
    return found


def head_of_receipt(event_id: str, name: str, place: Coordinates, contact_id: str) -> Record:
    return {"event_id": event_id, "event": name, **place._asdict(), "contact_id": contact_id}


def did(subject: str, verdict: str, run: Record) -> Record:
    return {
        "subject": subject,
        "verdict": verdict,
        "automation_id": run["automation_id"],
        "run_id": run["id"],
    }


def assert_sent(house: House, run: Record) -> None:
    """F2: each message is one file, named by the id that its step knew, with what was said."""
    outputs = [one["output"] or {} for one in run["steps"]]
    ids = [out.get("email_id", out.get("push_id")) for out in outputs]
    messages: Sequence[Record] = run["messages"]
    assert [message["id"] for message in messages] == [one for one in ids if one is not None]
    assert {UUID(name.partition(".")[0]) for name in house.files()} == {
        UUID(message["id"]) for message in messages
    }
    for message in messages:
        if message["channel"] == "email":
            raw = house.files()[f"{message['id']}.eml"]
            read = email.message_from_bytes(raw, policy=policy.default)
            assert read["Message-ID"] == f"<{message['id']}@waitline>"
            assert (read["To"], read["Subject"]) == (message["to"], message["subject"])
            assert read.get_content().strip() in ("Your receipt.", "Still unread.")
            key = read["X-Waitline-Key"]
            assert f"X-Waitline-Key: {key}\n".encode() in raw
        else:
            push = json.loads(house.files()[f"{message['id']}.json"])
            assert (push["id"], push["to"]) == (message["id"], message["to"])
            assert (push["title"], push["text"]) == (message["title"], "We are here.")
            assert push["created_at"] == message["created_at"]
            key = push["key"]
        assert key.startswith(run["automation_id"])
        assert key.endswith(f":0:{message['step_key']}")
