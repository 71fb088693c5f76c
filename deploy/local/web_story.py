"""The demo's fourth story: an order comes by HTTP, and the run is read by HTTP."""

from __future__ import annotations

import json
from typing import Any

from deploy.local.telling import Record, Teller
from deploy.local.web import Web

#: How long a story waits before it looks again: a key may ask ten times a second.
PAUSE_SECONDS = 0.25


def make_key(teller: Teller) -> str:
    """Make the key that the story is told with, as an operator does."""
    teller.chapter("4. Dora's order comes by HTTP, in the words of Resend's clients")
    key = teller.run_heard("keys", "create", "demo", "--expires", "1 day")
    teller.say("A key is shown this once; what is kept of it is a hash.")
    return key


def tell_dora(teller: Teller, web: Web) -> Record:
    """Dora's order comes by HTTP, her open by Kafka, and her run is read as Resend shows runs."""
    teller.wait_for(web.is_ready, "the HTTP server is ready", PAUSE_SECONDS)
    web.post(
        "/events/send",
        {
            "event": "order.completed",
            "email": "dora@example.com",
            "payload": {"order_id": "o-4", "total": 12},
        },
        idempotency_key="dora-order",
    )
    teller.say("It is on Kafka, and a run starts from it that waits for her to open her receipt.")
    path = teller.wait_for(lambda: _run_of(web, "dora-order"), "her run starts", PAUSE_SECONDS)
    waiting = teller.wait_for(
        lambda: _as_soon_as(web, path, "opened", "waiting"), "her run waits", PAUSE_SECONDS
    )
    opened = json.dumps({"email_id": _step(waiting, "receipt")["output"]["email_id"]})
    teller.run(
        *("publish", "email.opened", "--email", "dora@example.com", "--id", "dora-open"),
        *("--payload", opened),
    )
    teller.wait_for(
        lambda: _as_soon_as(web, path, "thanks", "completed"), "her run goes on", PAUSE_SECONDS
    )
    teller.say("The run has waited, and that event has resumed it. As Resend shows a run:")
    record: Record = web.get(path)
    teller.say("It is one record; operators read it so:")
    teller.show(record)
    return record


def _run_of(web: Web, event_id: str) -> str | None:
    """Return the path of the run that an event started, None if it has started none yet."""
    told = web.look(f"/events/explain/{event_id}") or {"automations": []}
    for one in told["automations"]:
        if one["run_id"] is not None:
            automation_id = _automation_id(web, one["automation"])
            return f"/automations/{automation_id}/runs/{one['run_id']}"
    return None


def _automation_id(web: Web, name: str) -> str:
    (found,) = [one for one in web.look("/automations")["data"] if one["name"] == name]
    return str(found["id"])


def _as_soon_as(web: Web, path: str, key: str, status: str) -> Record | None:
    """Return a run once its step of a key has come so far."""
    run: Record = web.look(path)
    step = _step(run, key)
    return run if step is not None and step["status"] == status else None


def _step(run: Record, key: str) -> Any:
    return next((step for step in run["steps"] if step["key"] == key), None)
