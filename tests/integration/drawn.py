"""Events and automations that the tests share, short to write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

#: The automation of most tests: two messages around a wait, the second by its outcome.
TEMPLATES = {
    "receipt": {"subject": "Thanks {{{NAME|friend}}}", "text": "Your receipt."},
    "thanks": {"title": "Need anything else?", "text": "We are here."},
    "nudge": {"subject": "Your receipt is waiting", "text": "Still unread."},
}


class Post(NamedTuple):
    """A record to publish; `value` is sent as it is, `topic` None is the events topic."""

    value: bytes | None
    partition: int | None = None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    topic: str | None = None


def post(event: str, *, to: int | None = None, topic: str | None = None, **said: object) -> Post:
    """Return a plain JSON event, for partition `to` if that is given."""
    return Post(json.dumps({"event": event, **said}).encode(), to, topic=topic)


def automation(name: str = "Receipt and follow-up", **config: object) -> dict[str, Any]:
    """Return order.completed -> e-mail -> wait for email.opened -> push, or e-mail at timeout."""
    wait = {"event_name": "email.opened", "timeout": "30 minutes"} | config
    return {
        "name": name,
        "steps": [
            {"key": "start", "type": "trigger", "config": {"event_name": "order.completed"}},
            {"key": "receipt", "type": "send_email", "config": {"template": {"id": "receipt"}}},
            {"key": "opened", "type": "wait_for_event", "config": wait},
            {"key": "thanks", "type": "send_push", "config": {"template": {"id": "thanks"}}},
            {"key": "nudge", "type": "send_email", "config": {"template": {"id": "nudge"}}},
        ],
        "connections": [
            {"from": "start", "to": "receipt"},
            {"from": "receipt", "to": "opened"},
            {"from": "opened", "to": "thanks", "type": "event_received"},
            {"from": "opened", "to": "nudge", "type": "timeout"},
        ],
        "templates": TEMPLATES,
    }


def waiting(name: str = "Waiting", start: str = "go", **config: object) -> dict[str, Any]:
    """Return an automation that only waits: `start`, then an event, and both branches end."""
    wait = {"event_name": "answer", "timeout": "1 hour"} | config
    return {
        "name": name,
        "steps": [
            {"key": "start", "type": "trigger", "config": {"event_name": start}},
            {"key": "wait", "type": "wait_for_event", "config": wait},
        ],
        "connections": [{"from": "start", "to": "wait"}],
    }
