"""Each dialect answers everything that its OpenAPI document allows, and much that it does not.

No answer is a failure of ours, none has a status, a content type, a header or a shape that the
document does not tell.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients.asking import ask_everything
from tests.clients.served import Served
from tests.integration.drawn import automation, waiting
from tests.waiting import until_so

#: How it is let in, by the name that each document gives to that.
BEARER = "HTTPBearer = {{bearer = {}}}"
LOGINS = {"revkeen": "APIKeyHeader = {{api_key = {}}}"}

ANN = "ann@example.com"
SEGMENT = {"name": "VIP"}
TOPIC = {"name": "News", "default_subscription": "opt_in"}
TEMPLATE = {"name": "Hello", "alias": "hello", "subject": "Hi", "html": "<p>Hi {{{NAME|you}}}</p>"}
PROPERTY = {"key": "plan", "type": "string", "fallback_value": "free"}
#: Owners are nobody's but their own: what stands there may be of any type.
ODD = waiting("Odd", "odd") | {
    "annotations": {
        "sendrealm": {"description": 7, "editor_layout": "none", "id": None},
        "revkeen": {"objective": [], "description": 7, "risk_profile": {}, "source_thread_id": "x"},
    }
}
EVENT = {"name": "user.created", "schema": {"plan": "string"}}


async def known_values(served: Served) -> dict[str, list[str]]:
    """Make one thing of every kind, and a run of each automation; return what leads to them."""
    applied = await served.house.apply(automation(), waiting(), ODD)
    async with served.client() as client:

        async def made(path: str, body: dict[str, Any]) -> str:
            answer = await client.post(path, json=body)
            assert answer.is_success, answer.text
            return str(answer.json()["id"])

        contact = await made("/contacts", {"email": ANN})
        segment, topic = await made("/segments", SEGMENT), await made("/topics", TOPIC)
        template, event = await made("/templates", TEMPLATE), await made("/events", EVENT)
        kept = await made("/contact-properties", PROPERTY)
        sent = [await made("/events/send", {"event": "go", "email": ANN}) for _ in range(3)]
        sent.append(await made("/events/send", {"event": "order.completed", "email": ANN}))

        async def runs() -> list[str] | None:
            found = [
                run
                for one in applied
                for run in (await client.get(f"/automations/{one.automation_id}/runs")).json()[
                    "data"
                ]
            ]
            return [run["id"] for run in found] if len(found) == len(sent) else None

        run_ids = await until_so(runs)
    assert run_ids is not None
    automations = [str(one.automation_id) for one in applied]
    return {
        "path.automation_id": automations,
        "path.run_id": run_ids,
        "path.contact": [contact, ANN],
        "path.segment_id": [segment],
        "path.audience_id": [segment],
        "path.topic_id": [topic],
        "path.identifier": [template, "hello", event, "user.created", kept, "plan"],
        "path.event_id": sent,
        "query.segment_id": [segment],
        "body.event": ["go", "order.completed", "user.created"],
        "body.email": [ANN, "ben@example.com"],
        "body.contact_id": [contact],
    }


@pytest.mark.timeout(600)
@pytest.mark.parametrize("dialect", ["resend", "sendrealm", "revkeen"])
async def test_everything_that_is_asked_is_answered_as_documented(
    dialect: str, served: Served, tmp_path: Path
) -> None:
    document_url = f"{served.url}/{dialect}/openapi.json"
    login = LOGINS.get(dialect, BEARER).format(json.dumps(served.key))
    said = await ask_everything(document_url, login, await known_values(served), tmp_path)
    assert re.search(r"Selected: (\d+)/\1\n +Tested: \1\n", said), said
